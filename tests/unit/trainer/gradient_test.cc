// Every gradient of a network against central differences of its loss, in
// double.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "client/cpp/examples/trainer/activation.h"
#include "client/cpp/examples/trainer/loss.h"
#include "client/cpp/examples/trainer/network.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::trainer {
namespace {

using ::firekeeper::testing::IsOk;

constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-6;

Matrix<double> NormalMatrix(Eigen::Index rows, Eigen::Index cols,
                            std::uint64_t seed) {
  Random random(seed, RandomStream::kSplit);
  Matrix<double> values(rows, cols);
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    values.data()[i] = random.Normal();
  }
  return values;
}

PerceptronSpec SpecOf(const core::ActivationSpec& activation) {
  return {.input_units = 5,
          .hidden_units = {7, 6},
          .output_units = 4,
          .activation = activation,
          .hidden_init = {.bias = 0.05},
          .output_init = {},
          .seed = 11};
}

// A small problem whose loss can be taken at any parameters. Every evaluation
// builds the network anew, so that RReLU draws the same slopes each time.
class Problem {
 public:
  Problem(const core::ActivationSpec& activation, Mode mode)
      : Problem(SpecOf(activation), mode, LossKind::kSoftmaxCrossEntropy) {}

  Problem(PerceptronSpec spec, Mode mode, LossKind loss)
      : spec_(std::move(spec)), mode_(mode), loss_(loss) {
    for (Eigen::Index row = 0; row < targets_.rows(); ++row) {
      targets_(row, row % targets_.cols()) = 1.0;
    }
  }

  Network<double> Build() const {
    auto network = Network<double>::Create(spec_);
    EXPECT_THAT(network, IsOk());
    if (trained_first_) network->Forward(other_inputs_, Mode::kTrain);
    return *std::move(network);
  }

  // Every network sees a training batch before: what batch normalisation
  // evaluates with is then that batch's.
  void TrainFirst() { trained_first_ = true; }

  // dL/dparameter by Backward.
  Matrix<double> Analytic(std::size_t parameter) const {
    Network<double> network = Build();
    Matrix<double> gradient;
    static_cast<void>(
        Loss(loss_, network.Forward(inputs_, mode_), targets_, &gradient));
    network.Backward(gradient);
    return network.Parameters()[parameter]->gradient;
  }

  Matrix<double> Numeric(std::size_t parameter) const {
    Matrix<double> gradient = Analytic(parameter);
    for (Eigen::Index i = 0; i < gradient.size(); ++i) {
      gradient.data()[i] =
          (LossWith(parameter, i, kStep) - LossWith(parameter, i, -kStep)) /
          (2 * kStep);
    }
    return gradient;
  }

 private:
  double LossWith(std::size_t parameter, Eigen::Index entry,
                  double shift) const {
    Network<double> network = Build();
    network.Parameters()[parameter]->value.data()[entry] += shift;
    return Loss<double>(loss_, network.Forward(inputs_, mode_), targets_,
                        nullptr);
  }

  PerceptronSpec spec_;
  Mode mode_;
  LossKind loss_;
  bool trained_first_ = false;
  Matrix<double> other_inputs_ = NormalMatrix(8, spec_.input_units, 4);
  Matrix<double> inputs_ = NormalMatrix(9, spec_.input_units, 3);
  Matrix<double> targets_ = Matrix<double>::Zero(9, 4);
};

void ExpectGradientsAgree(const Problem& problem) {
  const std::size_t count = problem.Build().Parameters().size();
  ASSERT_GE(count, 6U);
  for (std::size_t i = 0; i < count; ++i) {
    const Matrix<double> analytic = problem.Analytic(i);
    const Matrix<double> numeric = problem.Numeric(i);
    EXPECT_GT(numeric.norm(), 1e-4) << "parameter " << i << " tests nothing";
    EXPECT_LE((analytic - numeric).norm(), kTolerance * numeric.norm())
        << "parameter " << i << "\n"
        << analytic << "\nby differences\n"
        << numeric;
  }
}

std::string TestName(const ::testing::TestParamInfo<std::string>& param) {
  std::string name = param.param;
  std::erase(name, '-');
  return name;
}

class GradientTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GradientTest, TrainingGradientsEqualCentralDifferences) {
  ExpectGradientsAgree(Problem(*ParseActivation(GetParam()), Mode::kTrain));
}

TEST_P(GradientTest, EvaluationGradientsEqualCentralDifferences) {
  ExpectGradientsAgree(Problem(*ParseActivation(GetParam()), Mode::kEvaluate));
}

INSTANTIATE_TEST_SUITE_P(All, GradientTest,
                         ::testing::ValuesIn(ActivationNames()), TestName);

