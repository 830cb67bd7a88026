// From evidence to verdicts: which units of a layer are unobserved, silent,
// dead with certainty, alive or non-finite. Pure: values in, values out.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/certificate.h"
#include "core/unit_counts.h"
#include "core/window_plan.h"

namespace firekeeper::core {

enum class HealthState : std::uint8_t {
  kUnobserved = 1,
  kUnknown = 2,
  kSilent = 3,
  kDead = 4,
  kAlive = 5,
  kNonFinite = 6,
};

// "unobserved", "unknown", "silent", "dead", "alive", "non_finite".
[[nodiscard]] const char* Name(HealthState state);

struct HealthSettings {
  CertificateSettings certificate;
  // DEAD needs at least this share of data shards in every window of its
  // silent run, 0 to 1.
  double min_coverage = 1.0;
  // A unit that fired within the newest this many windows is ALIVE.
  std::size_t horizon_windows = 8;
};

// Data shards that contributed to a unit range of a window.
struct RangeCoverage {
  Index first = 0;
  Index count = 0;
  std::uint32_t shards_received = 0;
  std::uint32_t shards_expected = 1;
};

// What one closed window says about silence.
struct WindowEvidence {
  StepRange steps;
  UnitCounts observations;
  UnitCounts clusters;
  // Disjoint, ascending, together all units of the layer.
  std::vector<RangeCoverage> coverage;
};

// Everything that is known of the firing of a layer's units. The arrays have
// unit_count entries.
struct LayerEvidence {
  Index unit_count = 0;
  // Closed windows, ascending and disjoint. Windows of a superseded attempt
  // that reach its successor's resume step are left out.
  std::span<const WindowEvidence> windows;
  StepArray last_firing_step;  // open windows included; kNeverFired
  StepArray first_seen_step;   // kNeverSeen
  // Over the newest horizon_windows closed windows and all open ones.
  UnitCounts horizon_observations;
  CountArray horizon_firings;
  UnitCounts horizon_non_finite;
};

// Why a unit is UNKNOWN.
struct IncompleteCoverage {
  StepRange steps;
  std::uint32_t shards_received = 0;
  std::uint32_t shards_expected = 0;
};

struct UnitHealth {
  HealthState state = HealthState::kUnobserved;
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
};

// What the certificates were computed with, now.
struct CertificateTotals {
  std::uint64_t tracked_units = 1;  // M, a power of two
  // T and Tc, powers of two: the most that any unit can have had, which is the
  // sum over the windows of their largest count.
  std::uint64_t observations = 1;
  std::uint64_t clusters = 1;
  std::uint64_t observations_needed = 0;
  std::uint64_t clusters_needed = 0;
};

struct LayerHealth {
  std::vector<UnitHealth> units;
  CertificateTotals certificate;
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
// not depend on when the function is called, only on the evidence. Of the
// states that hold it gives the first of NON_FINITE, UNOBSERVED, ALIVE, DEAD,
// UNKNOWN (a window since the last firing is incomplete) and SILENT.
//
// Takes O(units * log(windows) + groups * windows): a group is all units with
// the same counts and coverage in every window, usually one a source.
// Requires: every array of `evidence` has unit_count entries.
[[nodiscard]] LayerHealth EvaluateHealth(const LayerEvidence& evidence,
                                         std::uint64_t run_units,
                                         const HealthSettings& settings);

}  // namespace firekeeper::core
