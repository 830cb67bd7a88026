// Health verdicts on random evidence, against a reference that walks every
// window of every unit.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "core/health.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

// One layer's life. Firings are known step by step, as no LayerEvidence holds
// them.
struct History {
  Index units = 0;
  std::vector<WindowEvidence> windows;
  std::vector<std::vector<std::int64_t>> firings;  // by unit
  std::vector<std::int64_t> first_seen;            // by unit
};

const HealthSettings kSettings{
    .certificate = {.alpha = 0.1, .p0 = 0.2, .pc0 = 0.3},
    .min_coverage = 0.75,
    .horizon_windows = 2};

class RandomHistory {
 public:
  explicit RandomHistory(std::uint64_t seed) : random_(seed) {}

  History Draw() {
    History history;
    history.units = static_cast<Index>(Below(9) + 1);
    const std::uint64_t window_count = Below(40);
    std::int64_t step = 0;
    for (std::uint64_t i = 0; i < window_count; ++i) {
      step += static_cast<std::int64_t>(Below(4) == 0 ? Below(6) : 0);
      const auto length = static_cast<std::int64_t>(Below(5) + 1);
      history.windows.push_back({.steps = {.first = step, .end = step + length},
                                 .observations = Counts(history.units, 30),
                                 .clusters = Counts(history.units, 12),
                                 .coverage = Ranges(history.units)});
      step += length;
    }
    for (Index unit = 0; unit < history.units; ++unit) {
      history.first_seen.push_back(FirstSeen(step));
      history.firings.emplace_back();
      const std::uint64_t count = Below(4);
      const std::int64_t from = history.first_seen.back();
      for (std::uint64_t i = 0; i < count && from <= step; ++i) {
        history.firings.back().push_back(
            from + static_cast<std::int64_t>(
                       Below(static_cast<std::uint64_t>(step - from) + 1)));
      }
    }
    return history;
  }

 private:
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }

  std::int64_t FirstSeen(std::int64_t end) {
    const std::uint64_t kind = Below(8);
    if (kind == 0) return kNeverSeen;
    if (kind > 3) return 0;
    return static_cast<std::int64_t>(
        Below(static_cast<std::uint64_t>(end) + 1));
  }

  // Mostly uniform; otherwise a few units, or all of them, differ.
  UnitCounts Counts(Index units, std::uint64_t limit) {
    const std::uint64_t base = Below(limit);
    if (Below(3) > 0) return UnitCounts(units, base);
    const std::uint64_t odds = Below(units > 2 ? 4 : 1) + 1;
    CountArray values = CountArray::Constant(units, base);
    for (Index i = 0; i < units; ++i) {
      if (Below(odds) == 0) values[i] = Below(limit);
    }
    return UnitCounts::FromArray(values);
  }

  std::vector<RangeCoverage> Ranges(Index units) {
    std::vector<RangeCoverage> ranges;
    for (Index first = 0; first < units;) {
      const Index count =
          Below(2) == 0 ? units - first
                        : static_cast<Index>(Below(
                              static_cast<std::uint64_t>(units - first))) +
                              1;
      const auto received =
          static_cast<std::uint32_t>(Below(25) == 0 ? Below(4) : 4);
      ranges.push_back({.first = first,
                        .count = count,
                        .shards_received = received,
                        .shards_expected = 4});
      first += count;
    }
    return ranges;
  }

  std::mt19937_64 random_;
};

std::int64_t EndOf(const History& history, std::size_t window_count) {
  return window_count == 0 ? 0 : history.windows[window_count - 1].steps.end;
}

