// One training of the digits from the first weight to the final probe.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/examples/trainer/dataset.h"
#include "client/cpp/examples/trainer/evaluation.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/run.h"

namespace firekeeper::digits {

// The examples of a run: a training share of 0.8, and the rest for testing.
// The split is always the same, so that runs can be compared.
struct Examples {
  trainer::Dataset<float> train;
  trainer::Dataset<float> test;
};

// Splits `digits` and, unless `raw_inputs`, standardises every pixel by the
// training set's mean and deviation.
[[nodiscard]] Examples Prepare(const trainer::Dataset<float>& digits,
                               bool raw_inputs);

// The network that `options` describe for `examples`. The output layer is drawn
// like the hidden ones, without their offsets, but at variance 1 / fan_in where
// they are He's or RAI. Fails with kInvalidArgument as Network::Create does.
[[nodiscard]] absl::StatusOr<trainer::Network<float>> BuildNetwork(
    const TrainingOptions& options, const Examples& examples);

using trainer::ProgressListener;
using trainer::RunObserver;

struct RunResult {
  std::int64_t steps = 0;
  trainer::Evaluation train;
  trainer::Evaluation test;
  std::uint64_t weights_hash = 0;  // trainer::Fingerprint
  // Layer by layer, on the whole training set after the last step.
  std::vector<trainer::SilentUnits> silent_units;
};

// Trains `network` for options.epochs. Both observers may be null.
// Requires: `network` was built for `examples`.
[[nodiscard]] RunResult Train(const TrainingOptions& options,
                              const Examples& examples,
                              trainer::Network<float>& network,
                              RunObserver* observer,
                              ProgressListener* progress);

}  // namespace firekeeper::digits
