// The certificate's promise on simulated units: STATISTICS.md 2.6 and the
// family-wise error of 4.0 under continuous looking. All seeds are fixed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "core/certificate.h"
#include "core/health.h"
#include "tests/unit/core/evidence_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::EvidenceBuilder;

// Standard error of a share estimated from `count` draws.
double StandardError(double share, double count) {
  return std::sqrt(share * (1.0 - share) / count);
}

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {}

  double Uniform() {
    // In (0, 1], so that its logarithm is finite.
    return 1.0 - std::generate_canonical<double, 53>(random_);
  }

  // Trials up to and with the next firing of a unit that fires at `rate`.
  std::uint64_t Gap(double rate) {
    return 1 +
           static_cast<std::uint64_t>(std::log(Uniform()) / std::log1p(-rate));
  }

  // Trials until a silence of `silence` trials is complete.
  std::uint64_t WaitForSilence(double rate, std::uint64_t silence) {
    std::uint64_t trials = 0;
    for (;;) {
      const std::uint64_t gap = Gap(rate);
      if (gap > silence) return trials + silence;
      trials += gap;
    }
  }

  // Whether a unit that fires at `rate` is called dead at any of the first
  // `trials` trials, looked at after every single one. needed[j] is the silence
  // asked for in (2^(j-1), 2^j].
  bool IsEverCalledDead(double rate, std::uint64_t trials,
                        const std::vector<std::uint64_t>& needed) {
    for (std::uint64_t fired = 0; fired < trials;) {
      const std::uint64_t next = fired + Gap(rate);
      const std::uint64_t quiet_until = std::min(next - 1, trials);
      for (std::size_t j = 0; j < needed.size(); ++j) {
        // Within a doubling the demand is constant and the silence grows: its
        // last trial decides.
        const std::uint64_t look = std::min(quiet_until, std::uint64_t{1} << j);
        if (look > fired && look - fired >= needed[j]) return true;
      }
      fired = next;
    }
    return false;
  }

 private:
  std::mt19937_64 random_;
};

// Share of families of `units` units with any unit called dead.
double FalseFamilies(std::uint64_t seed, int families, std::uint64_t units,
                     const std::function<bool(Simulation&)>& is_called_dead) {
  Simulation simulation(seed);
  int with_false = 0;
  for (int family = 0; family < families; ++family) {
    bool any = false;
    for (std::uint64_t i = 0; i < units && !any; ++i) {
      any = is_called_dead(simulation);
    }
    if (any) ++with_false;
  }
  return static_cast<double>(with_false) / families;
}

constexpr double kRate = 0.3;
constexpr double kAlpha = 0.5;
constexpr std::uint64_t kFamily = 16;
constexpr int kFamilies = 2000;
constexpr int kDoublings = 12;
constexpr std::uint64_t kTrials = std::uint64_t{1} << kDoublings;

double FalseFamiliesOf(const std::vector<std::uint64_t>& needed) {
  return FalseFamilies(
      1, kFamilies, kFamily, [&needed](Simulation& simulation) {
        return simulation.IsEverCalledDead(kRate, kTrials, needed);
      });
}

// Units at exactly the rate to rule out. The rule spends only a part of alpha
// on a run of this length, so the simulation is also held against what it
// should spend: a silence completes at a trial with probability p0 q^n0.
TEST(CertificateSimulationTest, ContinuousLookingKeepsTheFamilyWiseError) {
  std::vector<std::uint64_t> needed;
  double expected = 0.0;
  for (int j = 0; j <= kDoublings; ++j) {
    const std::uint64_t end = std::uint64_t{1} << j;
    needed.push_back(SilenceNeeded(kRate, kAlpha, kFamily, end));
    const std::uint64_t begin = std::max(end / 2, needed.back());
    if (begin >= end) continue;
    const double completes =
        kRate * std::pow(1.0 - kRate, static_cast<double>(needed.back()));
    expected += static_cast<double>(kFamily) *
                static_cast<double>(end - begin) * completes;
  }

  const double share = FalseFamiliesOf(needed);

  EXPECT_LE(expected, kAlpha);
  EXPECT_NEAR(share, expected, 5.0 * StandardError(expected, kFamilies));
  EXPECT_GT(share, 0.01);
}

