// The life of a unit: deaths, revivals, and how p0 is divided in between.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "core/health.h"
#include "core/signal_track.h"
#include "tests/support/state_builders.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/core/evidence_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AllColumns;
using ::firekeeper::testing::EvidenceBuilder;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::SummaryOf;

constexpr std::int64_t kNoAge = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kEnough = 20000;  // observations that certify at once

LayerHealth Evaluate(const EvidenceBuilder& evidence,
                     const HealthSettings& settings = {}) {
  return EvaluateHealth(evidence.Build(settings.horizon_windows), 4, settings);
}

TEST(LifecycleTest, AUnitThatNeverFiredDiesOnce) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, kEnough, kEnough);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_EQ(health.units[0].deaths, 1U);
  EXPECT_EQ(health.units[0].revivals, 0U);
  EXPECT_EQ(health.units[0].last_death->after, -1);
  EXPECT_EQ(health.life.deaths, 1U);
  EXPECT_EQ(health.life.born_silent_units, 1U);
}

TEST(LifecycleTest, SilenceWithoutACertificateIsNoDeath) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, 10, 10);

  EXPECT_EQ(Evaluate(evidence).units[0].deaths, 0U);
  EXPECT_FALSE(Evaluate(evidence).units[0].last_death.has_value());
}

// What is ALIVE is not dead, whatever its silence: no death is counted that
// nobody could have seen.
TEST(LifecycleTest, AUnitDiesOnceItsFiringLeftTheHorizon) {
  EvidenceBuilder evidence(1);
  evidence.Windows(8, kEnough, kEnough).Fire(0, 3);
  EXPECT_EQ(Evaluate(evidence).units[0].deaths, 0U);

  evidence.Window(kEnough, kEnough);

  EXPECT_EQ(Evaluate(evidence).units[0].state, HealthState::kDead);
  EXPECT_EQ(Evaluate(evidence).units[0].deaths, 1U);
  EXPECT_EQ(Evaluate(evidence).units[0].origin, DeathOrigin::kDied);
}

TEST(LifecycleTest, AFiringAfterDeathIsARevivalAndDividesTheRates) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, kEnough, kEnough).Fire(0, 25);

  const UnitHealth unit = Evaluate(evidence).units[0];

  EXPECT_EQ(unit.deaths, 1U);
  EXPECT_EQ(unit.revivals, 1U);
  EXPECT_EQ(unit.level, 1);
}

TEST(LifecycleTest, AFiringInAnOpenWindowRevivesAtOnce) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, kEnough, kEnough).Fire(0, 31);

  EXPECT_EQ(Evaluate(evidence).units[0].revivals, 1U);
  EXPECT_EQ(Evaluate(evidence).life.revivals, 1U);
}

// Silence that killed it once is not enough the second time, ten times as much
// is.
TEST(LifecycleTest, ARevivedUnitNeedsTenTimesTheSilence) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, kEnough, kEnough).Fire(0, 25);
  evidence.Windows(9, kEnough / 8, kEnough / 8);
  EXPECT_EQ(Evaluate(evidence).units[0].state, HealthState::kSilent);

  evidence.Windows(10, kEnough, kEnough);

  EXPECT_EQ(Evaluate(evidence).units[0].state, HealthState::kDead);
  EXPECT_EQ(Evaluate(evidence).units[0].deaths, 2U);
  EXPECT_EQ(Evaluate(evidence).life.flapping_units, 1U);
}

// A window that may hide a firing makes the state UNKNOWN; it is no revival.
TEST(LifecycleTest, AMissingShardNeitherRevivesNorKillsAgain) {
  EvidenceBuilder evidence(1);
  evidence.Windows(2, kEnough, kEnough).Window(10, 10).Received(0, 1);
  EXPECT_EQ(Evaluate(evidence).units[0].state, HealthState::kUnknown);

  evidence.Windows(2, kEnough, kEnough);

  EXPECT_EQ(Evaluate(evidence).units[0].state, HealthState::kDead);
  EXPECT_EQ(Evaluate(evidence).units[0].deaths, 1U);
  EXPECT_EQ(Evaluate(evidence).units[0].revivals, 0U);
}

