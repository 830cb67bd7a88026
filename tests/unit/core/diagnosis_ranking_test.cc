// How causes stand to each other, what cannot be seen, and what deaths cost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/diagnosis/diagnose.h"
#include "core/diagnosis/observability.h"
#include "tests/unit/core/diagnosis_matchers.h"
#include "tests/unit/core/facts_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::FactsBuilder;
using ::firekeeper::testing::Faults;
using ::firekeeper::testing::Findings;
using ::firekeeper::testing::MissingFor;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// 10 + g: units are silent from the start, and more die later.
FactsBuilder LargeInputs(double early_ratio) {
  FactsBuilder run;
  run.Inputs(10.0, 1.0).Loss(7.5, 1.38, 60).UpdateRatio(early_ratio, 0.01);
  for (std::size_t i = 0; i < 4; ++i) {
    // What a layer gives grows with what it reads.
    run.FiringAtStart(i, 0.5, 10.0);
    run.SilentAtStart(i, 0.42).Dead(i, 0.36).Dead(i, 0.3, 5);
  }
  return run;
}

TEST(RankingTest, AStaticCauseExplainsLaterDeaths) {
  // SGD at 0.05: a first update of 0.3 is 0.03 for inputs of rms 1.
  const Diagnosis diagnosis = Diagnose(LargeInputs(0.3).facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("unnormalized_input"));
  EXPECT_THAT(
      diagnosis.findings[0].alternatives,
      Contains(Field(&ConsideredCause::cause, Cause::kLearningRateTooHigh)));
}

TEST(RankingTest, TwoCausesWithEvidenceOfTheirOwnAreBothNamed) {
  // SGD at 0.5 on the same inputs.
  const Diagnosis diagnosis = Diagnose(LargeInputs(3.0).facts());

  EXPECT_THAT(Faults(diagnosis),
              ElementsAre("unnormalized_input", "learning_rate_too_high"));
}

TEST(RankingTest, ASignLikeUpdateIsNotScaledByTheInputs) {
  // Adam at 0.03 moves the weights by 0.24 whatever the inputs.
  FactsBuilder run = LargeInputs(0.24);
  for (std::size_t i = 0; i < 4; ++i) {
    SignalDigest& first = run.Start(i, Signal::kWeightUpdate);
    // A third of the weights has no gradient: units before them never fire.
    const double size = first.root_mean_square * std::sqrt(1.5);
    first.mean_absolute = size / 1.5;
    first.max = size;
    first.min = -size;
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unnormalized_input", "learning_rate_too_high"));
}

TEST(RankingTest, WeightsThatAreLowDoNotExplainLargeUpdates) {
  FactsBuilder run;
  run.WeightMean(-1.0).UpdateRatio(0.2, 0.05);
  for (std::size_t i = 0; i < 4; ++i) {
    run.FiringAtStart(i, 0.02, 0.1).Dead(i, 0.4, 12);
  }

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unbalanced_weight_init", "learning_rate_too_high"));
}

TEST(RankingTest, LargeInputsDoNotHideLowBiases) {
  // z is 14 times as large as what the inputs of rms 1 would give: a bias of -2
  // is -0.14 of it, and -1.4 of what it should be.
  FactsBuilder run = LargeInputs(0.3);
  run.Bias(-2.0, -0.14);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis),
              ElementsAre("unnormalized_input", "negative_bias_init"));
  EXPECT_THAT(diagnosis.findings[1].layers, ElementsAre("h0"));
  EXPECT_THAT(diagnosis.findings[1].summary, HasSubstr("of size 1"));
}

TEST(RankingTest, LargeInputsDoNotHideANetworkThatIsTooDeepAndTooNarrow) {
  FactsBuilder run(30, 16);
  run.Inputs(10.0, 1.0).Loss(1.39, 1.38);
  for (std::size_t i = 0; i < 30; ++i) run.SilentAtStart(i, 0.4).Dead(i, 0.4);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unnormalized_input", "too_deep_or_narrow"));
}

