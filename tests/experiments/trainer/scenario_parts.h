// The parts that the table of scenarios is put together from.

#pragma once

#include <vector>

#include "tests/experiments/trainer/scenario.h"

namespace firekeeper::experiments {

// A single cause, on synthetic data and on digits, with its remedies.
[[nodiscard]] std::vector<Scenario> SingleCauses();
// Two causes at once.
[[nodiscard]] std::vector<Scenario> PairsOfCauses();
// Nothing is wrong: widths, depths, activations, optimizers, rates and data.
[[nodiscard]] std::vector<Scenario> HealthyControls();
// Networks, faults and controls that the diagnosis was not tuned on.
[[nodiscard]] std::vector<Scenario> HeldOutPrograms();

}  // namespace firekeeper::experiments
