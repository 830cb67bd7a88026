// Trains one scenario with one seed and says what came of it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/evaluation.h"
#include "tests/experiments/trainer/examples.h"
#include "tests/experiments/trainer/measurement.h"
#include "tests/experiments/trainer/scenario.h"

namespace firekeeper::experiments {

// What the random numbers of a run are drawn from, one seed a purpose.
struct Seeds {
  // STATISTICS.md 7: data 10000 + s, weights s, batches 777 + s.
  explicit Seeds(std::uint64_t seed)
      : data(10'000 + seed), weights(seed), batches(777 + seed) {}

  std::uint64_t data;
  std::uint64_t weights;
  std::uint64_t batches;
};

struct Outcome {
  // By layer, the output last, before the first and after the last step.
  std::vector<UnitCounts> before;
  std::vector<UnitCounts> after;
  std::vector<LayerSignals> signals;
  trainer::Evaluation first;  // on the training set, before the first step
  trainer::Evaluation train;
  trainer::Evaluation test;
  double update_ratio = 0.0;
  bool diverged = false;
};

// Fails with kInvalidArgument as Network::Create does.
[[nodiscard]] absl::StatusOr<trainer::Network<float>> BuildNetwork(
    const Scenario& scenario, const Examples& examples, std::uint64_t seed);

// `stream` may be null. Requires: `network` was built for them.
[[nodiscard]] Outcome Train(const Scenario& scenario, const Examples& examples,
                            std::uint64_t seed,
                            trainer::Network<float>& network,
                            trainer::RunObserver* stream);

// Share of the hidden units that a field of UnitCounts counts.
[[nodiscard]] double HiddenShare(const std::vector<UnitCounts>& layers,
                                 std::int64_t UnitCounts::*count);

}  // namespace firekeeper::experiments
