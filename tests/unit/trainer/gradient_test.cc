// Every gradient of a network against central differences of its loss, in
// double.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <string>
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
      : spec_(SpecOf(activation)), mode_(mode) {
    for (Eigen::Index row = 0; row < targets_.rows(); ++row) {
      targets_(row, row % targets_.cols()) = 1.0;
    }
  }

  Network<double> Build() const {
    auto network = Network<double>::Create(spec_);
    EXPECT_THAT(network, IsOk());
    return *std::move(network);
  }

  // dL/dparameter by Backward.
  Matrix<double> Analytic(std::size_t parameter) const {
    Network<double> network = Build();
    Matrix<double> gradient;
    static_cast<void>(SoftmaxCrossEntropy(network.Forward(inputs_, mode_),
                                          targets_, &gradient));
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
    return SoftmaxCrossEntropy<double>(network.Forward(inputs_, mode_),
                                       targets_, nullptr);
  }

  PerceptronSpec spec_;
  Mode mode_;
  Matrix<double> inputs_ = NormalMatrix(9, 5, 3);
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
