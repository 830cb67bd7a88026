// What other signals and phases, attempts and time add to the verdicts of a
// layer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

#include "server/state/layer_state.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using core::Phase;
using core::Signal;
using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BeginAttempt;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::LayerNowhere;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::SummaryOf;
using enum core::HealthState;

constexpr std::uint64_t kExamples = 16;

// A layer of two units on one rank; unit 0 fires, unit 1 does not.
class LayerStatesTest : public ::testing::Test {
 protected:
  LayerStatesTest() { Declare(ReluLayer("fc1", 2), 1); }

  void Declare(const LayerSpec& spec, std::uint32_t shards) {
    layer_ = std::make_unique<LayerState>(spec, SmallSettings(), memory_,
                                          LayerNowhere());
    BeginAttempt(*layer_, 1, 0);
    layer_->SetRunUnits(2);
    layer_->Declare(0, ShardOf(2, 0, shards));
  }

  void Send(Signal signal, Phase phase, std::int64_t step,
            const core::UnitSummary& summary) {
    ASSERT_THAT(layer_->Merge({.attempt = attempt_,
                               .source = 0,
                               .signal = signal,
                               .phase = phase,
                               .step = step},
                              summary, AtSeconds(0)),
                IsOk());
  }

  // Rows of two weights each, as any signal that is not of examples.
  void SendRows(Signal signal, std::int64_t step,
                std::initializer_list<double> rows) {
    Eigen::ArrayXXd values(2, 2);
    const auto* it = rows.begin();
    for (Eigen::Index unit = 0; unit < 2; ++unit) {
      for (Eigen::Index i = 0; i < 2; ++i) values(i, unit) = *it++;
    }
    core::ColumnSet columns = layer_->ColumnsFor(signal);
    columns.clusters = false;
    core::UnitSummary summary = SummaryOf(values, step, columns);
    if (columns.firings && core::IsGradient(signal)) {
      summary.firings =
          (values != 0.0).colwise().count().transpose().cast<std::uint64_t>();
    }
    Send(signal, Phase::kTrain, step, summary);
  }

  // Steps [first, end), each closed at once, with rows of these signals.
  void Train(std::int64_t first, std::int64_t end,
             std::initializer_list<std::uint64_t> fired) {
    for (std::int64_t step = first; step < end; ++step) {
      Send(Signal::kActivation, Phase::kTrain, step,
           FiringsOf(fired, kExamples, step));
      Close(step + 1);
    }
  }

  void Close(std::int64_t before) {
    layer_->CloseWindows(attempt_, before, AtSeconds(0));
  }

  UnitView UnitAt(std::uint64_t unit, bool collapsed = false) {
    return layer_->Units({.units = 2, .collapsed = collapsed}, {}, unit, 1)
        .units.at(0);
  }
  core::HealthState StateOf(std::uint64_t unit) {
    return UnitAt(unit).health.state;
  }
  bool Holds(std::uint64_t unit, core::HealthState state) {
    const core::UnitHealth health = UnitAt(unit).health;
    return health.state == state || health.also.Has(state);
  }

  MemoryBudget memory_{std::size_t{1} << 24U};
  std::unique_ptr<LayerState> layer_;
  std::uint32_t attempt_ = 1;
};

TEST_F(LayerStatesTest, SilenceInEnoughBirthPassesIsBornDeadAtOnce) {
  Send(Signal::kActivation, Phase::kBirth, 0, FiringsOf({1, 0}, 400, 0));
  Train(0, 1, {1, 0});

  EXPECT_EQ(StateOf(1), kBornDead);
  EXPECT_EQ(UnitAt(1).health.certified_step, 0);
  EXPECT_EQ(UnitAt(1).health.origin, core::DeathOrigin::kBornDead);
  EXPECT_EQ(UnitAt(1).health.deaths, 1U);
  EXPECT_EQ(StateOf(0), kAlive);
}

TEST_F(LayerStatesTest, AFewBirthPassesProveNothing) {
  Send(Signal::kActivation, Phase::kBirth, 0, FiringsOf({1, 0}, 20, 0));
  Train(0, 1, {1, 0});

  EXPECT_EQ(StateOf(1), kSilent);
}

TEST_F(LayerStatesTest, AFiringInTrainingRefutesTheBirthPasses) {
  Send(Signal::kActivation, Phase::kBirth, 0, FiringsOf({1, 0}, 400, 0));
  Train(0, 1, {1, 1});

  EXPECT_EQ(StateOf(1), kAlive);
}

TEST_F(LayerStatesTest, BirthPassesOfSomeShardsProveNothing) {
  Declare(ReluLayer("fc1", 2), 2);
  Send(Signal::kActivation, Phase::kBirth, 0, FiringsOf({1, 0}, 400, 0));
  Train(0, 1, {1, 0});

  EXPECT_EQ(StateOf(1), kUnknown);
}