TEST(LifecycleTest, TheLayerSaysHowManyDeathsLast) {
  EvidenceBuilder evidence(4);
  evidence.Windows(12, kEnough, kEnough).Fire(0, 95);
  for (std::int64_t window = 0; window < 12; ++window) {
    evidence.Fire(3, 10 * window);
  }

  const LayerLife life = Evaluate(evidence).life;

  EXPECT_EQ(life.dead_before_units, 3U);
  EXPECT_EQ(life.still_dead_units, 2U);
}

TEST(LifecycleTest, HalfLifeIsWhenHalfOfTheUnitsThatFiredHadDied) {
  EvidenceBuilder evidence(4);
  evidence.Windows(30, kEnough, kEnough);
  for (std::int64_t window = 0; window < 30; ++window) {
    evidence.Fire(0, 10 * window).Fire(1, 10 * window);
    if (window < 5) evidence.Fire(2, 10 * window);
    if (window < 10) evidence.Fire(3, 10 * window);
  }
  EXPECT_EQ(Evaluate(evidence).life.half_life_steps, 100)
      << "the silence of unit 3 is enough after the window [100, 110)";

  evidence.Fire(3, 299);

  EXPECT_FALSE(Evaluate(evidence).life.half_life_steps.has_value());
}

void ExpectSameLives(const LayerHealth& a, const LayerHealth& b) {
  ASSERT_EQ(a.units.size(), b.units.size());
  for (std::size_t unit = 0; unit < a.units.size(); ++unit) {
    SCOPED_TRACE(unit);
    EXPECT_EQ(a.units[unit].state, b.units[unit].state);
    EXPECT_EQ(a.units[unit].deaths, b.units[unit].deaths);
    EXPECT_EQ(a.units[unit].revivals, b.units[unit].revivals);
    EXPECT_EQ(a.units[unit].level, b.units[unit].level);
  }
  EXPECT_EQ(a.life.dead_before_units, b.life.dead_before_units);
  EXPECT_EQ(a.life.still_dead_units, b.life.still_dead_units);
  EXPECT_EQ(a.life.half_life_steps, b.life.half_life_steps);
}

// A track of units that fire at random, judged by settings that a few hundred
// observations satisfy.
class LongRun {
 public:
  LongRun(Index units, const HealthSettings& settings, std::uint64_t seed)
      : units_(units), settings_(settings), random_(seed) {}

  // One window in which unit i fires on a share rates[i] of the examples.
  void Train(std::uint64_t examples, const std::vector<double>& rates) {
    UnitSummary summary(units_, AllColumns());
    summary.observations.AddUniform(examples);
    summary.clusters.AddUniform(examples);
    for (Index unit = 0; unit < units_; ++unit) {
      std::binomial_distribution<std::uint64_t> firings(
          examples, rates[static_cast<std::size_t>(unit)]);
      summary.firings[unit] = summary.firing_clusters[unit] = firings(random_);
      summary.positives[unit] = summary.firings[unit];
    }
    summary.StampStep(step_);
    ASSERT_THAT(track_.Add({.step = step_}, summary, false, 0), IsOk());
    track_.Close(++step_, kNoAge);
  }

  LayerHealth Judge() {
    return EvaluateHealth(track_.Evidence(&windows_),
                          static_cast<std::uint64_t>(units_), settings_);
  }

 private:
  Index units_;
  HealthSettings settings_;
  std::mt19937_64 random_;
  SignalTrack track_{{.units = units_,
                      .columns = AllColumns(),
                      .window_steps = 1,
                      .health = settings_}};
  std::int64_t step_ = 0;
  std::vector<WindowEvidence> windows_;
};

// Far below p0 a unit is called dead and comes back. Divided rates end that.
TEST(LifecycleTest, AUnitAtATenthOfTheRateRevivesAtMostTwice) {
  constexpr Index kUnits = 64;
  LongRun run(kUnits, {}, 1);
  // 20 million examples each: 2,000 firings, hundreds of silences that level 0
  // would take for death.
  for (std::int64_t window = 0; window < 5000; ++window) {
    run.Train(4000, std::vector<double>(kUnits, 1e-4));
  }

  const LayerHealth health = run.Judge();

  std::uint64_t most = 0;
  for (const UnitHealth& unit : health.units) {
    most = std::max<std::uint64_t>(most, unit.revivals);
  }
  EXPECT_GT(health.life.revivals, 0U) << "or the test tests nothing";
  EXPECT_LE(most, 2U);
}

