// Causes that are there before the first update. The numbers are measured ones
// of STATISTICS.md 6.1 and 7.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/diagnosis/diagnose.h"
#include "tests/unit/core/diagnosis_matchers.h"
#include "tests/unit/core/facts_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::FactsBuilder;
using ::firekeeper::testing::Faults;
using ::firekeeper::testing::Findings;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HealthyRunTest, HasNoFinding) {
  EXPECT_THAT(Findings(Diagnose(FactsBuilder().facts())), IsEmpty());
}

TEST(HealthyRunTest, HasNoFindingWhateverItsUpdateRatio) {
  // SGD at 0.5: update ratios up to 0.72, and no deaths.
  FactsBuilder run;
  run.UpdateRatio(0.72, 0.05);

  EXPECT_THAT(Findings(Diagnose(run.facts())), IsEmpty());
}

TEST(HealthyRunTest, MayBeDeep) {
  // 16 layers: the silent share that depth explains, 0.17 in the last.
  FactsBuilder run(16);
  for (std::size_t i = 8; i < 16; ++i) run.SilentAtStart(i, 0.17).Dead(i, 0.1);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(HealthyRunTest, OfNothingHasNoFinding) {
  EXPECT_THAT(Findings(Diagnose(RunFacts{})), IsEmpty());
}

TEST(UnnormalizedInputTest, FiresOnAnOffsetOfTenDeviations) {
  FactsBuilder run;
  run.Inputs(10.0, 1.0).Loss(7.5, 1.3, 60).UpdateRatio(1.2, 0.01);
  for (std::size_t i = 0; i < 4; ++i) run.SilentAtStart(i, 0.42).Dead(i, 0.36);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("unnormalized_input"));
  EXPECT_GT(diagnosis.findings[0].score, 0.8);
  EXPECT_THAT(diagnosis.findings[0].layers,
              ElementsAre("h0", "h1", "h2", "h3"));
}

TEST(UnnormalizedInputTest, FiresOnPixelsByTheirScale) {
  // 128 + 64 g: the offset is 2, the rms 143.
  FactsBuilder run;
  run.Inputs(128.0, 64.0).Loss(50.0, 1.38, 30);
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.9, 20);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unnormalized_input"));
}

TEST(UnnormalizedInputTest, FiresBeforeAnythingIsKnownOfLearning) {
  FactsBuilder run;
  run.Inputs(10.0, 1.0).SilentAtStart(0, 0.42);
  run.facts().scalars.clear();

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unnormalized_input"));
}

TEST(UnnormalizedInputTest, IsSilentAtAnOffsetOfOne) {
  FactsBuilder run;
  run.Inputs(1.0, 1.0).Dead(0, 0.5, 20).UpdateRatio(0.01, 0.01);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

TEST(UnnormalizedInputTest, IsSilentWhereNothingCameOfIt) {
  FactsBuilder run;
  run.Inputs(3.0, 1.0).SilentAtStart(0, 0.2);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(NegativeBiasTest, FiresOnABiasOfMinusThree) {
  // 20-64-64-4, bias -3: layer 2 is shut, every gradient is 0.
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1).SilentAtStart(1, 1.0).Dead(1, 1.0).Loss(1.39, 1.37);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("negative_bias_init"));
  EXPECT_EQ(diagnosis.findings[0].first_step, 0);
  EXPECT_THAT(diagnosis.findings[0].layers, ElementsAre("h0", "h1"));
}

TEST(NegativeBiasTest, IsSilentAtHalfADeviation) {
  FactsBuilder run(2);
  run.Bias(-0.7, -0.5).Dead(1, 1.0).Loss(1.39, 1.37);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

TEST(NegativeBiasTest, IsSilentWhereTheRunLearns) {
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1).SilentAtStart(0, 0.3);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(NegativeBiasTest, FiresOnUnitsThatHardlyFireAndHardlyLearn) {
  // Digits, bias -3: nearly every unit fires on some example, accuracy 0.31.
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1).Loss(2.3, 1.71);
  for (std::size_t i = 0; i < 2; ++i) run.FiringAtStart(i, 0.02, 0.1);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("negative_bias_init"));
}

