// From evidence to verdicts: what every unit of a layer is called, why, and
// what its life was. Pure: values in, values out.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/certificate.h"
#include "core/evidence.h"
#include "core/health_state.h"

namespace firekeeper::core {

// Why a unit is UNKNOWN.
struct IncompleteCoverage {
  StepRange steps;
  std::uint32_t shards_received = 0;
  std::uint32_t shards_expected = 0;
};

// How a unit that is dead came to be so. Values equal those of firekeeper.v1.
enum class DeathOrigin : std::uint8_t {
  kBornDead = 1,  // before the first update
  kDied,          // it had fired before
  // Silent since step 0, but its weights moved, or nothing tells that they did
  // not.
  kBornDeadOrDiedEarly,
  kLeftCensored,  // the stream of this unit began after step 0
};

enum class Saturation : std::uint8_t { kLow = 1, kHigh, kBoth };

// Why a unit that fires has no weight gradient.
enum class Starvation : std::uint8_t {
  kBlocked = 1,  // nothing comes back: OUTPUT_GRADIENT is zero too
  kVanishing,    // something does, or it was not streamed
};

// Steps in (after, by]; after is -1 where it never fired before.
struct DeathInterval {
  std::int64_t after = -1;
  std::int64_t by = 0;
};

struct UnitHealth {
  HealthState state = HealthState::kUnobserved;
  StateSet also;  // every other state that holds

  // DEAD: the last step of the window that completed the certificate.
  std::optional<std::int64_t> certified_step;
  // Since the last firing, the last window with incomplete coverage, or since
  // first seen, whichever is latest.
  std::uint64_t silent_observations = 0;
  std::uint64_t silent_clusters = 0;
  // At confidence 1 - alpha for this unit alone: from the horizon where it
  // fired there, otherwise from silent_observations. 1 where that is nothing.
  double rate_upper_bound = 1.0;
  std::optional<IncompleteCoverage> incomplete;  // UNKNOWN

  // How often p0 and pc0 were divided by 10 for this unit (Divided()).
  int level = 0;
  std::uint32_t deaths = 0;
  std::uint32_t revivals = 0;
  // Of the last death, to the window; empty where it never died.
  std::optional<DeathInterval> last_death;
  std::optional<DeathOrigin> origin;  // DEAD or BORN_DEAD
  // The last step of a window of the horizon; in every snapshot of it the
  // weights and the range of the inputs prove that the unit could not fire on
  // those. Apart from the state: a certificate needs no weights.
  std::optional<std::int64_t> proven_step;
  // DEAD or BORN_DEAD, and nothing moves its row or feeds it other inputs.
  bool permanent = false;
  std::optional<Saturation> saturation;  // SATURATED
  std::optional<Starvation> starvation;  // GRADIENT_STARVED
  // E|a| of the unit by the mean of E|a| over the layer. Empty: not observed.
  std::optional<double> dormancy_score;
};

// The life of a layer, its units taken together.
struct LayerLife {
  std::uint64_t deaths = 0;
  std::uint64_t revivals = 0;
  // Units that did not fire in the first window that saw them.
  std::uint64_t born_silent_units = 0;
  // Units that died twice or more.
  std::uint64_t flapping_units = 0;
  // Units that were dead one horizon ago, and those of them that still are.
  std::uint64_t dead_before_units = 0;
  std::uint64_t still_dead_units = 0;
  // Steps until half of the units that ever fired had died, from the first
  // step seen. Empty while fewer are dead.
  std::optional<std::int64_t> half_life_steps;
};

struct LayerHealth {
  std::vector<UnitHealth> units;
  LayerLife life;
  CertificateTotals certificate;
  std::uint64_t proven_units = 0;  // with a proven_step
  // Every unit is proven, and none was seen on fewer than 64 clusters since it
  // fell silent: on one example half of a healthy layer is proven.
  bool proven_dead = false;
  // First step of the horizon; -1 without a closed window.
  std::int64_t horizon_first_step = -1;
  // Last step of the last closed window; -1 without one.
  std::int64_t evaluated_through_step = -1;
  // The first of the worst unit ranges of the newest closed window.
  RangeCoverage coverage;
};

// Verdicts of all units of a layer. `run_units` is the sum of unit_count over
// the layers of the run.
//
// A unit is DEAD if at the end of some window of its silent run the certificate
// held at observation and cluster level with the totals of that moment; it
// stays DEAD until it fires. A window with incomplete coverage counts like a
// firing (it may hide one), so evidence before it is not used. The result does
// not depend on when the function is called, only on the evidence. Where NaN or
// infinity is in the horizon nothing else is said of the unit.
//
// Takes O(units * log(windows) + groups * windows): a group is all units with
// the same counts and coverage in every window, usually one a source.
// Requires: every array of `evidence` has unit_count entries.
[[nodiscard]] LayerHealth EvaluateHealth(const LayerEvidence& evidence,
                                         std::uint64_t run_units,
                                         const HealthSettings& settings);

}  // namespace firekeeper::core
