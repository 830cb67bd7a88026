// What the other signals and phases say of a layer's units, beside the firing
// in training that verdicts begin with.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "core/unit_counts.h"
#include "core/window_plan.h"

namespace firekeeper::core {

class SignalTrack;
struct HealthSettings;
struct LayerEvidence;

// One truth value a unit; empty where the signal that tells was not streamed.
// Bytes: they are filled a window at a time.
using UnitFlags = std::vector<std::uint8_t>;

// Arrays have unit_count entries, or none where nothing was streamed.
struct SideEvidence {
  // Mean |a| of ACTIVATION over the horizon; NaN where a unit had no value.
  Eigen::ArrayXd mean_absolute;
  // ACTIVATION had one value over the horizon, in two observations or more.
  UnitFlags constant;
  // The gradient was observed over the horizon, on every shard, and was exactly
  // zero throughout.
  UnitFlags no_weight_gradient;
  UnitFlags no_output_gradient;
  // The same of WEIGHT_UPDATE: nothing moves the row.
  UnitFlags frozen;
  // An interval bound proves that the unit could not fire on what the layer was
  // given in proof_steps, the newest closed window of WEIGHT; on every shard.
  UnitFlags proven;
  StepRange proof_steps;
  // Through this step the WEIGHT row is known to be that of step 0 up to a
  // factor, or WEIGHT_UPDATE to have been zero. -1: not known.
  StepArray row_kept_through;
  // The newest PROBE that was seen whole: its step, and who did not fire.
  std::int64_t probe_step = -1;
  UnitFlags silent_on_probe;
  // BIRTH passes at step 0 on every shard: what was seen of the units that did
  // not fire in them.
  UnitCounts birth_observations;
  UnitCounts birth_clusters;
  UnitFlags silent_at_birth;

  // Whether `flags` says so of the unit; false where it was not streamed.
  static bool Says(const UnitFlags& flags, Index unit) {
    return !flags.empty() && flags[static_cast<std::size_t>(unit)] != 0;
  }
};

// The tracks that sides are read from; null where nothing was streamed. TRAIN
// but for the last two, which are of the signal that tells firing.
struct SideTracks {
  const SignalTrack* activation = nullptr;
  const SignalTrack* output_gradient = nullptr;
  const SignalTrack* weight = nullptr;
  const SignalTrack* weight_gradient = nullptr;
  const SignalTrack* weight_update = nullptr;
  const SignalTrack* birth = nullptr;
  const SignalTrack* probe = nullptr;
  // z is W x + b and the unit is silent wherever z <= 0: a proof holds.
  bool proofs_hold = false;
};

// `evidence` is of the track that tells firing: its horizon is everybody's.
[[nodiscard]] SideEvidence GatherSides(const SideTracks& tracks,
                                       const LayerEvidence& evidence,
                                       const HealthSettings& settings);

}  // namespace firekeeper::core
