// What verdicts rest on: closed windows, the life of every unit until now, and
// what other signals add. Plain values.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/certificate.h"
#include "core/lifecycle.h"
#include "core/side_evidence.h"
#include "core/signal.h"
#include "core/unit_counts.h"
#include "core/window_plan.h"

namespace firekeeper::core {

// Where a state begins that has no certificate. Defaults: STATISTICS.md 3.
struct StateThresholds {
  // DYING: the rate now is surely below this share of the rate before.
  double dying_ratio = 0.1;
  // RARE: the firing rate is surely below this.
  double rare_rate = 0.02;
  // DORMANT: E|a| is at most this share of the layer's mean of it.
  double dormant_score = 0.025;
  // SATURATED: the gate is surely closed on at least this share.
  double saturated_share = 0.95;
};

struct HealthSettings {
  CertificateSettings certificate;
  StateThresholds thresholds = {};
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

// Everything that is known of the firing of a layer's units. Arrays have
// unit_count entries.
struct LayerEvidence {
  Index unit_count = 0;
  ActivationSpec activation = {};
  // What was counted as a firing. Tells which of two gates closed.
  Signal signal = Signal::kActivation;
  // Longest window, by which lives number them. 1 fits windows of any plan.
  std::int64_t window_steps = 1;
  // Closed windows, ascending and disjoint. Windows of a superseded attempt
  // that reach its successor's resume step are left out.
  std::span<const WindowEvidence> windows;
  StepArray last_firing_step;  // open windows included; kNeverFired
  StepArray first_seen_step;   // kNeverSeen

  // Over the newest horizon_windows closed windows and all open ones.
  UnitCounts horizon_observations;
  UnitCounts horizon_clusters = UnitCounts();
  CountArray horizon_firings;
  UnitCounts horizon_non_finite;
  CountArray horizon_closed_high = CountArray();  // empty: not counted
  // The newer half of the horizon's closed windows, and all before it from
  // baseline_first_step on. Empty: not counted.
  CountArray recent_firings = CountArray();
  CountArray baseline_firings = CountArray();
  std::size_t recent_windows = 0;
  std::int64_t baseline_first_step = 0;

  // Lives as of the first `final_windows` windows, which nothing can change any
  // more, and what the units did in those after. Null: the windows tell.
  std::shared_ptr<const std::vector<UnitLife>> lives = nullptr;
  std::size_t final_windows = 0;
  std::vector<WindowTrace> traces = {};    // of windows[final_windows + i]
  WindowTrace open_trace = WindowTrace();  // of all open windows together

  // The layer has no input but the data.
  bool reads_network_input = false;
  SideEvidence sides = SideEvidence();
};

}  // namespace firekeeper::core