// What the doublings and the restarts are paid for with: the rule for a fixed
// start is broken by looking at every silence.
TEST(CertificateSimulationTest, FixedStartRuleFailsUnderContinuousLooking) {
  const std::vector<std::uint64_t> needed(
      kDoublings + 1, SilenceNeededFixedStart(kRate, kAlpha, kFamily));

  EXPECT_GT(FalseFamiliesOf(needed), 0.99);
}

struct Outcome {
  bool any_false = false;  // a living unit was DEAD at any look
  bool found = false;      // the dead unit was DEAD at the last look
};

// A layer whose unit 0 is dead and whose others fire at exactly p0, judged at
// the end of each of 80 windows. Every observation is a cluster.
Outcome WatchOneRun(Simulation& simulation, const HealthSettings& settings) {
  constexpr std::uint64_t kPerWindow = 64;
  const double rate = settings.certificate.p0;
  EvidenceBuilder evidence(kFamily);
  std::vector<std::uint64_t> next(kFamily);
  for (std::uint64_t& trial : next) trial = simulation.Gap(rate);
  Outcome outcome;
  for (std::uint64_t window = 0; window < 80; ++window) {
    const auto step =
        static_cast<std::int64_t>(window) * EvidenceBuilder::kSteps;
    for (std::size_t unit = 1; unit < kFamily; ++unit) {
      while (next[unit] <= (window + 1) * kPerWindow) {
        evidence.Fire(static_cast<Index>(unit), step);
        next[unit] += simulation.Gap(rate);
      }
    }
    evidence.Window(kPerWindow, kPerWindow);
    const std::vector<UnitHealth> units =
        EvaluateHealth(evidence.Build(1), kFamily, settings).units;
    const auto is_dead = [](const UnitHealth& unit) {
      return unit.state == HealthState::kDead;
    };
    outcome.found = is_dead(units[0]);
    outcome.any_false = outcome.any_false ||
                        std::any_of(units.begin() + 1, units.end(), is_dead);
  }
  return outcome;
}

// The same through EvaluateHealth, looked at after every window.
TEST(CertificateSimulationTest, HealthKeepsTheFamilyWiseError) {
  constexpr int kRuns = 400;
  HealthSettings settings;
  settings.certificate = {.alpha = 0.1, .p0 = 0.02, .pc0 = 0.02};
  settings.horizon_windows = 1;
  Simulation simulation(2);
  int with_false = 0;
  int dead_found = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Outcome outcome = WatchOneRun(simulation, settings);
    if (outcome.any_false) ++with_false;
    if (outcome.found) ++dead_found;
  }

  EXPECT_LE(static_cast<double>(with_false) / kRuns,
            0.1 + 3.0 * StandardError(0.1, kRuns));
  EXPECT_EQ(dead_found, kRuns);
}

bool IsLinear(const UnitHealth& unit) {
  return unit.state == HealthState::kLinearised ||
         unit.also.Has(HealthState::kLinearised);
}

// Unit 0 is always on, the others are off in a window with `window_off`;
// looked at after each of 40 windows.
Outcome WatchLinearRun(Simulation& simulation, const HealthSettings& settings,
                       std::uint64_t per_window, double window_off) {
  constexpr std::int64_t kWindows = 40;
  EvidenceBuilder evidence(kFamily);
  Outcome outcome;
  for (std::int64_t window = 0; window < kWindows; ++window) {
    const std::int64_t first = window * EvidenceBuilder::kSteps;
    for (Index unit = 0; unit < static_cast<Index>(kFamily); ++unit) {
      const bool off = unit > 0 && simulation.Uniform() <= window_off;
      evidence.Fire(unit, first, off ? per_window - 1 : per_window)
          .Linear(unit, first, off ? 0 : Trace::kLinearHigh);
    }
    evidence.Window(per_window, per_window);
    const auto units =
        EvaluateHealth(evidence.Build(), kFamily, settings).units;
    outcome.found = IsLinear(units[0]);
    outcome.any_false = outcome.any_false ||
                        std::any_of(units.begin() + 1, units.end(), IsLinear);
  }
  return outcome;
}

