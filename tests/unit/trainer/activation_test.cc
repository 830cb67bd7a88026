#include "client/cpp/examples/trainer/activation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "client/cpp/examples/trainer/activation_layer.h"
#include "core/firing_rule.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::trainer {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

template <typename Scalar>
ActivationFunction<Scalar> FunctionOf(const std::string& name) {
  return *ActivationFunctionFor<Scalar>(*ParseActivation(name));
}

double ValueAt(const std::string& name, double z) {
  const auto function = FunctionOf<double>(name);
  return function.value(z, function.parameter);
}

std::string TestName(const ::testing::TestParamInfo<std::string>& param) {
  std::string name = param.param;
  std::erase(name, '-');
  return name;
}

class EveryActivationTest : public ::testing::TestWithParam<std::string> {
 protected:
  const core::ActivationSpec spec_ = *ParseActivation(GetParam());
  const ActivationFunction<double> function_ = FunctionOf<double>(GetParam());

  double Value(double z) const {
    return function_.value(z, function_.parameter);
  }
  double Slope(double z) const {
    return function_.derivative(z, function_.parameter);
  }
};

TEST_P(EveryActivationTest, DerivativeIsTheSlopeOfTheValue) {
  constexpr double kStep = 1e-5;
  // Odd points, so that no kink (0, 6) lies within a step.
  for (int i = 0; i < 49; ++i) {
    const double z = -9.03 + 0.37 * i;
    const double slope = (Value(z + kStep) - Value(z - kStep)) / (2 * kStep);
    EXPECT_NEAR(Slope(z), slope, 1e-9) << z;
  }
}

TEST_P(EveryActivationTest, DerivativeIsTheOneThatCoreJudgesGatesBy) {
  for (int halves = -40; halves <= 40; ++halves) {
    const double z = 0.5 * halves;
    const double expected = core::Derivative(spec_, z);
    EXPECT_NEAR(Slope(z), expected, 1e-12 + 1e-9 * std::abs(expected)) << z;
  }
}

TEST_P(EveryActivationTest, FloatAgreesWithDouble) {
  const auto single = FunctionOf<float>(GetParam());
  for (int quarters = -49; quarters <= 49; ++quarters) {
    const double z = 0.25 * quarters;
    const auto value = single.value(static_cast<float>(z), single.parameter);
    EXPECT_NEAR(static_cast<double>(value), Value(z),
                1e-6 * (1.0 + std::abs(Value(z))))
        << z;
  }
}

TEST_P(EveryActivationTest, NanStaysNan) {
  EXPECT_TRUE(std::isnan(Value(std::numeric_limits<double>::quiet_NaN())));
}

