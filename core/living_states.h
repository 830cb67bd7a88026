// The states that need no certificate of silence: what is odd about a unit
// that fires, and what its other statistics say whether it fires or not.

#pragma once

#include "core/health.h"
#include "core/silence_timeline.h"

namespace firekeeper::core {

class LivingStates {
 public:
  // Borrows both.
  LivingStates(const LayerEvidence& evidence, std::uint64_t tracked_units,
               const HealthSettings& settings);

  // Adds CONSTANT, DORMANT and SATURATED to health->also, with their details.
  void AddStatic(Index unit, UnitHealth* health) const;
  // Adds ALIVE, and RARE, DYING and GRADIENT_STARVED where they hold. Requires:
  // the unit fired within the horizon, health->rate_upper_bound is known.
  void AddFiring(Index unit, const SilenceGroup& group,
                 const SilenceTimeline& timeline, UnitHealth* health) const;

 private:
  [[nodiscard]] bool IsDying(Index unit, const SilenceGroup& group,
                             const SilenceTimeline& timeline) const;
  void AddSaturation(Index unit, UnitHealth* health) const;

  const LayerEvidence& evidence_;
  const HealthSettings& settings_;
  double alpha_per_unit_;     // alpha / M
  double layer_mean_ = 0.0;   // of E|a| over the observed units
  std::size_t baseline_ = 0;  // first window of the baseline
};

}  // namespace firekeeper::core