TEST_F(LayerStatesTest, DeadWithTheRowOfStepZeroIsBornDead) {
  double decay = 1.0;
  for (std::int64_t step = 0; step < 80; ++step) {
    SendRows(Signal::kWeight, step,
             {0.1 * static_cast<double>(step), 2, -3 * decay, 1 * decay});
    decay *= 0.9999;
    Train(step, step + 1, {1, 0});
  }

  EXPECT_EQ(StateOf(1), kBornDead);
  EXPECT_TRUE(Holds(1, kDead));
}

TEST_F(LayerStatesTest, DeadWithAnotherRowDiedEarlyOrWasBornDead) {
  for (std::int64_t step = 0; step < 80; ++step) {
    SendRows(Signal::kWeight, step, {1, 2, -3, step < 1 ? 1.0 : 0.99});
    Train(step, step + 1, {1, 0});
  }

  EXPECT_EQ(StateOf(1), kDead);
  EXPECT_EQ(UnitAt(1).health.origin, core::DeathOrigin::kBornDeadOrDiedEarly);
}

TEST_F(LayerStatesTest, DeadWithoutWeightsMayHaveDiedEarly) {
  Train(0, 80, {1, 0});

  EXPECT_EQ(UnitAt(1).health.origin, core::DeathOrigin::kBornDeadOrDiedEarly);
}

TEST_F(LayerStatesTest, RowsThatAreNotSeenUntilTheCertificateProveNothing) {
  SendRows(Signal::kWeight, 0, {1, 2, -3, 1});
  Train(0, 80, {1, 0});

  EXPECT_EQ(StateOf(1), kDead);
}

TEST_F(LayerStatesTest, AStreamThatBeganLaterGuessesNothing) {
  Train(8, 80, {1, 0});

  EXPECT_EQ(UnitAt(1).health.origin, core::DeathOrigin::kLeftCensored);
}

TEST_F(LayerStatesTest, AUnitThatIsNeverUpdatedIsDeadForGoodInTheFirstLayer) {
  for (std::int64_t step = 0; step < 80; ++step) {
    SendRows(Signal::kWeightUpdate, step, {0.1, 0.2, 0, 0});
    Train(step, step + 1, {1, 0});
  }

  EXPECT_EQ(StateOf(1), kBornDead);
  EXPECT_TRUE(UnitAt(1).permanent);

  SendRows(Signal::kWeightUpdate, 80, {0.1, 0.2, 0, 1e-9});
  EXPECT_FALSE(UnitAt(1).permanent) << "something moves it";
}

TEST_F(LayerStatesTest, WhatALaterLayerReadsMayChange) {
  LayerSpec spec = ReluLayer("fc2", 2);
  spec.order = 1;
  Declare(spec, 1);
  for (std::int64_t step = 0; step < 80; ++step) {
    SendRows(Signal::kWeightUpdate, step, {0.1, 0.2, 0, 0});
    Train(step, step + 1, {1, 0});
  }

  EXPECT_FALSE(UnitAt(1).permanent);
  EXPECT_TRUE(UnitAt(1, /*collapsed=*/true).permanent)
      << "no gradient passes any more";
}

TEST_F(LayerStatesTest, ALayerWhoseUnitsAreAllDeadHasCollapsed) {
  Train(0, 80, {1, 0});
  EXPECT_FALSE(layer_->IsCollapsed(2));

  Train(80, 160, {0, 0});
  EXPECT_TRUE(layer_->IsCollapsed(2));
  EXPECT_TRUE(layer_->View(2).collapsed);

  LayerSpec spec = ReluLayer("fc1", 2);
  spec.residual = true;
  Declare(spec, 1);
  Train(0, 80, {0, 0});
  EXPECT_FALSE(layer_->IsCollapsed(2)) << "the gradient goes around it";
}

// Unit 1 comes with a proof at the steps of `proven`.
class LayerProofTest : public LayerStatesTest {
 protected:
  void SendWeights(std::int64_t step, std::initializer_list<bool> proven) {
    core::UnitSummary summary = SummaryOf(Eigen::ArrayXXd::Ones(2, 2), step,
                                          layer_->ColumnsFor(Signal::kWeight));
    Eigen::Index unit = 0;
    for (const bool is_proven : proven) {
      if (is_proven) summary.proven[unit] = summary.observations[unit];
      ++unit;
    }
    Send(Signal::kWeight, Phase::kTrain, step, summary);
  }

  std::optional<std::int64_t> ProvenStep(std::uint64_t unit) {
    return UnitAt(unit).health.proven_step;
  }
};

