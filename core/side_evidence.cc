#include "core/side_evidence.h"

#include <algorithm>
#include <limits>

#include "core/signal_track.h"
#include "core/silence_groups.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

UnitFlags::value_type Flag(bool says) { return says ? 1 : 0; }

// Windows of a track from a step on, taken together.
struct Totals {
  CountArray observations;
  CountArray non_finite;
  Eigen::ArrayXd abs_sum;
  Eigen::ArrayXd min;
  Eigen::ArrayXd max;
  bool complete = true;  // every shard in every closed window

  // Exactly zero throughout, and seen to be.
  [[nodiscard]] UnitFlags ZeroUnits() const {
    UnitFlags flags(static_cast<std::size_t>(observations.size()), 0);
    if (!complete) return flags;
    for (Index unit = 0; unit < observations.size(); ++unit) {
      flags[static_cast<std::size_t>(unit)] =
          Flag(observations[unit] > 0 && non_finite[unit] == 0 &&
               min[unit] == 0.0 && max[unit] == 0.0);
    }
    return flags;
  }
};

Totals TotalsFrom(const SignalTrack& track, std::int64_t first_step,
                  double min_coverage) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Index units = track.settings().units;
  Totals totals{.observations = CountArray::Zero(units),
                .non_finite = CountArray::Zero(units),
                .abs_sum = Eigen::ArrayXd::Zero(units),
                .min = Eigen::ArrayXd::Constant(units, kInfinity),
                .max = Eigen::ArrayXd::Constant(units, -kInfinity)};
  for (const auto& [first, tracked] : track.windows()) {
    if (!tracked.open && first < first_step) continue;
    const UnitSummary& merged = tracked.window.merged();
    totals.observations += merged.observations.ToArray();
    totals.non_finite += merged.non_finite.ToArray();
    totals.abs_sum += merged.abs_sum;
    totals.min = totals.min.min(merged.min);
    totals.max = totals.max.max(merged.max);
    totals.complete =
        totals.complete &&
        (tracked.open ||
         CoverageShare(track.CoverageOf(tracked)) >= min_coverage);
  }
  return totals;
}

void AddActivation(const Totals& totals, SideEvidence* sides) {
  const Index units = totals.observations.size();
  sides->mean_absolute =
      (totals.observations == 0U)
          .select(std::numeric_limits<double>::quiet_NaN(),
                  totals.abs_sum / totals.observations.cast<double>().max(1.0));
  sides->constant.assign(static_cast<std::size_t>(units), 0);
  for (Index unit = 0; unit < units; ++unit) {
    sides->constant[static_cast<std::size_t>(unit)] = Flag(
        totals.observations[unit] >= 2 && totals.min[unit] == totals.max[unit]);
  }
}

// A gradient of steps at which the unit did not fire says nothing of the one
// at which it did.
void KeepObservedFirings(const SignalTrack& track,
                         const LayerEvidence& evidence, UnitFlags* flags) {
  for (Index unit = 0; unit < evidence.unit_count; ++unit) {
    const std::int64_t last = evidence.last_firing_step[unit];
    auto& flag = (*flags)[static_cast<std::size_t>(unit)];
    if (flag != 0 && (last < 0 || track.NeedsWindow(last))) flag = 0;
  }
}

// The newest closed window; null where there is none, or not of every shard.
const Window* NewestWhole(const SignalTrack& track, double min_coverage) {
  const SignalTrack::TrackedWindow* newest = nullptr;
  for (const auto& [first, tracked] : track.windows()) {
    if (!tracked.open) newest = &tracked;
  }
  const bool whole = newest != nullptr &&
                     CoverageShare(track.CoverageOf(*newest)) >= min_coverage;
  return whole ? &newest->window : nullptr;
}

void AddProbe(const SignalTrack& track, double min_coverage,
              SideEvidence* sides) {
  const Window* const newest = NewestWhole(track, min_coverage);
  if (newest == nullptr) return;
  const UnitSummary& merged = newest->merged();
  sides->probe_step = newest->steps().first;
  sides->silent_on_probe.assign(static_cast<std::size_t>(merged.unit_count()),
                                0);
  for (Index unit = 0; unit < merged.unit_count(); ++unit) {
    sides->silent_on_probe[static_cast<std::size_t>(unit)] =
        Flag(merged.observations[unit] > 0 && merged.non_finite[unit] == 0 &&
             merged.firings[unit] == 0);
  }
}