TEST(RankingTest, LargeInputsExplainWhatDepthAloneWouldNot) {
  FactsBuilder run(30, 64);
  run.Inputs(10.0, 1.0).Loss(1.39, 1.38);
  for (std::size_t i = 10; i < 30; ++i) run.SilentAtStart(i, 0.3).Dead(i, 0.31);

  EXPECT_THAT(Faults(Diagnose(run.facts())), ElementsAre("unnormalized_input"));
}

TEST(RankingTest, TwoStaticCausesStandInTheOrderOfTheTable) {
  FactsBuilder run = LargeInputs(0.3);
  run.Bias(-30.0, -2.1);

  EXPECT_THAT(Faults(Diagnose(run.facts())),
              ElementsAre("unnormalized_input", "negative_bias_init"));
}

TEST(RankingTest, FaultsStandBeforeWhatIsNoFault) {
  FactsBuilder run;
  run.Loss(1.39, 1e-4, 300);
  for (SignalDigest& digest : run.layer(1).train.at(Signal::kWeight)) {
    digest.unit_spread = 0.0;
  }

  EXPECT_THAT(Findings(Diagnose(run.facts())),
              ElementsAre("symmetric_init", "converged"));
}

TEST(RankingTest, TheScoreIsTheShareOfTheWeightThatHolds) {
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1).SilentAtStart(1, 1.0).Dead(1, 1.0).Loss(1.39, 1.37);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_EQ(diagnosis.findings.size(), 1U);
  double all = 0.0;
  double holding = 0.0;
  for (const Evidence& evidence : diagnosis.findings[0].evidence) {
    all += evidence.weight;
    if (evidence.supports) holding += evidence.weight;
  }
  EXPECT_DOUBLE_EQ(diagnosis.findings[0].score, holding / all);
}

TEST(UnknownTest, ShowsWhatWasMeasured) {
  FactsBuilder run;
  run.Dead(1, 0.6, 40);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("unknown"));
  EXPECT_THAT(diagnosis.findings[0].layers, ElementsAre("h1"));
  for (const char* signal : {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"}) {
    EXPECT_THAT(diagnosis.findings[0].evidence,
                Contains(Field(&Evidence::signal, signal)));
  }
}

TEST(UnknownTest, IsNotSaidWithoutDeaths) {
  FactsBuilder run;
  run.Loss(1.39, 1.38);

  EXPECT_THAT(Findings(Diagnose(run.facts())), IsEmpty());
}

struct Missing {
  Signal signal;
  std::vector<Cause> causes;
};

class NotObservableTest : public ::testing::TestWithParam<Missing> {};

TEST_P(NotObservableTest, ASignalThatWasNotStreamedIsNamed) {
  FactsBuilder run;
  run.Without(GetParam().signal);

  const Diagnosis diagnosis = Diagnose(run.facts());

  std::vector<Cause> causes;
  for (const NotObservable& each : diagnosis.not_observable) {
    causes.push_back(each.cause);
    EXPECT_THAT(each.missing, Not(IsEmpty()));
  }
  EXPECT_EQ(causes, GetParam().causes);
}

INSTANTIATE_TEST_SUITE_P(
    Signals, NotObservableTest,
    ::testing::Values(
        Missing{Signal::kInput, {Cause::kUnnormalizedInput}},
        Missing{Signal::kBias, {Cause::kNegativeBiasInit}},
        Missing{Signal::kPreActivation, {Cause::kNegativeBiasInit}},
        Missing{Signal::kWeight,
                {Cause::kUnbalancedWeightInit, Cause::kSymmetricInit,
                 Cause::kLearningRateTooHigh}},
        Missing{Signal::kWeightUpdate, {Cause::kLearningRateTooHigh}},
        Missing{Signal::kOutputGradient, {Cause::kExplodingGradient}},
        Missing{Signal::kActivation, {}},
        Missing{Signal::kWeightGradient, {}}));

TEST(NotObservableTest, NothingIsObservableOfNothing) {
  const Diagnosis diagnosis = Diagnose(RunFacts{});

  EXPECT_EQ(diagnosis.not_observable.size(), NeedsOfCauses().size());
}