TEST_F(LayerProofTest, AProofNeedsNoCertificate) {
  SendWeights(0, {false, true});
  Train(0, 1, {1, 0});

  EXPECT_EQ(StateOf(1), kSilent);
  EXPECT_EQ(ProvenStep(1), 0);
  EXPECT_EQ(ProvenStep(0), std::nullopt);
  EXPECT_EQ(layer_->View(2).proven_units, 1U);
  EXPECT_FALSE(layer_->Look(2).situation.proven_dead);
}

TEST_F(LayerProofTest, AProofIsOfTheNewestWindow) {
  SendWeights(0, {false, true});
  Train(0, 1, {1, 0});
  SendWeights(1, {false, false});
  Train(1, 2, {1, 0});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, AWindowIsProvenIfAllOfItIs) {
  SendWeights(2, {false, true});
  SendWeights(3, {false, false});
  Train(2, 4, {1, 0});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, AFiringIsWorthMoreThanAProof) {
  SendWeights(0, {false, true});
  Train(0, 1, {1, 1});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, AProofOfSomeShardsIsNone) {
  Declare(ReluLayer("fc1", 2), 2);
  SendWeights(0, {false, true});
  Train(0, 1, {1, 0});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, WhatIsAddedAfterTheProductTakesItsForce) {
  LayerSpec spec = ReluLayer("fc1", 2);
  spec.norm_before = true;
  Declare(spec, 1);
  SendWeights(0, {false, true});
  Train(0, 1, {1, 0});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, AProofThatHasLeftTheHorizonIsForgotten) {
  SendWeights(0, {false, true});
  Train(0, 200, {1, 0});

  EXPECT_EQ(ProvenStep(1), std::nullopt);
}

TEST_F(LayerProofTest, ALayerProvenOnAFewExamplesHasNotCollapsed) {
  SendWeights(0, {true, true});
  Train(0, 1, {0, 0});

  EXPECT_EQ(layer_->View(2).proven_units, 2U);
  EXPECT_FALSE(layer_->IsCollapsed(2)) << "16 examples";
}

TEST_F(LayerProofTest, ALayerOfProvenUnitsHasCollapsed) {
  for (std::int64_t step = 0; step < 4; ++step) {
    SendWeights(step, {true, true});
    Train(step, step + 1, {0, 0});
  }

  EXPECT_TRUE(layer_->IsCollapsed(2));
  EXPECT_TRUE(layer_->Look(2).situation.proven_dead);
  EXPECT_EQ(StateOf(1), kSilent) << "the certificate is another matter";
}

TEST_F(LayerStatesTest, SilenceInAProbeIsDeadOnTheSet) {
  Train(0, 8, {1, 1});
  Send(Signal::kActivation, Phase::kProbe, 8, FiringsOf({1, 0}, 5, 8));
  EXPECT_EQ(StateOf(1), kAlive) << "the probe may not be over";

  Close(9);

  EXPECT_EQ(StateOf(1), kDeadOnSet);
  EXPECT_EQ(StateOf(0), kAlive);
  Train(9, 10, {1, 1});
  EXPECT_EQ(StateOf(1), kAlive) << "it fired since";
}

TEST_F(LayerStatesTest, AUnitThatFiresWithoutAWeightGradientIsStarved) {
  for (std::int64_t step = 0; step < 8; ++step) {
    SendRows(Signal::kWeightGradient, step, {0.1, 0, 0, 0});
    SendRows(Signal::kOutputGradient, step, {0.1, 0, 0, 0.5});
    Train(step, step + 1, {8, 8});
  }

  EXPECT_EQ(StateOf(0), kAlive);
  EXPECT_EQ(StateOf(1), kGradientStarved);
  EXPECT_EQ(UnitAt(1).health.starvation, core::Starvation::kVanishing);
}

TEST_F(LayerStatesTest, AUnitToWhichNothingComesBackIsBlocked) {
  for (std::int64_t step = 0; step < 8; ++step) {
    SendRows(Signal::kWeightGradient, step, {0.1, 0, 0, 0});
    SendRows(Signal::kOutputGradient, step, {0.1, 0, 0, 0});
    Train(step, step + 1, {8, 8});
  }

  EXPECT_EQ(UnitAt(1).health.starvation, core::Starvation::kBlocked);
}

TEST_F(LayerStatesTest, AGradientOfOtherStepsDoesNotStarve) {
  for (std::int64_t step = 0; step < 8; ++step) {
    SendRows(Signal::kWeightGradient, step, {0.1, 0, 0, 0});
    Train(step, step + 1, {8, 8});
  }
  Train(8, 12, {8, 8});

  EXPECT_EQ(StateOf(1), kAlive) << "no gradient of its last firing was seen";
}