TEST_P(EveryActivationTest, DerivativeIsFiniteFarOut) {
  const auto single = FunctionOf<float>(GetParam());
  for (const float z : {-1e4F, -200.0F, 200.0F, 1e4F}) {
    EXPECT_TRUE(std::isfinite(single.derivative(z, single.parameter))) << z;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryActivationTest,
                         ::testing::ValuesIn(ActivationNames()), TestName);

TEST(ActivationTest, HasTheValuesOfItsDefinition) {
  EXPECT_EQ(ValueAt("linear", -2.5), -2.5);
  EXPECT_EQ(ValueAt("relu", -2.5), 0.0);
  EXPECT_EQ(ValueAt("relu", 2.5), 2.5);
  EXPECT_EQ(ValueAt("relu6", 7.0), 6.0);
  EXPECT_DOUBLE_EQ(ValueAt("leaky-relu", -2.0), -0.02);
  EXPECT_DOUBLE_EQ(ValueAt("prelu", -2.0), -0.5);
  EXPECT_DOUBLE_EQ(ValueAt("rrelu", -48.0), -11.0);
  EXPECT_DOUBLE_EQ(ValueAt("elu", -1.0), std::exp(-1.0) - 1.0);
  EXPECT_DOUBLE_EQ(ValueAt("celu", -1.0), std::exp(-1.0) - 1.0);
  EXPECT_NEAR(ValueAt("selu", -1.0), -1.1113307378125625, 1e-15);
  EXPECT_NEAR(ValueAt("gelu", 1.0), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(ValueAt("gelu-tanh", 1.0), 0.8411919906082768, 1e-15);
  EXPECT_NEAR(ValueAt("silu", 1.0), 1.0 / (1.0 + std::exp(-1.0)), 1e-15);
  EXPECT_DOUBLE_EQ(ValueAt("softplus", 0.0), std::numbers::ln2);
  EXPECT_DOUBLE_EQ(ValueAt("sigmoid", 0.0), 0.5);
  EXPECT_DOUBLE_EQ(ValueAt("tanh", 0.5), std::tanh(0.5));
  EXPECT_EQ(ValueAt("squared-relu", -2.0), 0.0);
  EXPECT_EQ(ValueAt("squared-relu", 3.0), 9.0);
  EXPECT_NEAR(ValueAt("mish", 1.0), std::tanh(std::log1p(std::exp(1.0))),
              1e-15);
}

TEST(ActivationTest, HardVariantsAreStraightBetweenTheirCorners) {
  EXPECT_EQ(ValueAt("hard-sigmoid", -3.5), 0.0);
  EXPECT_EQ(ValueAt("hard-sigmoid", 0.0), 0.5);
  EXPECT_DOUBLE_EQ(ValueAt("hard-sigmoid", 1.5), 0.75);
  EXPECT_EQ(ValueAt("hard-sigmoid", 3.5), 1.0);
  EXPECT_EQ(ValueAt("hard-tanh", -1.5), -1.0);
  EXPECT_EQ(ValueAt("hard-tanh", 0.25), 0.25);
  EXPECT_EQ(ValueAt("hard-tanh", 1.5), 1.0);
  EXPECT_EQ(ValueAt("hard-swish", -3.5), 0.0);
  EXPECT_DOUBLE_EQ(ValueAt("hard-swish", -1.5), -0.375);
  EXPECT_EQ(ValueAt("hard-swish", 3.5), 3.5);
}

TEST(ActivationTest, CeluFollowsItsAlpha) {
  const auto celu = ActivationFunctionFor<double>(
      {.kind = core::Activation::kCelu, .alpha = 2.0});
  ASSERT_THAT(celu, IsOk());

  EXPECT_DOUBLE_EQ(celu->value(-2.0, celu->parameter),
                   2.0 * (std::exp(-1.0) - 1.0));
}

TEST(ActivationTest, TheKinkAtZeroBelongsToTheLeft) {
  for (const char* name : {"relu", "relu6", "squared-relu", "leaky-relu"}) {
    const auto function = FunctionOf<double>(name);
    EXPECT_EQ(function.derivative(0.0, function.parameter), function.parameter)
        << name;
  }
}

TEST(ActivationTest, UnknownNamesAreRefusedWithTheListOfNames) {
  EXPECT_THAT(ParseActivation("rellu"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'rellu'; there are relu, relu6")));
}

TEST(ActivationTest, KindsThatAreNotTrainedAreRefused) {
  for (const auto kind :
       {core::Activation::kSoftmaxExperts, core::Activation::kSparseLatents}) {
    EXPECT_THAT(MakeActivationLayer<float>({.kind = kind}, 0, 0),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("no activation")));
  }
}

TEST(ActivationLayerTest, RreluDrawsSlopesInTrainingOnly) {
  const core::ActivationSpec spec = *ParseActivation("rrelu");
  const auto layer = MakeActivationLayer<double>(spec, 1, 0);
  ASSERT_THAT(layer, IsOk());
  const Matrix<double> input = Matrix<double>::Constant(100, 100, -1.0);
  Matrix<double> trained;
  Matrix<double> evaluated;

  (*layer)->Forward(input, Mode::kTrain, trained);
  (*layer)->Forward(input, Mode::kEvaluate, evaluated);

  EXPECT_GE((-trained).minCoeff(), kRreluLowSlope);
  EXPECT_LT((-trained).maxCoeff(), kRreluHighSlope);
  // The variance of U(1/8, 1/3) is (5/24)^2 / 12.
  EXPECT_NEAR(-trained.mean(), 11.0 / 48.0, 5 * (5.0 / 24.0) / std::sqrt(12e4));
  EXPECT_TRUE(evaluated.isApproxToConstant(-11.0 / 48.0, 1e-15));
}

TEST(ActivationLayerTest, EvaluationDoesNotMoveTheSlopesOfTraining) {
  const core::ActivationSpec spec = *ParseActivation("rrelu");
  const Matrix<double> input = Matrix<double>::Constant(3, 4, -1.0);
  const auto disturbed = MakeActivationLayer<double>(spec, 1, 0);
  const auto left_alone = MakeActivationLayer<double>(spec, 1, 0);
  Matrix<double> first;
  Matrix<double> second;

  (*disturbed)->Forward(input, Mode::kEvaluate, first);
  (*disturbed)->Forward(input, Mode::kTrain, first);
  (*left_alone)->Forward(input, Mode::kTrain, second);

  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace firekeeper::trainer
