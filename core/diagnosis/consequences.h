// What the dead units of a run cost.

#pragma once

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"
#include "core/diagnosis/run_measures.h"

namespace firekeeper::core {

// Requires: `measures` is of `facts`.
[[nodiscard]] Consequences ConsequencesOf(const RunFacts& facts,
                                          const RunMeasures& measures);

}  // namespace firekeeper::core