// The mirror image: units that are off at exactly p0, looked at after every
// window, of which one is always on. M pays for both tests.
TEST(CertificateSimulationTest, LinearisedKeepsTheFamilyWiseErrorToo) {
  constexpr int kRuns = 100;
  constexpr std::uint64_t kPerWindow = 64;
  HealthSettings settings;
  settings.certificate = {.alpha = 0.1, .p0 = 0.02, .pc0 = 0.02};
  Simulation simulation(9);
  const double window_off =
      1.0 - std::pow(1.0 - 0.02, static_cast<double>(kPerWindow));
  int with_false = 0;
  int found = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Outcome outcome =
        WatchLinearRun(simulation, settings, kPerWindow, window_off);
    if (outcome.any_false) ++with_false;
    if (outcome.found) ++found;
  }

  EXPECT_LE(static_cast<double>(with_false) / kRuns,
            0.1 + 3.0 * StandardError(0.1, kRuns));
  EXPECT_EQ(found, kRuns);
}

// 2.6, FWER check: 1e5 units exactly at p0 = 1e-4, fixed start, 400 families.
TEST(CertificateSimulationTest, FixedStartErrorEqualsTheTable) {
  constexpr std::uint64_t kUnits = 100000;
  const std::uint64_t n = SilenceNeededFixedStart(1e-4, 0.05, kUnits);

  const double share = FalseFamilies(
      3, 400, kUnits,
      [n](Simulation& simulation) { return simulation.Gap(1e-4) > n; });

  EXPECT_NEAR(share, 0.0475, 5.0 * std::sqrt(2.0) * StandardError(0.0475, 400));
  EXPECT_LE(share, 0.05 + 3.0 * StandardError(0.05, 400));
}

// 2.6: 1e5 units, a tenth of them dead, the others log-uniform in 1e-4 .. 0.5.
TEST(CertificateSimulationTest, CertificateIsSafeWhereSilenceAloneIsNot) {
  constexpr int kAlive = 90000;
  constexpr double kDead = 10000;
  const std::uint64_t certified = SilenceNeededFixedStart(1e-4, 0.05, 100000);
  Simulation simulation(4);
  int silent_at_29956 = 0;
  int silent_when_certified = 0;
  for (int i = 0; i < kAlive; ++i) {
    const double rate = 1e-4 * std::pow(5000.0, simulation.Uniform());
    const std::uint64_t gap = simulation.Gap(rate);
    if (gap > 29956) ++silent_at_29956;
    if (gap > certified) ++silent_when_certified;
  }

  const double false_share = silent_at_29956 / (silent_at_29956 + kDead);
  EXPECT_NEAR(false_share, 0.014, 0.006);
  EXPECT_GT(certified, 100000U);
  EXPECT_LE(certified, 145081U);
  EXPECT_EQ(silent_when_certified, 0);
}

// 2.6: mean wait for a run of n0 zeros, ((1 - p)^-n0 - 1) / p.
TEST(CertificateSimulationTest, MeanWaitForASilenceEqualsTheTable) {
  struct Row {
    double rate;
    std::uint64_t silence;
    double table;
  };
  Simulation simulation(5);
  for (const Row& row : {Row{0.01, 300, 1939}, Row{0.01, 500, 15120},
                         Row{0.01, 700, 113500}, Row{0.001, 3000, 19120}}) {
    constexpr int kWaits = 4000;
    const double exact =
        std::expm1(-static_cast<double>(row.silence) * std::log1p(-row.rate)) /
        row.rate;
    EXPECT_NEAR(exact / row.table, 1.0, 5e-4);
    double sum = 0.0;
    double squares = 0.0;
    for (int i = 0; i < kWaits; ++i) {
      const auto wait =
          static_cast<double>(simulation.WaitForSilence(row.rate, row.silence));
      sum += wait;
      squares += wait * wait;
    }
    const double mean = sum / kWaits;
    const double error = std::sqrt((squares / kWaits - mean * mean) / kWaits);
    EXPECT_NEAR(mean, exact, 5.0 * error) << row.rate << ", " << row.silence;
  }
}

