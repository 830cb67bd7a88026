// What experiment_trainer prints: one line of JSON a run, or the table of
// scenarios.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/cpp/examples/streaming/streaming.h"
#include "tests/experiments/trainer/experiment.h"

namespace firekeeper::experiments {

// scenario, seed, steps; dead, gated and linear shares of the hidden units
// before and after (dead_start, dead_end, …); train_accuracy, test_accuracy;
// loss_start, loss_end (null where not finite); diverged; update_ratio;
// layers [{name, units, dead_start, …, weight_gain, first_gradient,
// last_gradient}]; and, unless nothing was streamed, firekeeper {enqueued,
// acked, rejected, dropped, invalid, delivered, state, last_error}.
[[nodiscard]] std::string RunReport(
    const Scenario& scenario, std::uint64_t seed, const Outcome& outcome,
    const std::optional<streaming::StreamingOutcome>& stream);

// One line: name, causes, remedy_of, effect, in_matrix, data ("synthetic" or
// "digits").
[[nodiscard]] std::string ScenarioReport(const Scenario& scenario);

}  // namespace firekeeper::experiments
