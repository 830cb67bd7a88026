// What a run ends with, for people and for scripts.

#pragma once

#include <optional>
#include <string>

#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/examples/digits_trainer/training_run.h"
#include "client/cpp/examples/streaming/streaming.h"

namespace firekeeper::digits {

// Several lines. `outcome` is absent where nothing was streamed.
[[nodiscard]] std::string TextReport(
    const Options& options, const RunResult& result,
    const std::optional<streaming::StreamingOutcome>& outcome);

// One line of JSON without a line end: run, steps, train_loss, train_accuracy,
// test_loss, test_accuracy (losses are null where they are not finite),
// weights_hash (16 hexadecimal digits), layers [{name, units, never_fired,
// non_finite}] and, unless nothing was streamed, firekeeper {enqueued, acked,
// rejected, dropped, invalid, delivered, state, last_error}.
[[nodiscard]] std::string JsonReport(
    const Options& options, const RunResult& result,
    const std::optional<streaming::StreamingOutcome>& outcome);

}  // namespace firekeeper::digits
