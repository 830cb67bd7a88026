#include "tests/unit/core/evidence_builder.h"

#include <algorithm>

namespace firekeeper::testing {

core::LayerEvidence EvidenceBuilder::Build(std::size_t horizon_windows) const {
  const std::size_t horizon = std::min(horizon_windows, windows_.size());
  const std::size_t oldest = windows_.size() - horizon;
  core::LayerEvidence evidence{.unit_count = units_,
                               .windows = windows_,
                               .last_firing_step = last_firing_,
                               .first_seen_step = first_seen_,
                               .horizon_observations = core::UnitCounts(units_),
                               .horizon_firings = FiringsIn(oldest, kOpen),
                               .horizon_non_finite = non_finite_};
  evidence.recent_windows = horizon / 2;
  const std::size_t recent = windows_.size() - evidence.recent_windows;
  evidence.recent_firings = FiringsIn(recent, windows_.size());
  evidence.baseline_firings = FiringsIn(0, recent);
  for (std::size_t i = oldest; i < windows_.size(); ++i) {
    evidence.horizon_observations.AddAt(0, windows_[i].observations);
  }
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    evidence.traces.push_back(TraceOf(i));
  }
  for (std::size_t unit = 0; unit < firings_.size(); ++unit) {
    for (const Firing& firing : firings_[unit]) {
      const auto window = static_cast<std::size_t>(firing.step / kSteps);
      if (window >= windows_.size()) continue;
      auto& bits = evidence.traces[window][unit];
      bits = static_cast<std::uint8_t>(bits | core::Trace::kFired);
    }
  }
  return evidence;
}

core::CountArray EvidenceBuilder::FiringsIn(std::size_t first,
                                            std::size_t end) const {
  core::CountArray counts = core::CountArray::Zero(units_);
  for (std::size_t unit = 0; unit < firings_.size(); ++unit) {
    for (const Firing& firing : firings_[unit]) {
      const auto window = static_cast<std::size_t>(firing.step / kSteps);
      if (first <= window && window < end) {
        counts[static_cast<core::Index>(unit)] += firing.count;
      }
    }
  }
  return counts;
}

core::WindowTrace EvidenceBuilder::TraceOf(std::size_t window) const {
  const core::StepRange& steps = windows_[window].steps;
  core::WindowTrace trace(static_cast<std::size_t>(units_));
  for (core::Index unit = 0; unit < units_; ++unit) {
    auto& bits = trace[static_cast<std::size_t>(unit)];
    if (windows_[window].observations[unit] == 0) continue;
    std::uint8_t linear = 0;
    for (const LinearRun& run : linear_[static_cast<std::size_t>(unit)]) {
      if (run.from <= steps.first) linear = run.bit;
    }
    bits = static_cast<std::uint8_t>(bits | core::Trace::kObserved | linear);
  }
  return trace;
}

}  // namespace firekeeper::testing
