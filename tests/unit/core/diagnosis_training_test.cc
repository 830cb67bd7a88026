// Causes that show while training, and what is no fault. The numbers are
// measured ones of STATISTICS.md 6.1 and 7.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/diagnosis/diagnose.h"
#include "tests/unit/core/diagnosis_matchers.h"
#include "tests/unit/core/facts_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::FactsBuilder;
using ::firekeeper::testing::Faults;
using ::firekeeper::testing::Findings;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

FactsBuilder AdamAtThreeHundredths() {
  FactsBuilder run;
  run.UpdateRatio(0.24, 0.03);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);
  return run;
}

TEST(LearningRateTest, FiresOnAdamAtThreeHundredths) {
  const FactsBuilder run = AdamAtThreeHundredths();

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("learning_rate_too_high"));
  EXPECT_EQ(diagnosis.findings[0].first_step, 12);
  EXPECT_EQ(diagnosis.findings[0].last_step, 400);
}

TEST(LearningRateTest, FiresOnDivergence) {
  FactsBuilder run;
  run.UpdateRatio(0.4, 0.1).Loss(1.39, 20.0);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("learning_rate_too_high"));
}

TEST(LearningRateTest, IsSilentAboutAFewDeaths) {
  // Adam at 0.01: dead 0.055, accuracy 0.961.
  FactsBuilder run;
  run.UpdateRatio(0.11, 0.03);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.055, 100);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(LearningRateTest, CountsNoUnitsOfLinearLayers) {
  FactsBuilder run;
  run.UpdateRatio(0.24, 0.03);
  for (const std::size_t linear : {1U, 3U}) {
    run.layer(linear).activation = {.kind = Activation::kLinear};
  }
  // Of all hidden units 0.075.
  for (const std::size_t rectified : {0U, 2U}) run.Dead(rectified, 0.15, 12);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("learning_rate_too_high"));
}

TEST(LearningRateTest, IsSilentWhereTheUpdatesAreSmall) {
  FactsBuilder run;
  run.UpdateRatio(0.008, 0.0014);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

TEST(LearningRateTest, IgnoresUpdatesAfterTheDeaths) {
  FactsBuilder run;
  run.UpdateRatio(0.01, 0.01);
  for (std::size_t i = 0; i < 4; ++i) {
    run.layer(i).train.at(Signal::kWeightUpdate).back().root_mean_square = 1.0;
    run.Dead(i, 0.36, 12);
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

// The first update is `rate` for one weight in `one_in`, and 0 for the others.
void MoveAlike(FactsBuilder& run, double rate, double one_in) {
  for (std::size_t i = 0; i < 4; ++i) {
    SignalDigest& first = run.Start(i, Signal::kWeightUpdate);
    first.root_mean_square = rate / std::sqrt(one_in);
    first.mean_absolute = rate / one_in;
    first.max = rate;
    first.min = -rate;
  }
}

TEST(LearningRateTest, IsJudgedByOneWeightWhereMostHaveNoGradient) {
  // Adam at 0.03: weights of deviation 0.18, a ninth of which moves.
  FactsBuilder run;
  run.UpdateRatio(0.06, 0.01);
  MoveAlike(run, 0.03, 9.0);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("learning_rate_too_high"));
}

TEST(LearningRateTest, IsNotBlamedForASmallStepOfEveryWeight) {
  // Adam at 0.01, which trains.
  FactsBuilder run;
  run.UpdateRatio(0.06, 0.01);
  MoveAlike(run, 0.01, 1.0);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

TEST(LearningRateTest, WeightsThatAreTooSmallDoNotMakeAStepLarge) {
  FactsBuilder run;
  run.Gain(0.05, 1.0, 0.1).UpdateRatio(0.06, 0.01);
  MoveAlike(run, 0.0008, 1.0);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              Not(Contains("learning_rate_too_high")));
}

// Biases of -2 shut every layer: only the biases of the output move, by `step`
// up or down.
FactsBuilder ShutBeforeTheOutput(double step) {
  FactsBuilder run;
  run.Bias(-2.0, -1.4).Loss(1.39, 1.38).UpdateRatio(0.0, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    run.SilentAtStart(i, 1.0).Dead(i, 1.0);
    run.Start(i, Signal::kWeightGradient).root_mean_square = 0.0;
  }
  SignalDigest& moved = run.output().train.at(Signal::kBias).at(1);
  // One class in four is as frequent in the batch as the network says.
  moved.root_mean_square = step * std::sqrt(0.75);
  moved.mean_absolute = step * 0.75;
  moved.max = step;
  moved.min = -step;
  return run;
}

TEST(LearningRateTest, IsSeenBehindALayerThatIsShut) {
  FactsBuilder run = ShutBeforeTheOutput(0.03);
  run.Scalar(kLearningRateScalar, {0.03});

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis),
              ElementsAre("negative_bias_init", "learning_rate_too_high"));
  EXPECT_THAT(diagnosis.findings[1].summary,
              HasSubstr("once one does, a step moves every weight by 17 %"));
  EXPECT_THAT(diagnosis.findings[1].remedies.front().action,
              HasSubstr("set the learning rate to 0.0088"));
}