// What is known once the first `window_count` windows are closed and nothing
// else has arrived.
LayerEvidence EvidenceAfter(const History& history, std::size_t window_count) {
  const std::int64_t end = EndOf(history, window_count);
  const std::size_t horizon = std::min(kSettings.horizon_windows, window_count);
  LayerEvidence evidence{
      .unit_count = history.units,
      .windows = std::span(history.windows).first(window_count),
      .last_firing_step = StepArray::Constant(history.units, kNeverFired),
      .first_seen_step = StepArray::Constant(history.units, kNeverSeen),
      .horizon_observations = UnitCounts(history.units),
      .horizon_firings = CountArray::Zero(history.units),
      .horizon_non_finite = UnitCounts(history.units)};
  for (std::size_t i = window_count - horizon; i < window_count; ++i) {
    evidence.horizon_observations.AddAt(0, history.windows[i].observations);
  }
  for (Index unit = 0; unit < history.units; ++unit) {
    const auto at = static_cast<std::size_t>(unit);
    if (history.first_seen[at] < end) {
      evidence.first_seen_step[unit] = history.first_seen[at];
    }
    for (const std::int64_t step : history.firings[at]) {
      if (step >= end) continue;
      evidence.last_firing_step[unit] =
          std::max(evidence.last_firing_step[unit], step);
    }
  }
  return evidence;
}

// The definition, step by step: a counter that every firing, every incomplete
// window and the time before first sight put back to zero.
class ReferenceUnit {
 public:
  ReferenceUnit(const History& history, Index unit)
      : history_(history), unit_(unit) {}

  UnitHealth Walk(std::size_t window_count, std::uint64_t run_units) {
    std::uint64_t total_n = 0;
    std::uint64_t total_nc = 0;
    for (std::size_t i = 0; i < window_count; ++i) {
      const WindowEvidence& window = history_.windows[i];
      total_n += window.observations.Max();
      total_nc += window.clusters.Max();
      if (Reset(i)) continue;
      health_.silent_observations += window.observations[unit_];
      health_.silent_clusters += window.clusters[unit_];
      const auto& [alpha, p0, pc0] = kSettings.certificate;
      const std::uint64_t units = TrackedUnits(run_units);
      if (!health_.certified_step.has_value() &&
          health_.silent_observations >=
              SilenceNeeded(p0, alpha, units, total_n) &&
          health_.silent_clusters >=
              SilenceNeeded(pc0, alpha, units, total_nc)) {
        health_.certified_step = window.steps.end - 1;
      }
    }
    health_.state = State(window_count);
    if (health_.state != HealthState::kDead) health_.certified_step.reset();
    if (health_.state != HealthState::kUnknown) health_.incomplete.reset();
    return health_;
  }

 private:
  [[nodiscard]] bool FiredSince(std::int64_t from, std::int64_t end) const {
    return std::ranges::any_of(
        history_.firings[static_cast<std::size_t>(unit_)],
        [&](std::int64_t step) { return from <= step && step < end; });
  }

  // True if the window adds no silence.
  bool Reset(std::size_t i) {
    const StepRange steps = history_.windows[i].steps;
    // A firing between two windows ends a silence too.
    const std::int64_t gap = i == 0 ? 0 : history_.windows[i - 1].steps.end;
    const bool unseen =
        history_.first_seen[static_cast<std::size_t>(unit_)] >= steps.end;
    if (FiredSince(gap, steps.first) || unseen) health_ = {};
    if (FiredSince(steps.first, steps.end) || unseen) {
      health_ = {};
      return true;
    }
    const auto& ranges = history_.windows[i].coverage;
    const auto own = std::ranges::find_if(ranges, [this](const auto& range) {
      return range.first <= unit_ && unit_ < range.first + range.count;
    });
    if (4 * own->shards_received >= 3 * own->shards_expected) return false;
    health_ = {};
    health_.incomplete = {.steps = steps,
                          .shards_received = own->shards_received,
                          .shards_expected = own->shards_expected};
    return true;
  }

  [[nodiscard]] HealthState State(std::size_t window_count) const {
    const std::int64_t end = EndOf(history_, window_count);
    if (history_.first_seen[static_cast<std::size_t>(unit_)] >= end) {
      return HealthState::kUnobserved;
    }
    const std::size_t horizon =
        std::min(kSettings.horizon_windows, window_count);
    const std::int64_t from =
        history_.windows[window_count - horizon].steps.first;
    if (FiredSince(from, end)) return HealthState::kAlive;
    if (health_.certified_step.has_value()) return HealthState::kDead;
    return health_.incomplete.has_value() ? HealthState::kUnknown
                                          : HealthState::kSilent;
  }