// 2.6: P(false alarm within T), and the bound the certificate is built on.
TEST(CertificateSimulationTest, FalseAlarmsWithinTheRunEqualTheTable) {
  constexpr int kRuns = 5000;
  constexpr double kRunTrials = 1e5;
  const double quiet = std::pow(0.99, 700);
  const double formula =
      -std::expm1(-((kRunTrials - 700) * 0.01 * quiet + quiet));
  Simulation simulation(6);
  int alarms = 0;
  for (int i = 0; i < kRuns; ++i) {
    if (simulation.WaitForSilence(0.01, 700) <= 100000) ++alarms;
  }

  EXPECT_NEAR(formula, 0.5832, 5e-5);
  EXPECT_NEAR(static_cast<double>(alarms) / kRuns, formula,
              5.0 * StandardError(formula, kRuns));
  EXPECT_LE(formula, (kRunTrials * 0.01 + 1.0) * quiet);
}

// 2.6, clustered firing: 50 of 512 tokens in one of 1000 sequences.
constexpr double kSequenceRate = 1e-3;
constexpr double kTokenRate = kSequenceRate * 50 / 512;

TEST(CertificateSimulationTest, ClusteredFiringEqualsTheTable) {
  EXPECT_NEAR(std::pow(1.0 - kTokenRate, 100352) / 5.5e-5, 1.0, 0.01);
  EXPECT_NEAR(std::log10(std::pow(1.0 - kTokenRate, 2999808)),
              std::log10(6e-128), 0.1);
  EXPECT_NEAR(std::pow(1.0 - kSequenceRate, 5859), 0.0028, 5e-5);
  constexpr int kUnits = 100000;
  const double exact = std::pow(1.0 - kSequenceRate, 196);
  Simulation simulation(7);
  int silent = 0;
  for (int i = 0; i < kUnits; ++i) {
    if (simulation.Gap(kSequenceRate) > 196) ++silent;
  }

  EXPECT_NEAR(exact, 0.8219, 5e-5);
  EXPECT_NEAR(static_cast<double>(silent) / kUnits, exact,
              5.0 * StandardError(exact, kUnits));
}

// Evidence of 1024 such units after windows of 49 sequences each.
// `cluster_size` is how many tokens the sender says are one example.
int DeadAmongClustered(int windows, std::uint64_t cluster_size, double pc0) {
  constexpr Index kUnits = 1024;
  constexpr std::uint64_t kSequences = 49;
  Simulation simulation(8);
  EvidenceBuilder evidence(kUnits);
  evidence.Windows(windows, kSequences * 512, kSequences * 512 / cluster_size);
  const std::uint64_t sequences =
      kSequences * static_cast<std::uint64_t>(windows);
  for (Index unit = 0; unit < kUnits; ++unit) {
    for (std::uint64_t at = simulation.Gap(kSequenceRate); at <= sequences;
         at += simulation.Gap(kSequenceRate)) {
      evidence.Fire(unit, static_cast<std::int64_t>((at - 1) / kSequences) *
                              EvidenceBuilder::kSteps);
    }
  }
  HealthSettings settings;
  settings.certificate.pc0 = pc0;
  const LayerHealth health = EvaluateHealth(evidence.Build(), kUnits, settings);
  return static_cast<int>(std::ranges::count_if(
      health.units,
      [](const UnitHealth& unit) { return unit.state == HealthState::kDead; }));
}

// Were tokens independent, 196 sequences would do: 4 of 5 units, all of them
// alive, are silent that long. The certificate over sequences holds them back.
TEST(CertificateSimulationTest, ClusterLevelBlocksFalseDeaths) {
  EXPECT_NEAR(DeadAmongClustered(4, 1, 1e-2) / 1024.0, 0.82, 0.07);
  EXPECT_EQ(DeadAmongClustered(4, 512, 1e-2), 0);
}

TEST(CertificateSimulationTest, ClusterRateToRuleOutDecidesForLongRuns) {
  EXPECT_EQ(DeadAmongClustered(120, 512, 1e-3), 0);
}

}  // namespace
}  // namespace firekeeper::core
