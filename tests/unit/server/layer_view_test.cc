// What a layer says of its units, from snapshots to verdicts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <optional>
#include <vector>

#include "server/state/layer_state.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BeginAttempt;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::LayerNowhere;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum core::HealthState;

constexpr std::uint64_t kExamples = 16;

// A layer of two units and what is streamed of it.
class LayerViewTest : public ::testing::Test {
 protected:
  LayerViewTest() { BeginAttempt(layer_, 1, 0); }

  void Send(std::uint32_t source, std::int64_t step,
            const core::UnitSummary& summary,
            core::Signal signal = core::Signal::kActivation,
            core::Phase phase = core::Phase::kTrain) {
    ASSERT_THAT(layer_.Merge({.attempt = 1,
                              .source = source,
                              .signal = signal,
                              .phase = phase,
                              .step = step},
                             summary, AtSeconds(0)),
                IsOk());
  }

  void Send(std::uint32_t source, std::int64_t step,
            std::initializer_list<std::uint64_t> fired) {
    Send(source, step, FiringsOf(fired, kExamples, step));
  }

  // Steps [first, end) from one rank, each closed at once.
  void Train(std::int64_t first, std::int64_t end,
             std::initializer_list<std::uint64_t> fired) {
    for (std::int64_t step = first; step < end; ++step) {
      Send(0, step, fired);
      Close(step + 1);
    }
  }

  void Close(std::int64_t before) {
    layer_.CloseWindows(1, before, AtSeconds(0));
  }

  UnitView UnitAt(std::uint64_t unit) {
    return layer_.Units({.units = 2}, {}, unit, 1).units.at(0);
  }
  core::HealthState StateOf(std::uint64_t unit) {
    return UnitAt(unit).health.state;
  }

  MemoryBudget memory_{std::size_t{1} << 24U};
  LayerState layer_{ReluLayer("fc1", 2), SmallSettings(), memory_,
                    LayerNowhere()};
};

class OneRankTest : public LayerViewTest {
 protected:
  OneRankTest() { layer_.Declare(0, ShardOf(2, 0, 1)); }
};

class TwoRanksTest : public LayerViewTest {
 protected:
  TwoRanksTest() {
    layer_.Declare(0, ShardOf(2, 0, 2));
    layer_.Declare(1, ShardOf(2, 1, 2));
  }
};

TEST_F(OneRankTest, NothingIsSaidBeforeAnythingCame) {
  const LayerView view = layer_.View(2);

  EXPECT_FALSE(view.observable);
  EXPECT_THAT(view.reason, HasSubstr("nothing was streamed"));
  EXPECT_EQ(layer_.Units({.units = 2}, {}, 0, 10).total, 0U);
}

TEST_F(OneRankTest, GradientsDoNotTellWhetherAUnitFires) {
  Send(0, 0, FiringsOf({1, 0}, 4, 0, layer_.ColumnsFor(core::Signal::kWeight)),
       core::Signal::kWeight);

  const LayerView view = layer_.View(2);

  EXPECT_FALSE(view.observable);
  EXPECT_THAT(view.reason, HasSubstr("no TRAIN signal"));
  EXPECT_THAT(view.signals, SizeIs(1));
}

TEST_F(OneRankTest, OtherPhasesDoNotTellWhetherAUnitFiresInTraining) {
  Send(0, 0, FiringsOf({1, 0}, 4, 0), core::Signal::kActivation,
       core::Phase::kProbe);

  EXPECT_FALSE(layer_.View(2).observable);
}

TEST_F(OneRankTest, ASilentUnitIsDeadOnceTheCertificateHolds) {
  std::optional<std::int64_t> died;
  for (std::int64_t step = 0; step < 32; ++step) {
    SCOPED_TRACE(step);
    Train(step, step + 1, {1, 0});
    const bool whole_window = core::WindowOf(step, 4).end == step + 1;
    const UnitView unit = UnitAt(1);
    const core::CertificateTotals needed = layer_.View(2).certificate;
    const bool enough =
        unit.health.silent_observations >= needed.observations_needed &&
        unit.health.silent_clusters >= needed.clusters_needed;

    if (!died && whole_window && enough) died = step;

    EXPECT_EQ(unit.health.state, died ? kDead : kSilent);
    EXPECT_EQ(unit.health.certified_step, died);
    EXPECT_EQ(StateOf(0), kAlive);
  }
  ASSERT_TRUE(died.has_value());
  EXPECT_GE(*died, 4) << "not at the first sight of silence";
}

TEST_F(OneRankTest, TheViewCountsUnitsAndNamesTheFirstDeath) {
  Train(0, 4, {1, 1});
  Train(4, 48, {1, 0});

  const LayerView view = layer_.View(2);

  EXPECT_TRUE(view.observable);
  EXPECT_EQ(view.health_signal, core::Signal::kActivation);
  EXPECT_EQ(view.units_by_state.at(static_cast<std::size_t>(kAlive)), 1U);
  EXPECT_EQ(view.units_by_state.at(static_cast<std::size_t>(kDead)), 1U);
  EXPECT_EQ(view.evaluated_through_step, 47);
  EXPECT_EQ(view.first_death_after_step, 3);
  EXPECT_EQ(view.first_death_by_step, UnitAt(1).health.certified_step);
  EXPECT_EQ(view.coverage.shards_received, 1U);
}

TEST_F(OneRankTest, OneFiringRevivesAUnit) {
  Train(0, 32, {1, 0});
  ASSERT_EQ(StateOf(1), kDead);

  Send(0, 32, {1, 1});

  EXPECT_EQ(StateOf(1), kRare) << "without waiting for the window to close";
  EXPECT_EQ(UnitAt(1).last_firing_step, 32);
}