  const History& history_;
  Index unit_;
  UnitHealth health_;
};

void ExpectSame(const UnitHealth& actual, const UnitHealth& expected) {
  EXPECT_STREQ(Name(actual.state), Name(expected.state));
  EXPECT_EQ(actual.certified_step, expected.certified_step);
  EXPECT_EQ(actual.silent_observations, expected.silent_observations);
  EXPECT_EQ(actual.silent_clusters, expected.silent_clusters);
  ASSERT_EQ(actual.incomplete.has_value(), expected.incomplete.has_value());
  if (!actual.incomplete.has_value()) return;
  EXPECT_EQ(actual.incomplete->steps, expected.incomplete->steps);
  EXPECT_EQ(actual.incomplete->shards_received,
            expected.incomplete->shards_received);
}

TEST(HealthPropertyTest, EqualsTheReferenceOnRandomEvidence) {
  RandomHistory random(11);
  std::vector<int> seen(7, 0);
  for (int round = 0; round < 3000; ++round) {
    const History history = random.Draw();
    const std::size_t windows = history.windows.size();
    const LayerHealth health =
        EvaluateHealth(EvidenceAfter(history, windows), 16, kSettings);
    for (Index unit = 0; unit < history.units; ++unit) {
      SCOPED_TRACE(::testing::Message() << round << ", unit " << unit);
      const UnitHealth& actual = health.units[static_cast<std::size_t>(unit)];
      ExpectSame(actual, ReferenceUnit(history, unit).Walk(windows, 16));
      ++seen[static_cast<std::size_t>(actual.state)];
    }
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  for (const HealthState state :
       {HealthState::kUnobserved, HealthState::kUnknown, HealthState::kSilent,
        HealthState::kDead, HealthState::kAlive}) {
    EXPECT_GT(seen[static_cast<std::size_t>(state)], 100) << Name(state);
  }
}

// However often it is looked at: DEAD ends by a firing or by a window that may
// hide one, and its date does not move.
TEST(HealthPropertyTest, DeadStaysDeadUntilEvidenceAgainstIt) {
  RandomHistory random(12);
  int dead_again = 0;
  for (int round = 0; round < 400; ++round) {
    const History history = random.Draw();
    std::vector<UnitHealth> before(static_cast<std::size_t>(history.units));
    for (std::size_t count = 1; count <= history.windows.size(); ++count) {
      const std::vector<UnitHealth> now =
          EvaluateHealth(EvidenceAfter(history, count), 16, kSettings).units;
      for (std::size_t i = 0; i < now.size(); ++i) {
        if (before[i].state != HealthState::kDead) continue;
        if (now[i].state == HealthState::kDead) {
          EXPECT_EQ(now[i].certified_step.value(),
                    before[i].certified_step.value());
          ++dead_again;
        } else {
          EXPECT_TRUE(now[i].state == HealthState::kAlive ||
                      now[i].state == HealthState::kUnknown)
              << Name(now[i].state);
        }
      }
      before = now;
    }
  }
  EXPECT_GT(dead_again, 1000);
}

// What one source adds to one window.
struct Contribution {
  std::size_t window = 0;
  UnitCounts observations;
  UnitCounts clusters;
  Index firing_unit = -1;
  std::int64_t firing_step = kNeverFired;
};

std::vector<UnitHealth> VerdictsFrom(const std::vector<Contribution>& parts,
                                     Index units, std::size_t window_count) {
  std::vector<WindowEvidence> windows;
  for (std::size_t i = 0; i < window_count; ++i) {
    const auto first = static_cast<std::int64_t>(10 * i);
    windows.push_back({.steps = {.first = first, .end = first + 10},
                       .observations = UnitCounts(units),
                       .clusters = UnitCounts(units),
                       .coverage = {{.first = 0,
                                     .count = units,
                                     .shards_received = 1,
                                     .shards_expected = 1}}});
  }
  LayerEvidence evidence{
      .unit_count = units,
      .windows = {},
      .last_firing_step = StepArray::Constant(units, kNeverFired),
      .first_seen_step = StepArray::Zero(units),
      .horizon_observations = UnitCounts(units),
      .horizon_firings = CountArray::Zero(units),
      .horizon_non_finite = UnitCounts(units)};
  for (const Contribution& part : parts) {
    windows[part.window].observations.AddAt(0, part.observations);
    windows[part.window].clusters.AddAt(0, part.clusters);
    if (part.firing_unit < 0) continue;
    std::int64_t& last = evidence.last_firing_step[part.firing_unit];
    last = std::max(last, part.firing_step);
  }
  evidence.windows = windows;
  return EvaluateHealth(evidence, 16, kSettings).units;
}

TEST(HealthPropertyTest, OrderOfArrivalDoesNotMatter) {
  constexpr Index kUnits = 6;
  constexpr std::size_t kWindows = 25;
  std::mt19937_64 random(13);
  std::vector<Contribution> parts;
  for (int i = 0; i < 200; ++i) {
    Contribution part{.window = random() % kWindows,
                      .observations = UnitCounts(kUnits, random() % 20),
                      .clusters = UnitCounts(kUnits, random() % 10)};
    if (random() % 10 == 0) {
      part.firing_unit = static_cast<Index>(random() % kUnits);
      part.firing_step = static_cast<std::int64_t>(10 * part.window + 3);
    }
    parts.push_back(part);
  }
  const std::vector<UnitHealth> expected =
      VerdictsFrom(parts, kUnits, kWindows);

  for (int round = 0; round < 20; ++round) {
    std::shuffle(parts.begin(), parts.end(), random);
    const std::vector<UnitHealth> actual =
        VerdictsFrom(parts, kUnits, kWindows);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      ExpectSame(actual[i], expected[i]);
    }
  }
}