void AddBirth(const SignalTrack& track, double min_coverage,
              SideEvidence* sides) {
  const auto found = track.windows().find(0);
  if (found == track.windows().end() ||
      CoverageShare(track.CoverageOf(found->second)) < min_coverage) {
    return;
  }
  const Window& window = found->second.window;
  const UnitSummary& merged = window.merged();
  sides->birth_observations = merged.observations;
  sides->birth_clusters = window.Clusters();
  sides->silent_at_birth.assign(static_cast<std::size_t>(merged.unit_count()),
                                0);
  for (Index unit = 0; unit < merged.unit_count(); ++unit) {
    sides->silent_at_birth[static_cast<std::size_t>(unit)] =
        Flag(merged.firings[unit] == 0);
  }
}

void AddProofs(const SignalTrack& track, SideEvidence* sides) {
  if (!track.settings().columns.proof) return;
  // A shard that is missing may hold the example on which the unit fires.
  const Window* const newest = NewestWhole(track, /*min_coverage=*/1.0);
  if (newest == nullptr) return;
  const UnitSummary& merged = newest->merged();
  sides->proof_steps = newest->steps();
  sides->proven.assign(static_cast<std::size_t>(merged.unit_count()), 0);
  for (Index unit = 0; unit < merged.unit_count(); ++unit) {
    sides->proven[static_cast<std::size_t>(unit)] =
        Flag(merged.observations[unit] > 0 && merged.non_finite[unit] == 0 &&
             merged.proven[unit] == merged.observations[unit]);
  }
}

// The later of what two records know, unit by unit.
void AddKept(const SignalTrack& track, SideEvidence* sides) {
  const StepArray kept = track.RowsKeptThrough();
  if (kept.size() == 0) return;
  sides->row_kept_through = sides->row_kept_through.size() == 0
                                ? kept
                                : sides->row_kept_through.max(kept).eval();
}

bool CountsFirings(const SignalTrack* track) {
  return track != nullptr && track->settings().columns.firings &&
         track->settings().columns.clusters;
}

}  // namespace

SideEvidence GatherSides(const SideTracks& tracks,
                         const LayerEvidence& evidence,
                         const HealthSettings& settings) {
  const auto windows = evidence.windows;
  const std::size_t horizon =
      std::min(settings.horizon_windows, windows.size());
  const std::int64_t from =
      horizon == 0 ? 0 : windows[windows.size() - horizon].steps.first;
  const auto totals = [&](const SignalTrack& track) {
    return TotalsFrom(track, from, settings.min_coverage);
  };
  SideEvidence sides;
  if (tracks.activation != nullptr) {
    AddActivation(totals(*tracks.activation), &sides);
  }
  if (tracks.weight_gradient != nullptr) {
    sides.no_weight_gradient = totals(*tracks.weight_gradient).ZeroUnits();
    KeepObservedFirings(*tracks.weight_gradient, evidence,
                        &sides.no_weight_gradient);
  }
  if (tracks.output_gradient != nullptr) {
    sides.no_output_gradient = totals(*tracks.output_gradient).ZeroUnits();
  }
  if (tracks.weight_update != nullptr) {
    sides.frozen = totals(*tracks.weight_update).ZeroUnits();
    AddKept(*tracks.weight_update, &sides);
  }
  if (tracks.weight != nullptr) {
    AddKept(*tracks.weight, &sides);
    if (tracks.proofs_hold) {
      AddProofs(*tracks.weight, &sides);
    }
  }
  if (CountsFirings(tracks.probe)) {
    AddProbe(*tracks.probe, settings.min_coverage, &sides);
  }
  if (CountsFirings(tracks.birth)) {
    AddBirth(*tracks.birth, settings.min_coverage, &sides);
  }
  return sides;
}

}  // namespace firekeeper::core
