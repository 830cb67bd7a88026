// The remedies of a finding, with the numbers of its layers.

#pragma once

#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"
#include "core/diagnosis/run_measures.h"
#include "core/diagnosis/settings.h"
#include "core/remedy.h"

namespace firekeeper::core {

// Best first; those that would not help come last and say so. Never empty.
// Requires: `measures` is of `facts`, `finding` of both.
[[nodiscard]] std::vector<Remedy> RemediesFor(
    const Finding& finding, const RunFacts& facts, const RunMeasures& measures,
    const DiagnosisSettings& settings);

}  // namespace firekeeper::core