// 65 536 units over 1 000 windows with every window another unit's last: the
// work must not be units times windows.
TEST(HealthPropertyTest, LargeLayerIsEvaluatedInOneGo) {
  constexpr Index kUnits = 65536;
  constexpr std::size_t kWindows = 1000;
  std::vector<WindowEvidence> windows;
  for (std::size_t i = 0; i < kWindows; ++i) {
    const auto first = static_cast<std::int64_t>(128 * i);
    windows.push_back({.steps = {.first = first, .end = first + 128},
                       .observations = UnitCounts(kUnits, 4096),
                       .clusters = UnitCounts(kUnits, 512),
                       .coverage = {{.first = 0,
                                     .count = kUnits,
                                     .shards_received = 1,
                                     .shards_expected = 1}}});
  }
  LayerEvidence evidence{
      .unit_count = kUnits,
      .windows = windows,
      .last_firing_step = StepArray::LinSpaced(kUnits, 0, 128 * kWindows - 1),
      .first_seen_step = StepArray::Zero(kUnits),
      .horizon_observations = UnitCounts(kUnits, std::uint64_t{8} * 4096),
      .horizon_firings = CountArray::Zero(kUnits),
      .horizon_non_finite = UnitCounts(kUnits)};
  for (Index i = kUnits - kUnits / 125; i < kUnits; ++i) {
    evidence.horizon_firings[i] = static_cast<std::uint64_t>(i) % 32768;
  }

  const LayerHealth health = EvaluateHealth(evidence, kUnits, {});

  EXPECT_EQ(health.units.front().state, HealthState::kDead);
  EXPECT_EQ(health.units.back().state, HealthState::kAlive);
  const auto alive =
      std::ranges::count(health.units, HealthState::kAlive,
                         [](const UnitHealth& unit) { return unit.state; });
  EXPECT_NEAR(static_cast<double>(alive), kUnits * 8.0 / kWindows, 70.0);
}

}  // namespace
}  // namespace firekeeper::core