TEST(LifecycleTest, TheDivisionEndsOnceTheRateIsSurelyAboveP0) {
  LongRun run(2, {}, 2);
  for (int i = 0; i < 20; ++i) run.Train(4000, {0.0, 0.0});
  for (int i = 0; i < 20; ++i) run.Train(4000, {0.01, 2e-4});

  const LayerHealth health = run.Judge();

  EXPECT_EQ(health.units[0].level, 0);
  EXPECT_EQ(health.units[0].revivals, 1U) << "the life is not forgotten";
  EXPECT_EQ(health.units[1].level, 1);
}

// The bit of one unit whose values these are, judged by this rule; every value
// > 0 counts as a firing.
std::uint8_t LinearOf(std::initializer_list<double> values, LinearRule rule) {
  Eigen::ArrayXXd column(static_cast<Index>(values.size()), 1);
  Index i = 0;
  for (const double value : values) column(i++, 0) = value;
  return static_cast<std::uint8_t>(
      TraceOf(SummaryOf(column, 0, AllColumns()), rule).at(0) &
      (Trace::kLinearHigh | Trace::kLinearLow));
}

TEST(LifecycleTest, AUnitIsLinearAsItsActivationAllows) {
  EXPECT_EQ(LinearOf({1, 2}, LinearRule::kGateOpen), Trace::kLinearHigh);
  EXPECT_EQ(LinearOf({1, 0}, LinearRule::kGateOpen), 0);
  EXPECT_EQ(LinearOf({-1, -2}, LinearRule::kGateOpen), 0) << "off, not linear";
  EXPECT_EQ(LinearOf({-1, -2}, LinearRule::kOneSign), Trace::kLinearLow);
  EXPECT_EQ(LinearOf({1, 2}, LinearRule::kOneSign), Trace::kLinearHigh);
  EXPECT_EQ(LinearOf({1, -2}, LinearRule::kOneSign), 0);
  EXPECT_EQ(LinearOf({1, 5.9}, LinearRule::kGateOpenSix), Trace::kLinearHigh);
  EXPECT_EQ(LinearOf({1, 6}, LinearRule::kGateOpenSix), 0) << "saturated";
  EXPECT_EQ(LinearOf({1, 2}, LinearRule::kNever), 0);
}

TEST(LifecycleTest, OnlyPiecewiseLinearKindsBecomeLinear) {
  const auto rule = [](Activation kind) {
    return LinearRuleFor(Signal::kPreActivation, kind);
  };
  EXPECT_EQ(rule(Activation::kRelu), LinearRule::kGateOpen);
  EXPECT_EQ(rule(Activation::kRelu6), LinearRule::kGateOpen);
  EXPECT_EQ(rule(Activation::kHardTanh), LinearRule::kGateOpen);
  EXPECT_EQ(rule(Activation::kPrelu), LinearRule::kOneSign);
  for (const Activation kind :
       {Activation::kLinear, Activation::kSquaredRelu, Activation::kGelu,
        Activation::kSigmoid, Activation::kHardSwish,
        Activation::kSparseLatents}) {
    EXPECT_EQ(rule(kind), LinearRule::kNever);
  }
}

// What a unit did at each of 96 steps: fires seldom enough to die in between.
std::vector<UnitSummary> SeldomFiring(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<UnitSummary> steps;
  for (std::int64_t step = 0; step < 96; ++step) {
    UnitSummary summary(3, AllColumns());
    summary.observations.AddUniform(200);
    summary.clusters.AddUniform(200);
    for (Index unit = 0; unit < 3; ++unit) {
      summary.firings[unit] = random() % 16 == 0 ? 1U : 0U;
      summary.firing_clusters[unit] = summary.firings[unit];
    }
    summary.StampStep(step);
    steps.push_back(summary);
  }
  return steps;
}

HealthSettings Hasty() {
  HealthSettings settings;
  settings.certificate = {.alpha = 0.1, .p0 = 0.02, .pc0 = 0.02};
  settings.horizon_windows = 2;
  return settings;
}