// Parameters that cannot matter (a bias before a batch norm takes it away) have
// no gradient; all others must be tested by one that is not zero.
void ExpectGradientsAgreeAndCount(const Problem& problem,
                                  std::size_t without_effect) {
  const std::size_t count = problem.Build().Parameters().size();
  std::size_t zero = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Matrix<double> analytic = problem.Analytic(i);
    const Matrix<double> numeric = problem.Numeric(i);
    EXPECT_LE((analytic - numeric).norm(), kTolerance * numeric.norm() + 1e-9)
        << "parameter " << i;
    if (analytic.norm() < 1e-12) ++zero;
  }
  EXPECT_EQ(zero, without_effect);
}

PerceptronSpec EqualWidths(Normalization normalization, Residual residual) {
  PerceptronSpec spec = SpecOf(*ParseActivation("tanh"));
  spec.hidden_units = {6, 6, 6};
  spec.normalization = normalization;
  spec.residual = residual;
  return spec;
}

TEST(ArchitectureGradientTest, NormalisedNetworksAgreeInTraining) {
  const auto problem = [](Normalization kind) {
    return Problem(EqualWidths(kind, Residual::kNone), Mode::kTrain,
                   LossKind::kSoftmaxCrossEntropy);
  };

  ExpectGradientsAgreeAndCount(problem(Normalization::kBatch), 3);
  ExpectGradientsAgreeAndCount(problem(Normalization::kLayer), 0);
}

TEST(ArchitectureGradientTest, BatchNormAgreesInEvaluationAfterTraining) {
  Problem problem(EqualWidths(Normalization::kBatch, Residual::kNone),
                  Mode::kEvaluate, LossKind::kSoftmaxCrossEntropy);
  problem.TrainFirst();

  // Nothing takes the bias away from running averages.
  ExpectGradientsAgreeAndCount(problem, 0);
}

TEST(ArchitectureGradientTest, ResidualSumsAgree) {
  for (const auto residual : {Residual::kPlain, Residual::kScaled}) {
    ExpectGradientsAgree(Problem(EqualWidths(Normalization::kNone, residual),
                                 Mode::kTrain, LossKind::kSoftmaxCrossEntropy));
    ExpectGradientsAgreeAndCount(
        Problem(EqualWidths(Normalization::kLayer, residual), Mode::kTrain,
                LossKind::kSoftmaxCrossEntropy),
        0);
  }
}

TEST(ArchitectureGradientTest, ConvolutionsAgree) {
  PerceptronSpec spec = SpecOf(*ParseActivation("tanh"));
  spec.input_units = 12;
  spec.image_width = 3;
  spec.convolutions = {{.channels = 3}, {.channels = 2, .stride = 2}};
  const Problem problem(spec, Mode::kTrain, LossKind::kSoftmaxCrossEntropy);

  ASSERT_EQ(problem.Build().Parameters().size(), 10U);
  ExpectGradientsAgree(problem);
}

TEST(ArchitectureGradientTest, SquaredErrorsAgree) {
  ExpectGradientsAgree(Problem(SpecOf(*ParseActivation("relu")), Mode::kTrain,
                               LossKind::kMeanSquaredError));
}

TEST(GradientCheckTest, SeesAGradientThatIsATenThousandthTooLarge) {
  const Problem problem(*ParseActivation("relu"), Mode::kTrain);
  const Matrix<double> wrong = 1.0001 * problem.Analytic(0);
  const Matrix<double> numeric = problem.Numeric(0);

  EXPECT_GT((wrong - numeric).norm(), kTolerance * numeric.norm());
}

// <W_l, dL/dW_l> is equal for every layer of a bias-free homogeneous network
// and equals <o, dL/do> (STATISTICS.md 2.5; Du, Hu and Lee, 1806.00900).
std::vector<double> LayerProducts(const char* activation) {
  PerceptronSpec spec = SpecOf(*ParseActivation(activation));
  spec.hidden_init.bias = 0.0;
  auto network = Network<double>::Create(spec);
  const Matrix<double> inputs = NormalMatrix(9, 5, 3);
  Matrix<double> targets = Matrix<double>::Zero(9, 4);
  targets.col(1).setOnes();
  Matrix<double> gradient;
  const Matrix<double> logits = network->Forward(inputs, Mode::kTrain);
  static_cast<void>(SoftmaxCrossEntropy(logits, targets, &gradient));
  network->Backward(gradient);

  std::vector<double> products{logits.cwiseProduct(gradient).sum()};
  for (std::size_t i = 0; i < network->layer_count(); ++i) {
    const auto& weight = network->layer(i).weight;
    products.push_back(weight.value.cwiseProduct(weight.gradient).sum());
  }
  return products;
}

TEST(HomogeneityTest, WeightsTimesGradientsAreEqualInEveryLayer) {
  for (const char* activation : {"relu", "leaky-relu", "prelu", "rrelu"}) {
    const std::vector<double> products = LayerProducts(activation);
    for (const double product : products) {
      EXPECT_NEAR(product, products[0], 1e-12) << activation;
    }
  }
}

TEST(HomogeneityTest, EluIsNotHomogeneous) {
  const std::vector<double> products = LayerProducts("elu");

  EXPECT_GT(std::abs(products[1] - products[3]), 1e-6);
}

}  // namespace
}  // namespace firekeeper::trainer
