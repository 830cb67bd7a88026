// Why the units of a run died: the decision table of core/README.md.

#pragma once

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"
#include "core/diagnosis/settings.h"

namespace firekeeper::core {

// Findings in the order of the table, faults first. Several may hold. A run
// without harm (dead units, numbers that are not finite, no learning) has no
// fault, whatever its signals say. Un-normalised inputs explain large updates:
// a learning rate beside them needs evidence of its own, or is named among
// their alternatives. Beside a numerical failure stands only what was seen
// before it: what is measured after it means nothing. Deaths without a cause
// give UNKNOWN with the raw signals.
//
// Pure: equal facts give equal diagnoses. Takes O(layers * windows).
[[nodiscard]] Diagnosis Diagnose(const RunFacts& facts,
                                 const DiagnosisSettings& settings = {});

}  // namespace firekeeper::core
