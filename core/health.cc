#include "core/health.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "core/silence_groups.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

// Trials without a firing, at both levels of the certificate.
struct Silence {
  std::uint64_t observations = 0;
  std::uint64_t clusters = 0;
};

// What the certificate asks for at the end of every window, from the totals up
// to there.
struct Demands {
  std::vector<Silence> needed;  // by window
  CertificateTotals totals;     // now
};

CertificateTotals TotalsFor(const Silence& trials, std::uint64_t run_units,
                            const CertificateSettings& settings) {
  CertificateTotals totals;
  totals.tracked_units = RoundUpToPowerOfTwo(run_units);
  totals.observations = RoundUpToPowerOfTwo(trials.observations);
  totals.clusters = RoundUpToPowerOfTwo(trials.clusters);
  totals.observations_needed = SilenceNeeded(
      settings.p0, settings.alpha, totals.tracked_units, totals.observations);
  totals.clusters_needed = SilenceNeeded(settings.pc0, settings.alpha,
                                         totals.tracked_units, totals.clusters);
  return totals;
}

Demands DemandsOf(std::span<const WindowEvidence> windows,
                  std::uint64_t run_units,
                  const CertificateSettings& settings) {
  Demands demands;
  demands.needed.reserve(windows.size());
  Silence trials;
  demands.totals = TotalsFor(trials, run_units, settings);
  for (const WindowEvidence& window : windows) {
    trials.observations += window.observations.Max();
    trials.clusters += window.clusters.Max();
    demands.totals = TotalsFor(trials, run_units, settings);
    demands.needed.push_back(
        {demands.totals.observations_needed, demands.totals.clusters_needed});
  }
  return demands;
}

// The silence of one group of units, from the start of any window until now.
class SilenceTimeline {
 public:
  SilenceTimeline(std::span<const WindowEvidence> windows, Index unit,
                  const std::vector<Silence>& needed)
      : before_(windows.size() + 1), completed_(windows.size()) {
    for (std::size_t i = 0; i < windows.size(); ++i) {
      before_[i + 1] = {before_[i].observations + windows[i].observations[unit],
                        before_[i].clusters + windows[i].clusters[unit]};
    }
    // A later start has less silence at every window, so its certificate never
    // completes earlier: one walk serves all starts.
    std::size_t window = 0;
    for (std::size_t start = 0; start < windows.size(); ++start) {
      window = std::max(window, start);
      while (window < windows.size() &&
             !Suffices(Between(start, window + 1), needed[window])) {
        ++window;
      }
      completed_[start] = window;
    }
  }

  // Requires: start <= windows.
  [[nodiscard]] Silence Since(std::size_t start) const {
    return Between(start, completed_.size());
  }

  // The first window at whose end a silence that began with window `start` was
  // enough; none if it never was.
  [[nodiscard]] std::optional<std::size_t> CompletedBy(
      std::size_t start) const {
    if (start >= completed_.size() || completed_[start] == completed_.size()) {
      return std::nullopt;
    }
    return completed_[start];
  }

 private:
  static bool Suffices(const Silence& silence, const Silence& needed) {
    return silence.observations >= needed.observations &&
           silence.clusters >= needed.clusters;
  }

  [[nodiscard]] Silence Between(std::size_t start, std::size_t end) const {
    return {before_[end].observations - before_[start].observations,
            before_[end].clusters - before_[start].clusters};
  }

  std::vector<Silence> before_;         // sums over all windows before this one
  std::vector<std::size_t> completed_;  // by start; the window count: never
};

class Judge {
 public:
  Judge(const LayerEvidence& evidence, const HealthSettings& settings)
      : evidence_(evidence), settings_(settings) {
    for (const WindowEvidence& window : evidence.windows) {
      firsts_.push_back(window.steps.first);
      ends_.push_back(window.steps.end);
    }
    const std::size_t horizon =
        std::min(settings.horizon_windows, firsts_.size());
    if (horizon > 0) {
      horizon_first_step_ = firsts_[firsts_.size() - horizon];
    } else if (!ends_.empty()) {
      horizon_first_step_ = ends_.back();
    }
  }