TEST_F(LayerStatesTest, ActivationsTellDormantAndConstantUnits) {
  Eigen::ArrayXXd values(16, 2);
  values.col(0).setLinSpaced(1.0, 2.0);
  values.col(1).setConstant(0.01);
  for (std::int64_t step = 0; step < 4; ++step) {
    Send(Signal::kActivation, Phase::kTrain, step,
         SummaryOf(values, step, layer_->ColumnsFor(Signal::kActivation)));
    Close(step + 1);
  }

  EXPECT_EQ(StateOf(1), kConstant);
  EXPECT_TRUE(Holds(1, kDormant));
  EXPECT_NEAR(*UnitAt(1).health.dormancy_score, 0.01 / 0.755, 1e-12);
  EXPECT_FALSE(Holds(0, kConstant));
  EXPECT_FALSE(Holds(0, kDormant));
}

TEST_F(LayerStatesTest, ALayerOfZerosAndFewFiringsIsHealthy) {
  for (std::int64_t step = 0; step < 160; ++step) {
    // Nine of ten values are zero; every unit fires.
    Send(Signal::kActivation, Phase::kTrain, step, FiringsOf({2, 2}, 20, step));
    Close(step + 1);
  }

  EXPECT_EQ(StateOf(0), kAlive);
  EXPECT_EQ(StateOf(1), kAlive);
  EXPECT_EQ(layer_->View(2).life.deaths, 0U);
}

TEST_F(LayerStatesTest, TheVerdictSaysWhatItRestsOn) {
  Train(0, 80, {1, 0});
  Train(80, 84, {1, 1});

  const UnitView unit = UnitAt(1);

  EXPECT_EQ(unit.health.revivals, 1U);
  EXPECT_DOUBLE_EQ(unit.p0, 0.01) << "a tenth, since it revived";
  EXPECT_DOUBLE_EQ(unit.pc0, 0.01);
  EXPECT_EQ(unit.horizon_clusters, unit.horizon_observations);
  EXPECT_EQ(unit.coverage.shards_received, 1U);
  EXPECT_DOUBLE_EQ(UnitAt(0).p0, 0.1);
  EXPECT_EQ(layer_->View(2).horizon_first_step, 52);
}

TEST_F(LayerStatesTest, TheViewCountsFirstStatesAndAllThatHold) {
  Train(0, 80, {1, 0});

  const LayerView view = layer_->View(2);
  const auto at = [](core::HealthState state) {
    return static_cast<std::size_t>(state);
  };

  EXPECT_EQ(view.units_by_state.at(at(kConstant)), 0U);
  EXPECT_EQ(view.units_that_hold.at(at(kConstant)), 1U) << "the dead one";
  EXPECT_EQ(view.units_that_hold.at(at(kDead)), 1U);
  EXPECT_EQ(view.life.deaths, 1U);
}

// An attempt that does the steps of a death anew takes the death back. The
// counter of /metrics does not fall.
TEST_F(LayerStatesTest, AnAttemptTakesBackWhatItDoesAnew) {
  Train(0, 8, {1, 1});
  Train(8, 120, {1, 0});
  ASSERT_EQ(layer_->View(2).life.deaths, 1U);

  BeginAttempt(*layer_, 2, 12);
  attempt_ = 2;
  layer_->Declare(0, ShardOf(2, 0, 1));

  EXPECT_EQ(layer_->View(2).life.deaths, 0U);
  EXPECT_EQ(layer_->View(2).deaths_total, 1U);
  Train(12, 120, {1, 0});
  EXPECT_EQ(layer_->View(2).life.deaths, 1U);
  EXPECT_EQ(StateOf(1), kDead);
  EXPECT_EQ(UnitAt(1).health.revivals, 0U);
}

TEST_F(LayerStatesTest, ADeathBeforeTheResumedStepsStands) {
  Train(0, 8, {1, 1});
  Train(8, 120, {1, 0});

  BeginAttempt(*layer_, 2, 118);
  attempt_ = 2;
  layer_->Declare(0, ShardOf(2, 0, 1));

  EXPECT_EQ(StateOf(1), kDead);
  EXPECT_EQ(layer_->View(2).life.deaths, 1U);
}

TEST_F(LayerStatesTest, TheRecordOfEveryUnitIsCharged) {
  Train(0, 1, {1, 0});

  EXPECT_GE(
      memory_.used(),
      2 * (core::LifeBook::kUnitBytes + 3 * sizeof(std::int64_t)) +
          core::Window::MemoryFor(2, layer_->ColumnsFor(Signal::kActivation)));
}

}  // namespace
}  // namespace firekeeper::server
