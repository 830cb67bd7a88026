// One training of the digits from the first weight to the final probe.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/examples/trainer/dataset.h"
#include "client/cpp/examples/trainer/evaluation.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/trainer.h"
#include "core/signal.h"

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

// Looks on from outside; cannot change the training.
class RunObserver : public trainer::StepObserver<float> {
 public:
  // A part of a frozen pass over the training set, BIRTH (step 0) or PROBE
  // (step = number of updates): `network` shows the forward pass of these rows.
  virtual void ObservePass(const trainer::Network<float>& network,
                           core::Phase phase, std::int64_t step,
                           std::uint32_t part) = 0;
  // Nothing of a step up to `step` will follow.
  virtual void StepDone(std::int64_t step) = 0;
};

// Is told how far the training has come.
class ProgressListener {
 public:
  ProgressListener() = default;
  ProgressListener(const ProgressListener&) = delete;
  ProgressListener& operator=(const ProgressListener&) = delete;
  ProgressListener(ProgressListener&&) = delete;
  ProgressListener& operator=(ProgressListener&&) = delete;
  virtual ~ProgressListener() = default;

  // `done` of `total` steps are done; `loss` is that of the last batch.
  virtual void Advance(std::int64_t done, std::int64_t total, double loss) = 0;
};

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
