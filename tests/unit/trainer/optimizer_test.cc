// Every update rule against steps worked out by hand.

#include "client/cpp/examples/trainer/optimizer.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace firekeeper::trainer {
namespace {

constexpr double kTolerance = 1e-15;

Parameter<double> ScalarParameter(double value, bool decays = true) {
  return {.value = Matrix<double>::Constant(1, 1, value),
          .gradient = Matrix<double>::Zero(1, 1),
          .decays = decays};
}

// The value after a step with this gradient.
double StepWith(Optimizer<double>& optimizer, Parameter<double>& parameter,
                double gradient) {
  parameter.gradient(0, 0) = gradient;
  const std::array<Parameter<double>*, 1> parameters{&parameter};
  optimizer.Step(parameters);
  return parameter.value(0, 0);
}

TEST(OptimizerTest, SgdMovesByTheRateTimesTheGradient) {
  Optimizer<double> sgd({.rule = UpdateRule::kSgd, .learning_rate = 0.1});
  Parameter<double> w = ScalarParameter(1.0);

  EXPECT_NEAR(StepWith(sgd, w, 0.5), 0.95, kTolerance);
  EXPECT_NEAR(StepWith(sgd, w, -2.0), 1.15, kTolerance);
}

TEST(OptimizerTest, SgdAddsTheWeightDecayToTheGradient) {
  Optimizer<double> sgd(
      {.rule = UpdateRule::kSgd, .learning_rate = 0.1, .weight_decay = 0.2});
  Parameter<double> w = ScalarParameter(1.0);

  // 1 - 0.1 (0.5 + 0.2 * 1)
  EXPECT_NEAR(StepWith(sgd, w, 0.5), 0.93, kTolerance);
}

TEST(OptimizerTest, MomentumKeepsAShareOfTheVelocity) {
  Optimizer<double> momentum(
      {.rule = UpdateRule::kMomentum, .learning_rate = 0.1, .momentum = 0.5});
  Parameter<double> w = ScalarParameter(1.0);

  // v = 1, then 0.5 * 1 + 2 = 2.5, then 0.5 * 2.5 + 0 = 1.25.
  EXPECT_NEAR(StepWith(momentum, w, 1.0), 0.9, kTolerance);
  EXPECT_NEAR(StepWith(momentum, w, 2.0), 0.65, kTolerance);
  EXPECT_NEAR(StepWith(momentum, w, 0.0), 0.525, kTolerance);
}

TEST(OptimizerTest, AdamCorrectsItsAveragesForTheirStart) {
  Optimizer<double> adam({.rule = UpdateRule::kAdam,
                          .learning_rate = 0.1,
                          .beta1 = 0.5,
                          .beta2 = 0.75,
                          .epsilon = 0.5});
  Parameter<double> w = ScalarParameter(1.0);

  // m = 1, s = 1; corrected 1 / 0.5 = 2 and 1 / 0.25 = 4.
  EXPECT_NEAR(StepWith(adam, w, 2.0), 1.0 - 0.1 * 2.0 / (2.0 + 0.5),
              kTolerance);
  // m = 0.5 * 1 - 0.5 = 0, so nothing moves; s = 0.75 + 0.25 = 1.
  EXPECT_NEAR(StepWith(adam, w, -1.0), 0.92, kTolerance);
  // m = 1.5, s = 0.75 + 0.25 * 9 = 3; corrected by 7/8 and 37/64.
  const double third =
      0.1 * (1.5 / 0.875) / (std::sqrt(3.0 / (37.0 / 64.0)) + 0.5);
  EXPECT_NEAR(StepWith(adam, w, 3.0), 0.92 - third, kTolerance);
}

TEST(OptimizerTest, AdamsFirstStepIsTheRateWhateverTheGradient) {
  for (const double gradient : {1e-3, 1.0, 1e3}) {
    Optimizer<double> adam({.rule = UpdateRule::kAdam, .learning_rate = 0.1});
    Parameter<double> w = ScalarParameter(1.0);
    EXPECT_NEAR(StepWith(adam, w, gradient), 0.9, 1e-5) << gradient;
  }
}

TEST(OptimizerTest, AdamScalesTheDecayAwayAndAdamWDoesNot) {
  const OptimizerSpec spec{.rule = UpdateRule::kAdam,
                           .learning_rate = 0.1,
                           .epsilon = 0.0,
                           .weight_decay = 0.2};
  OptimizerSpec decoupled = spec;
  decoupled.rule = UpdateRule::kAdamW;
  Optimizer<double> adam(spec);
  Optimizer<double> adam_w(decoupled);
  Parameter<double> w = ScalarParameter(1.0);
  Parameter<double> v = ScalarParameter(1.0);

  // The gradient 1 + 0.2 is normalised to 1; AdamW shrinks to 0.98 first.
  EXPECT_NEAR(StepWith(adam, w, 1.0), 0.9, kTolerance);
  EXPECT_NEAR(StepWith(adam_w, v, 1.0), 0.98 - 0.1, kTolerance);
}

TEST(OptimizerTest, NoRuleDecaysWhatMustNotDecay) {
  for (const UpdateRule rule : {UpdateRule::kSgd, UpdateRule::kMomentum,
                                UpdateRule::kAdam, UpdateRule::kAdamW}) {
    Optimizer<double> optimizer(
        {.rule = rule, .learning_rate = 0.1, .weight_decay = 0.2});
    Parameter<double> bias = ScalarParameter(1.0, /*decays=*/false);
    Parameter<double> weight = ScalarParameter(1.0);
    std::array<Parameter<double>*, 2> parameters{&bias, &weight};

    optimizer.Step(parameters);

    EXPECT_EQ(bias.value(0, 0), 1.0);
    EXPECT_LT(weight.value(0, 0), 1.0);
  }
}

TEST(OptimizerTest, ClippingScalesAllGradientsToTheirCommonNorm) {
  Optimizer<double> sgd(
      {.rule = UpdateRule::kSgd, .learning_rate = 1.0, .clip_norm = 1.0});
  Parameter<double> first = ScalarParameter(0.0);
  Parameter<double> second = ScalarParameter(0.0);
  std::array<Parameter<double>*, 2> parameters{&first, &second};
  first.gradient(0, 0) = 3.0;
  second.gradient(0, 0) = -4.0;

  sgd.Step(parameters);

  EXPECT_NEAR(first.value(0, 0), -0.6, 1e-6);
  EXPECT_NEAR(second.value(0, 0), 0.8, 1e-6);
  EXPECT_EQ(first.gradient(0, 0), 3.0) << "what was measured stays";
}

TEST(OptimizerTest, ClippingLeavesSmallGradientsAlone) {
  Optimizer<double> sgd(
      {.rule = UpdateRule::kSgd, .learning_rate = 0.1, .clip_norm = 1.0});
  Parameter<double> w = ScalarParameter(1.0);

  EXPECT_EQ(StepWith(sgd, w, 0.5), 1.0 - 0.1 * 0.5);
}

TEST(OptimizerTest, ClippingDoesNotHideADivergence) {
  Optimizer<double> sgd(
      {.rule = UpdateRule::kSgd, .learning_rate = 0.1, .clip_norm = 1.0});
  Parameter<double> w = ScalarParameter(1.0);

  EXPECT_TRUE(
      std::isnan(StepWith(sgd, w, std::numeric_limits<double>::quiet_NaN())));
}

TEST(OptimizerTest, WarmUpRaisesTheRateStepByStep) {
  Optimizer<double> sgd(
      {.rule = UpdateRule::kSgd, .learning_rate = 0.4, .warmup_steps = 4});
  Parameter<double> w = ScalarParameter(0.0);
  EXPECT_NEAR(sgd.learning_rate(), 0.1, kTolerance);

  EXPECT_NEAR(StepWith(sgd, w, 1.0), -0.1, kTolerance);
  EXPECT_NEAR(sgd.learning_rate(), 0.1, kTolerance);
  EXPECT_NEAR(StepWith(sgd, w, 1.0), -0.3, kTolerance);
  EXPECT_NEAR(StepWith(sgd, w, 1.0), -0.6, kTolerance);
  EXPECT_NEAR(StepWith(sgd, w, 1.0), -1.0, kTolerance);
  EXPECT_NEAR(StepWith(sgd, w, 1.0), -1.4, kTolerance);
  EXPECT_EQ(sgd.learning_rate(), 0.4);
}

TEST(OptimizerTest, EveryParameterHasItsOwnState) {
  Optimizer<double> momentum(
      {.rule = UpdateRule::kMomentum, .learning_rate = 1.0, .momentum = 0.5});
  Parameter<double> moved = ScalarParameter(0.0);
  Parameter<double> still = ScalarParameter(0.0);
  std::array<Parameter<double>*, 2> parameters{&moved, &still};

  moved.gradient(0, 0) = 1.0;
  momentum.Step(parameters);
  moved.gradient(0, 0) = 0.0;
  momentum.Step(parameters);

  EXPECT_EQ(moved.value(0, 0), -1.5);
  EXPECT_EQ(still.value(0, 0), 0.0);
}

}  // namespace
}  // namespace firekeeper::trainer