  [[nodiscard]] UnitHealth Verdict(Index unit, const SilenceGroup& group,
                                   const SilenceTimeline& timeline) const {
    const std::size_t silent_since = SilentSince(unit);
    const bool interrupted = group.last_incomplete.has_value() &&
                             *group.last_incomplete >= silent_since;
    const std::size_t start =
        interrupted ? *group.last_incomplete + 1 : silent_since;
    const Silence silence = timeline.Since(start);
    const auto certified_by = timeline.CompletedBy(start);

    UnitHealth health;
    health.state = State(unit, certified_by.has_value(), interrupted);
    health.silent_observations = silence.observations;
    health.silent_clusters = silence.clusters;
    health.rate_upper_bound = RateBound(unit, silence);
    if (health.state == HealthState::kDead) {
      health.certified_step = ends_[*certified_by] - 1;
    }
    if (health.state == HealthState::kUnknown) {
      const WindowEvidence& window = evidence_.windows[*group.last_incomplete];
      const RangeCoverage& coverage = CoverageOf(window, unit);
      health.incomplete = {.steps = window.steps,
                           .shards_received = coverage.shards_received,
                           .shards_expected = coverage.shards_expected};
    }
    return health;
  }

 private:
  // First window that is wholly after the last firing and not wholly before the
  // unit was first seen.
  [[nodiscard]] std::size_t SilentSince(Index unit) const {
    const auto seen =
        std::ranges::upper_bound(ends_, evidence_.first_seen_step[unit]);
    const auto quiet =
        std::ranges::upper_bound(firsts_, evidence_.last_firing_step[unit]);
    return static_cast<std::size_t>(
        std::max(seen - ends_.begin(), quiet - firsts_.begin()));
  }

  [[nodiscard]] bool FiredInHorizon(Index unit) const {
    return evidence_.horizon_firings[unit] > 0 ||
           (evidence_.last_firing_step[unit] != kNeverFired &&
            evidence_.last_firing_step[unit] >= horizon_first_step_);
  }

  [[nodiscard]] HealthState State(Index unit, bool certified,
                                  bool interrupted) const {
    if (evidence_.horizon_non_finite[unit] > 0) return HealthState::kNonFinite;
    if (evidence_.first_seen_step[unit] == kNeverSeen) {
      return HealthState::kUnobserved;
    }
    if (FiredInHorizon(unit)) return HealthState::kAlive;
    if (certified) return HealthState::kDead;
    return interrupted ? HealthState::kUnknown : HealthState::kSilent;
  }

  [[nodiscard]] double RateBound(Index unit, const Silence& silence) const {
    const double alpha = settings_.certificate.alpha;
    if (!FiredInHorizon(unit)) {
      return RateUpperBound(0, silence.observations, alpha);
    }
    const std::uint64_t n = evidence_.horizon_observations[unit];
    return RateUpperBound(std::min(evidence_.horizon_firings[unit], n), n,
                          alpha);
  }

  const LayerEvidence& evidence_;
  const HealthSettings& settings_;
  std::vector<std::int64_t> firsts_;  // by window
  std::vector<std::int64_t> ends_;    // by window
  std::int64_t horizon_first_step_ = 0;
};

RangeCoverage WorstCoverage(const WindowEvidence& window) {
  assert(!window.coverage.empty());
  return *std::ranges::min_element(window.coverage, {}, CoverageShare);
}

[[maybe_unused]] bool HasAllArrays(const LayerEvidence& evidence) {
  const Index units = evidence.unit_count;
  return evidence.last_firing_step.size() == units &&
         evidence.first_seen_step.size() == units &&
         evidence.horizon_observations.unit_count() == units &&
         evidence.horizon_firings.size() == units &&
         evidence.horizon_non_finite.unit_count() == units;
}

}  // namespace

const char* Name(HealthState state) {
  switch (state) {
    case HealthState::kUnobserved:
      return "unobserved";
    case HealthState::kUnknown:
      return "unknown";
    case HealthState::kSilent:
      return "silent";
    case HealthState::kDead:
      return "dead";
    case HealthState::kAlive:
      return "alive";
    case HealthState::kNonFinite:
      return "non_finite";
  }
  assert(false);
  return "";
}

LayerHealth EvaluateHealth(const LayerEvidence& evidence,
                           std::uint64_t run_units,
                           const HealthSettings& settings) {
  assert(HasAllArrays(evidence));
  const auto windows = evidence.windows;
  const Demands demands = DemandsOf(windows, run_units, settings.certificate);
  const Judge judge(evidence, settings);

  LayerHealth health;
  health.units.resize(static_cast<std::size_t>(evidence.unit_count));
  health.certificate = demands.totals;
  if (!windows.empty()) {
    health.evaluated_through_step = windows.back().steps.end - 1;
    health.coverage = WorstCoverage(windows.back());
  }
  for (const SilenceGroup& group :
       GroupBySilence(windows, evidence.unit_count, settings.min_coverage)) {
    const SilenceTimeline timeline(windows, group.units.front(),
                                   demands.needed);
    for (const Index unit : group.units) {
      health.units[static_cast<std::size_t>(unit)] =
          judge.Verdict(unit, group, timeline);
    }
  }
  return health;
}

}  // namespace firekeeper::core
