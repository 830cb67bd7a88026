// What a SignalTrack is told of its layer and signal.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/evidence.h"
#include "core/signal.h"
#include "core/unit_summary.h"

namespace firekeeper::core {

struct TrackSettings {
  Index units = 0;
  ColumnSet columns;
  // Longest window in steps; 1 makes every step a window of its own (BIRTH,
  // EVAL and PROBE).
  std::int64_t window_steps = kDefaultWindowSteps;
  // Closed windows that late data can reach and that verdicts look back on.
  std::size_t retained_windows = 8;
  // Whether windows that are no longer retained leave behind what Evidence()
  // needs, and units have lives. Only where firings are counted.
  bool keeps_evidence = true;
  Signal signal = Signal::kActivation;
  ActivationSpec activation = {};
  HealthSettings health = {};
  // Whether it is recorded how long rows stay as they were at step 0. Only for
  // WEIGHT and WEIGHT_UPDATE.
  bool keeps_rows = false;
};

// Unit ranges and how many data shards each is expected from; disjoint,
// ascending, all units. shards_received is not used.
using ExpectedShards = std::vector<RangeCoverage>;

}  // namespace firekeeper::core