TEST(LearningRateTest, IsNotGuessedBehindALayerThatIsShut) {
  FactsBuilder modest = ShutBeforeTheOutput(0.001);
  FactsBuilder by_chance = ShutBeforeTheOutput(0.03);
  by_chance.Scalar(kLearningRateScalar, {0.3});
  FactsBuilder two_classes = ShutBeforeTheOutput(0.03);
  for (SignalDigest& bias : two_classes.output().train.at(Signal::kBias)) {
    bias.units = 2;
  }
  FactsBuilder unlike = ShutBeforeTheOutput(0.03);
  unlike.output().train.at(Signal::kBias).at(1).root_mean_square = 0.02;

  for (const FactsBuilder& run : {modest, by_chance, two_classes, unlike}) {
    EXPECT_THAT(Faults(Diagnose(run.facts())),
                ElementsAre("negative_bias_init"));
  }
}

TEST(LearningRateTest, DoesNotWaitForCertificatesWhereNothingIsLearned) {
  // Momentum 0.9 at 0.3 after 600 steps: half of the units are silent.
  FactsBuilder run;
  run.UpdateRatio(0.08, 0.03).Loss(1.39, 1.36);
  for (std::size_t i = 0; i < 4; ++i) {
    run.layer(i).train.at(Signal::kActivation).back().units_never_fired = 32;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("learning_rate_too_high"));
}

TEST(LearningRateTest, SilentUnitsAloneAreNoDeaths) {
  FactsBuilder run;
  run.UpdateRatio(0.24, 0.03);
  for (std::size_t i = 0; i < 4; ++i) {
    run.layer(i).train.at(Signal::kActivation).back().units_never_fired = 32;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(LearningRateTest, CountsDeathsThatAProbeSees) {
  FactsBuilder run;
  run.UpdateRatio(0.24, 0.03);
  for (std::size_t i = 0; i < 4; ++i) {
    SignalDigest probe = run.layer(i).train.at(Signal::kActivation).back();
    probe.units_never_fired = 30;
    run.layer(i).probe_activation = probe;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("learning_rate_too_high"));
}

TEST(VanishingGradientTest, FiresOnPytorchWeightsInSixteenLayers) {
  FactsBuilder run(16);
  run.Gain(0.408, 0.41, 2.5e-7).Loss(1.39, 1.36);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("vanishing_gradient"));
}

TEST(VanishingGradientTest, FiresOnTinyWeightsBeforeTheLossIsKnown) {
  FactsBuilder run(8);
  run.Gain(0.057, 0.06, 2.1e-10).Without(Signal::kOutputGradient);
  run.facts().scalars.clear();

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("vanishing_gradient"));
}