TEST(NotObservableTest, AStreamThatBeganLateLacksStepZero) {
  FactsBuilder run;
  run.WithoutStart();

  const Diagnosis diagnosis = Diagnose(run.facts());

  EXPECT_THAT(MissingFor(diagnosis, Cause::kUnbalancedWeightInit),
              ElementsAre("WEIGHT at step 0"));
  EXPECT_THAT(MissingFor(diagnosis, Cause::kLearningRateTooHigh), IsEmpty());
}

TEST(NotObservableTest, ConvergenceNeedsTheLoss) {
  FactsBuilder run;
  run.facts().scalars.clear();

  EXPECT_THAT(MissingFor(Diagnose(run.facts()), Cause::kConverged),
              ElementsAre("scalar loss"));
}

TEST(NotObservableTest, EveryCauseButUnknownHasARow) {
  EXPECT_EQ(NeedsOfCauses().size(), static_cast<std::size_t>(kCauseCount - 1));
}

TEST(NotObservableTest, EvidenceThatIsMissingCountsAgainstTheScore) {
  FactsBuilder run(2);
  run.Bias(-3.0, -2.1).Dead(1, 1.0).Loss(1.39, 1.37);
  run.Without(Signal::kActivation).Without(Signal::kWeightGradient);
  for (std::size_t i = 0; i < 2; ++i) {
    run.Start(i, Signal::kPreActivation).firing_ratio.reset();
  }

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_THAT(Faults(diagnosis), ElementsAre("negative_bias_init"));
  EXPECT_LT(diagnosis.findings[0].score, 1.0);
  EXPECT_THAT(diagnosis.findings[0].evidence,
              Contains(Field(&Evidence::not_observable, true)));
}

TEST(ConsequencesTest, CountsTheCapacityThatIsLost) {
  FactsBuilder run;
  run.Dead(1, 0.5, 30, 300).Dead(2, 1.0, 40, 350).Loss(1.39, 1.3, 64);

  const Consequences cost = Diagnose(run.facts()).consequences;

  ASSERT_EQ(cost.layers.size(), 5U);
  EXPECT_DOUBLE_EQ(cost.layers[1].lost_share, 0.5);
  EXPECT_FALSE(cost.layers[1].collapsed);
  EXPECT_TRUE(cost.layers[2].collapsed);
  EXPECT_DOUBLE_EQ(cost.lost_share, 96.0 / 260.0);
  EXPECT_EQ(cost.first_death_step, 300);
  EXPECT_TRUE(cost.stalled);
  ASSERT_TRUE(cost.plateau_start.has_value());
  EXPECT_NEAR(static_cast<double>(*cost.plateau_start), 64.0, 40.0);
  EXPECT_TRUE(cost.stalled_after_deaths);
}

TEST(ConsequencesTest, AHealthyRunLosesNothing) {
  const Consequences cost = Diagnose(FactsBuilder().facts()).consequences;

  EXPECT_THAT(cost.layers, Each(Field(&LayerCapacity::lost_share, 0.0)));
  EXPECT_FALSE(cost.first_death_step.has_value());
  EXPECT_FALSE(cost.plateau_start.has_value());
  EXPECT_FALSE(cost.stalled);
}

TEST(ConsequencesTest, DepthExplainsSomeBornDeadUnits) {
  const FactsBuilder run;
  const Consequences cost = Diagnose(run.facts()).consequences;

  // Inputs become more alike from layer to layer; none becomes one half.
  double before = 0.0;
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(cost.layers[i].expected_born_dead.has_value());
    EXPECT_GT(*cost.layers[i].expected_born_dead, before);
    before = *cost.layers[i].expected_born_dead;
  }
  EXPECT_LT(before, static_cast<double>(cost.layers[3].unit_count) / 2.0);
}

TEST(ConsequencesTest, WithoutWhatLayersReadNothingIsExpected) {
  FactsBuilder run;
  run.Without(Signal::kActivation).Without(Signal::kInput);

  EXPECT_THAT(Diagnose(run.facts()).consequences.layers,
              Each(Field(&LayerCapacity::expected_born_dead, std::nullopt)));
}