TEST(LifecycleTest, ARecordAndAReplayOfAllWindowsAgree) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<UnitSummary> steps = SeldomFiring(seed);
    std::vector<LayerHealth> verdicts;
    for (const std::size_t retained : {2U, 8U, 100U}) {
      SignalTrack track({.units = 3,
                         .columns = AllColumns(),
                         .window_steps = 1,
                         .retained_windows = retained,
                         .health = Hasty()});
      track.SetRunUnits(3);
      for (const UnitSummary& summary : steps) {
        const std::int64_t step = summary.first_seen_step[0];
        ASSERT_THAT(track.Add({.step = step}, summary, false, 0), IsOk());
        track.Close(step + 1, kNoAge);
      }
      std::vector<WindowEvidence> windows;
      verdicts.push_back(EvaluateHealth(track.Evidence(&windows), 3, Hasty()));
    }
    ExpectSameLives(verdicts[1], verdicts[0]);
    ExpectSameLives(verdicts[2], verdicts[0]);
  }
}

TEST(LifecycleTest, AnyOrderDuplicatesAndLateDataGiveTheSameLives) {
  const std::vector<UnitSummary> steps = SeldomFiring(4);
  std::mt19937_64 random(5);
  std::vector<LayerHealth> verdicts;
  for (int round = 0; round < 10; ++round) {
    SignalTrack track({.units = 3,
                       .columns = AllColumns(),
                       .window_steps = 4,
                       .retained_windows = 4,
                       .health = Hasty()});
    track.SetRunUnits(3);
    // Sixteen steps at a time in any order, each one sometimes twice; windows
    // close while the older half of them is still to come.
    for (std::int64_t block = 0; block < 96; block += 16) {
      std::vector<std::int64_t> order(16);
      std::iota(order.begin(), order.end(), block);
      if (round > 0) std::shuffle(order.begin(), order.end(), random);
      for (const std::int64_t step : order) {
        const UnitSummary& summary = steps[static_cast<std::size_t>(step)];
        const Contribution key{.step = step,
                               .fingerprint = Fingerprint(summary)};
        ASSERT_THAT(track.Add(key, summary, false, 0), IsOk());
        if (round > 0 && random() % 2 == 0) {
          ASSERT_THAT(track.Add(key, summary, false, 0), IsOk());
          track.Close(block + 8, kNoAge);
        }
      }
      track.Close(block + 16, kNoAge);
    }
    std::vector<WindowEvidence> windows;
    verdicts.push_back(EvaluateHealth(track.Evidence(&windows), 3, Hasty()));
  }
  EXPECT_GT(verdicts[0].life.revivals, 1U) << "or the test tests nothing";
  for (const LayerHealth& health : verdicts) {
    ExpectSameLives(health, verdicts[0]);
  }
}

// Steps that an attempt does anew leave what they would have left had they
// never been done otherwise, but for the time of the last firing.
TEST(LifecycleTest, ADeathInReplayedStepsIsCountedOnce) {
  SignalTrack track({.units = 1,
                     .columns = AllColumns(),
                     .window_steps = 1,
                     .retained_windows = 4,
                     .health = Hasty()});
  const auto train = [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t step = first; step < end; ++step) {
      UnitSummary summary(1, AllColumns());
      summary.observations.AddUniform(200);
      summary.clusters.AddUniform(200);
      summary.firings[0] = summary.firing_clusters[0] = step == 0 ? 1 : 0;
      summary.StampStep(step);
      ASSERT_THAT(track.Add({.step = step}, summary, false, 0), IsOk());
      track.Close(step + 1, kNoAge);
    }
  };
  const auto deaths = [&] {
    std::vector<WindowEvidence> windows;
    return EvaluateHealth(track.Evidence(&windows), 1, Hasty()).life.deaths;
  };
  train(0, 40);
  ASSERT_EQ(deaths(), 1U);

  track.BeginAttempt(2);
  EXPECT_EQ(deaths(), 0U);
  train(2, 40);
  EXPECT_EQ(deaths(), 1U);

  track.BeginAttempt(39);
  EXPECT_EQ(deaths(), 1U);
}

}  // namespace
}  // namespace firekeeper::core