TEST(VanishingGradientTest, FiresOnSigmoid) {
  FactsBuilder run(8, 64, Activation::kSigmoid);
  run.Gain(0.7, 0.23, 4.3e-6).Loss(1.39, 1.36);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("vanishing_gradient"));
}

TEST(VanishingGradientTest, IsSilentOnGlorotInEightLayers) {
  FactsBuilder run(8);
  run.Gain(0.707, 0.7, 1e-2).Loss(1.39, 1.36);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(VanishingGradientTest, IsSilentOnTwoSigmoidsThatStartSlowly) {
  // Product of the gains 0.042, first gradient 0.04.
  FactsBuilder run(2, 64, Activation::kSigmoid);
  run.Gain(0.6, 0.2, 0.04).Loss(1.39, 1.2);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(VanishingGradientTest, IsSilentWhereTheRunLearns) {
  FactsBuilder run(8);
  run.Gain(0.408, 0.41, 3.7e-4);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(VanishingGradientTest, IsNotConvergence) {
  FactsBuilder run(8);
  run.Gain(0.408, 0.41, 1e-9).Loss(1.39, 1e-4, 300);

  EXPECT_THAT(Findings(Diagnose(run.facts())), ElementsAre("converged"));
}

TEST(ExplodingGradientTest, FiresOnTwiceTheHeDeviation) {
  FactsBuilder run(8);
  run.Gain(2.0, 2.0, 50.0).Loss(1.39, 1.5);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("exploding_gradient"));
}

TEST(ExplodingGradientTest, FiresOnANormThatGrows) {
  FactsBuilder run;
  run.Scalar(kGradientNormScalar, {1.0, 5.0, 150.0, 3000.0}).Loss(1.39, 30.0);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("exploding_gradient"));
}

TEST(ExplodingGradientTest, IsSilentOnEluAndHe) {
  FactsBuilder run(8, 64, Activation::kElu);
  run.Gain(1.0, 1.08, 1.0).Loss(1.39, 1.38);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(NumericalFailureTest, StandsBesideWhatWasThereBefore) {
  FactsBuilder run;
  run.Inputs(100.0, 20.0);
  run.layer(2).train.at(Signal::kActivation)[3].non_finite = 5;

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis),
              ElementsAre("numerical_failure", "unnormalized_input"));
  EXPECT_EQ(diagnosis.findings[0].first_step, 4);
  EXPECT_THAT(diagnosis.findings[0].layers, ElementsAre("h2"));
}

TEST(NumericalFailureTest, ComesOfALearningRateThatIsTooHigh) {
  FactsBuilder run;
  run.UpdateRatio(0.4, 0.1);
  run.layer(2).train.at(Signal::kActivation)[3].non_finite = 5;

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis),
              ElementsAre("numerical_failure", "learning_rate_too_high"));
  EXPECT_THAT(diagnosis.findings[1].summary, HasSubstr("the run diverged"));
}

TEST(NumericalFailureTest, WhatIsMeasuredAfterItIsNoCause) {
  // The updates are large only where nothing is a number any more.
  FactsBuilder run;
  run.UpdateRatio(0.05, 0.4);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.36, 12);
  run.layer(2).train.at(Signal::kActivation)[3].non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, IsNoFaultOfLargeUpdatesLongBefore) {
  // A healthy run at SGD 0.5 begins so.
  FactsBuilder run;
  run.UpdateRatio(0.7, 0.01);
  run.layer(2).train.at(Signal::kActivation).back().non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, OfTheDataIsNoFaultOfTheLearningRate) {
  FactsBuilder run;
  run.UpdateRatio(0.4, 0.1);
  run.layer(0).train.at(Signal::kInput)[3].non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, DoesNotComeOfSmallInputs) {
  FactsBuilder run;
  run.Inputs(0.0, 0.01);
  run.layer(2).train.at(Signal::kActivation)[3].non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, DoesNotComeOfLowBiasesThatTrainWell) {
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1);
  run.layer(1).train.at(Signal::kActivation).back().non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, CountsOnlyWhatWasStreamed) {
  FactsBuilder run;
  run.Without(Signal::kWeightGradient).Without(Signal::kOutputGradient);
  run.layer(2).train.at(Signal::kActivation)[3].non_finite = 5;

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("numerical_failure"));
  EXPECT_EQ(diagnosis.findings[0].evidence[0].measured, 5.0);
  EXPECT_TRUE(diagnosis.findings[0].evidence[1].not_observable);
}