TEST(UnbalancedWeightsTest, FiresOnAMeanOfMinusOneDeviation) {
  // Inputs U(0, 1), mean -1: dead 1.000 at step 0.
  FactsBuilder run;
  run.Inputs(0.5, 0.29).WeightMean(-1.0).Loss(1.39, 1.38);
  for (std::size_t i = 0; i < 4; ++i) run.SilentAtStart(i, 1.0).Dead(i, 1.0);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unbalanced_weight_init"));
}

TEST(UnbalancedWeightsTest, FiresOnACollapsedSignalWithoutDeaths) {
  // Mean -0.5: dead stays below 0.03, units fire on 1 % of the examples.
  FactsBuilder run;
  run.WeightMean(-0.5).Loss(1.39, 1.3);
  run.FiringAtStart(0, 0.5, 1.58).FiringAtStart(1, 0.01, 0.15);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unbalanced_weight_init"));
}

TEST(UnbalancedWeightsTest, IsSilentAtATenth) {
  // z_w -6.4, accuracy 0.868.
  FactsBuilder run;
  run.WeightMean(-0.1).Loss(1.39, 1.3);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(UnbalancedWeightsTest, IsSilentAboutTrainedWeights) {
  FactsBuilder run;
  for (std::size_t i = 0; i < 4; ++i) {
    run.layer(i).train.at(Signal::kWeight).back().mean = -0.5;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(SymmetricInitTest, FiresOnEqualRowsThatStayEqual) {
  FactsBuilder run;
  for (SignalDigest& digest : run.layer(1).train.at(Signal::kWeight)) {
    digest.unit_spread = 1e-8;
  }

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("symmetric_init"));
  EXPECT_THAT(diagnosis.findings[0].layers, ElementsAre("h1"));
}

TEST(SymmetricInitTest, IsSilentWhereTheRowsBecameDifferent) {
  FactsBuilder run;
  run.Start(1, Signal::kWeight).unit_spread = 0.0;

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(SymmetricInitTest, IsSilentAboutAZeroResidualBranch) {
  FactsBuilder run;
  run.layer(1).residual = true;
  for (SignalDigest& digest : run.layer(1).train.at(Signal::kWeight)) {
    digest.unit_spread = 0.0;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(TooDeepTest, FiresOnThirtyNarrowLayers) {
  // w16 x 30: sum of 1 / width 1.9, dead 0.230, growing with depth.
  FactsBuilder run(30, 16);
  for (std::size_t i = 10; i < 30; ++i) run.SilentAtStart(i, 0.3).Dead(i, 0.31);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("too_deep_or_narrow"));
  EXPECT_GT(diagnosis.findings[0].score, 0.8);
}

TEST(TooDeepTest, IsSilentAtEightLayers) {
  FactsBuilder run(8);
  for (std::size_t i = 4; i < 8; ++i) run.SilentAtStart(i, 0.3).Dead(i, 0.4);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unknown"));
}

TEST(TooDeepTest, IsSilentAboutUnitsThatFireWhileTheLossIsSlow) {
  // 30 SELU layers of 16 learn, from step 300 on.
  FactsBuilder run(30, 16, Activation::kSelu);
  run.Gain(1.0, 1.0, 1.0).Loss(1.39, 1.3);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(TooDeepTest, IsSilentAboutResidualLayers) {
  FactsBuilder run(30, 16);
  for (std::size_t i = 0; i < 30; ++i) run.layer(i).residual = true;

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

TEST(TooDeepTest, IsSilentWhereDepthDoesNoHarm) {
  FactsBuilder run(30);
  for (std::size_t i = 10; i < 30; ++i) run.SilentAtStart(i, 0.3).Dead(i, 0.08);

  EXPECT_THAT(Faults(Diagnose(run.facts())), IsEmpty());
}

}  // namespace
}  // namespace firekeeper::core