TEST_F(OneRankTest, LateDataRevivesAUnit) {
  Train(0, 28, {1, 0});
  Send(0, 29, {1, 0});
  Close(32);
  ASSERT_EQ(StateOf(1), kDead);

  Send(0, 28, {1, 1});

  EXPECT_EQ(StateOf(1), kRare);
  EXPECT_EQ(layer_.View(2).signals.at(0).revision, 1U);
}

TEST_F(OneRankTest, NonFiniteValuesAreReportedFirst) {
  Train(0, 32, {1, 0});
  core::UnitSummary summary = FiringsOf({1, 0}, kExamples, 32);
  core::CountArray non_finite(2);
  non_finite << 0, 1;
  summary.non_finite = core::UnitCounts::FromArray(non_finite);

  Send(0, 32, summary);

  EXPECT_EQ(StateOf(1), kNonFinite);
  EXPECT_EQ(UnitAt(1).horizon_non_finite, 1U);
  EXPECT_EQ(StateOf(0), kAlive);
}

TEST_F(OneRankTest, ASampledWindowWithoutDataMakesSilenceUnknown) {
  Train(0, 8, {1, 0});
  ASSERT_THAT(layer_.NoteSampled(1, {9}), IsOk());

  Close(12);

  EXPECT_EQ(StateOf(1), kUnknown);
  EXPECT_THAT(UnitAt(1).reason,
              HasSubstr("coverage 0 of 1 data shards in steps [8, 12)"));
}

TEST_F(TwoRanksTest, AUnitAliveOnOneRankIsAlive) {
  for (std::int64_t step = 0; step < 32; ++step) {
    Send(0, step, {1, 0});
    Send(1, step, {1, 1});
    Close(step + 1);
  }

  EXPECT_EQ(StateOf(1), kAlive);
}

TEST_F(TwoRanksTest, SilenceOnAllRanksIsDeath) {
  for (std::int64_t step = 0; step < 32; ++step) {
    Send(0, step, {1, 0});
    Send(1, step, {1, 0});
    Close(step + 1);
  }

  EXPECT_EQ(StateOf(1), kDead);
}

TEST_F(TwoRanksTest, SilenceIsUnknownWhileAShardIsMissing) {
  Train(0, 32, {1, 0});

  EXPECT_EQ(StateOf(1), kUnknown);
  EXPECT_EQ(StateOf(0), kAlive) << "a firing needs no coverage";
  EXPECT_THAT(UnitAt(1).reason, HasSubstr("coverage 1 of 2 data shards"));
}

// The sources of a new attempt may be more or fewer.
TEST_F(OneRankTest, AnotherNumberOfRanksKeepsTheEvidenceOfBefore) {
  Train(0, 32, {1, 0});
  ASSERT_EQ(StateOf(1), kDead);

  BeginAttempt(layer_, 2, 32);
  layer_.Declare(0, ShardOf(2, 0, 2));

  EXPECT_EQ(StateOf(1), kDead);
}

TEST_F(OneRankTest, VerdictsAreComputedAnewForAnotherNumberOfUnits) {
  Train(0, 4, {1, 0});
  EXPECT_EQ(layer_.View(2).certificate.tracked_units, 4U);

  EXPECT_EQ(layer_.View(5).certificate.tracked_units, 16U);
}

TEST_F(OneRankTest, ShowsTheNewestClosedWindowOfASignal) {
  Send(0, 2, {1, 2});
  Close(4);
  Send(0, 4, {1, 1});

  const SignalView signal = layer_.View(2).signals.at(0);

  EXPECT_EQ(signal.digest.steps, (core::StepRange{.first = 2, .end = 4}));
  EXPECT_FALSE(signal.open);
  EXPECT_EQ(signal.digest.observations, kExamples);
  EXPECT_EQ(signal.digest.clusters, kExamples);
  EXPECT_DOUBLE_EQ(*signal.digest.firing_ratio, 1.5 / 16.0);
  EXPECT_DOUBLE_EQ(signal.digest.mean, 1.5 / 16.0);
  EXPECT_DOUBLE_EQ(*signal.digest.zero_ratio, 1.0 - 1.5 / 16.0);
  EXPECT_DOUBLE_EQ(signal.digest.root_mean_square, std::sqrt(1.5 / 16.0));
  EXPECT_EQ(signal.digest.max, 1.0);
}

TEST_F(OneRankTest, HistoryIsTheRetainedWindowsOldestFirst) {
  Train(0, 4, {1, 0});
  Send(0, 4, {0, 0});

  const auto history =
      layer_.History(core::Signal::kActivation, core::Phase::kTrain);

  std::vector<std::int64_t> starts;
  starts.reserve(history.size());
  for (const SignalView& window : history) {
    starts.push_back(window.digest.steps.first);
  }
  EXPECT_THAT(starts, ElementsAre(0, 1, 2, 4));
  EXPECT_TRUE(history.back().open);
  EXPECT_EQ(history.back().digest.units_never_fired, 2U);
  EXPECT_THAT(layer_.History(core::Signal::kWeight, core::Phase::kTrain),
              IsEmpty());
}

TEST_F(OneRankTest, EveryStepOfAProbeIsAWindow) {
  for (const std::int64_t step : {8, 9}) {
    Send(0, step, FiringsOf({1, 0}, 4, step), core::Signal::kActivation,
         core::Phase::kProbe);
  }

  EXPECT_THAT(layer_.History(core::Signal::kActivation, core::Phase::kProbe),
              SizeIs(2));
}

// Ten units, of which the odd ones fire.
}  // namespace
}  // namespace firekeeper::server