TEST(NumericalFailureTest, OfStepZeroStandsAlone) {
  FactsBuilder run;
  run.Inputs(100.0, 20.0);
  run.layer(0).train.at(Signal::kInput)[0].non_finite = 5;

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("numerical_failure"));
}

TEST(NumericalFailureTest, FiresOnALossThatIsNotANumber) {
  FactsBuilder run;
  run.Scalar(kLossScalar, {1.3, 1.4, kNan});

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Findings(diagnosis), ElementsAre("numerical_failure"));
  EXPECT_EQ(diagnosis.findings[0].first_step, 2);
}

TEST(NumericalFailureTest, IsSilentAboutOverflowsOfALossScaler) {
  FactsBuilder run;
  run.Scalar(kLossScaleScalar, {65536.0, 32768.0});
  run.layer(0).train.at(Signal::kWeightGradient)[1].non_finite = 64;

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(ConvergedTest, IsSaidAndIsNoFault) {
  FactsBuilder run;
  run.Loss(1.39, 1e-4, 300);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Findings(diagnosis), ElementsAre("converged"));
  EXPECT_FALSE(diagnosis.findings[0].is_fault);
}

TEST(ConvergedTest, IsNotSaidAtAHundredthOfTheLoss) {
  FactsBuilder run;
  run.Loss(1.39, 0.0139);

  EXPECT_THAT(Findings(Diagnose(run.facts())), IsEmpty());
}

TEST(IntendedSparsityTest, IsSaidOfALayerThatFiresRarely) {
  FactsBuilder run;
  run.layer(3).train.at(Signal::kActivation).back().firing_ratio = 0.03;

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Findings(diagnosis), ElementsAre("intended_sparsity"));
  EXPECT_FALSE(diagnosis.findings[0].is_fault);
  EXPECT_THAT(diagnosis.findings[0].layers, ElementsAre("h3"));
}

TEST(IntendedSparsityTest, IsNotSaidOfDeadUnits) {
  FactsBuilder run;
  run.layer(3).train.at(Signal::kActivation).back().firing_ratio = 0.03;
  run.Dead(3, 0.2, 50);

  EXPECT_THAT(Findings(Diagnose(run.facts())), IsEmpty());
}

TEST(ConstantOutputTest, IsTheHeadsFault) {
  // A softmax over one unit.
  FactsBuilder run;
  for (SignalDigest& digest : run.output().train.at(Signal::kActivation)) {
    digest.units_constant = digest.units;
  }

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Findings(diagnosis), ElementsAre("constant_output"));
  EXPECT_FALSE(diagnosis.findings[0].is_fault);
}

TEST(ConstantOutputTest, IsNotSaidWhereAHiddenLayerIsShut) {
  FactsBuilder run;
  run.Bias(-3.0, -2.1).SilentAtStart(1, 1.0).Dead(1, 1.0).Loss(1.39, 1.38);
  for (SignalDigest& digest : run.output().train.at(Signal::kActivation)) {
    digest.units_constant = digest.units;
  }

  EXPECT_THAT(Findings(Diagnose(run.facts())),
              ElementsAre("negative_bias_init"));
}

}  // namespace
}  // namespace firekeeper::core