TEST(RemedyTest, EveryFindingNamesOneThatHelps) {
  FactsBuilder run = LargeInputs(3.0);
  run.Scalar(kLearningRateScalar, {0.5});

  for (const Finding& finding : Diagnose(run.facts()).findings) {
    ASSERT_FALSE(finding.remedies.empty());
    EXPECT_TRUE(finding.remedies.front().recommended);
    EXPECT_TRUE(
        std::ranges::is_partitioned(finding.remedies, &Remedy::recommended));
  }
}

TEST(RemedyTest, StandardisesWithTheMeasuredMean) {
  const Diagnosis diagnosis = Diagnose(LargeInputs(0.3).facts());

  ASSERT_FALSE(diagnosis.findings.empty());
  const Remedy& first = diagnosis.findings[0].remedies.front();
  EXPECT_EQ(first.title, "standardise the inputs");
  EXPECT_THAT(first.action, HasSubstr("the mean is 10 and the standard "
                                      "deviation 1"));
  EXPECT_FALSE(diagnosis.findings[0].remedies.back().recommended);
}

TEST(RemedyTest, ScalesTheLearningRateToTheUpdateRatio) {
  FactsBuilder run;
  run.UpdateRatio(0.38, 0.03).Scalar(kLearningRateScalar, {0.3, 0.3});
  for (std::size_t i = 0; i < 4; ++i) run.Dead(i, 0.47, 12);

  const Diagnosis diagnosis = Diagnose(run.facts());

  // 0.3 * 0.05 / 0.38.
  ASSERT_FALSE(diagnosis.findings.empty());
  EXPECT_THAT(diagnosis.findings[0].remedies.front().action,
              HasSubstr("set the learning rate to 0.0395"));
}

TEST(RemedyTest, ScalesTheLearningRateToTheFirstUpdateOfARunThatCameApart) {
  FactsBuilder run;
  run.UpdateRatio(4.0, 0.3).Loss(1.39, 20.0);
  run.Scalar(kLearningRateScalar, {2.0, 2.0});
  for (std::size_t i = 0; i < 4; ++i) {
    run.Start(i, Signal::kWeightUpdate).root_mean_square *= 0.1;
  }

  const Diagnosis diagnosis = Diagnose(run.facts());

  // 2 * 0.05 / 0.4.
  ASSERT_FALSE(diagnosis.findings.empty());
  EXPECT_THAT(diagnosis.findings[0].remedies.front().action,
              HasSubstr("set the learning rate to 0.25; the first update"));
}

TEST(RemedyTest, GivesTheDeviationForTheFanIn) {
  FactsBuilder run;
  run.WeightMean(-1.0).Loss(1.39, 1.38);
  for (std::size_t i = 0; i < 4; ++i) run.SilentAtStart(i, 1.0).Dead(i, 1.0);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_FALSE(diagnosis.findings.empty());
  EXPECT_THAT(diagnosis.findings[0].remedies.front().action,
              HasSubstr("h0 (fan_in 20): standard deviation 0.316; h1 (fan_in "
                        "64): standard deviation 0.177"));
}

TEST(RemedyTest, ASwapIsRefusedWhereManyBiasesAreLow) {
  FactsBuilder run(4);
  run.Bias(-3.0, -2.1).Loss(1.39, 1.38);
  for (std::size_t i = 0; i < 4; ++i) run.SilentAtStart(i, 1.0).Dead(i, 1.0);

  const Diagnosis diagnosis = Diagnose(run.facts());

  ASSERT_FALSE(diagnosis.findings.empty());
  const auto& remedies = diagnosis.findings[0].remedies;
  const auto swap = std::ranges::find_if(remedies, [](const Remedy& remedy) {
    return remedy.title.starts_with("PReLU");
  });
  ASSERT_NE(swap, remedies.end());
  EXPECT_FALSE(swap->recommended);
}

}  // namespace
}  // namespace firekeeper::core
