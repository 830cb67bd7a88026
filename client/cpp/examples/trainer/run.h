// A whole training from the first weight to the final probe, open to observers.

#pragma once

#include <cstdint>

#include "client/cpp/examples/trainer/dataset.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/trainer.h"
#include "core/signal.h"

namespace firekeeper::trainer {

// Looks on from outside; cannot change the training.
class RunObserver : public StepObserver<float> {
 public:
  // A part of a frozen pass over the training set, BIRTH (step 0) or PROBE
  // (step = number of updates): `network` shows the forward pass of these rows.
  virtual void ObservePass(const Network<float>& network, core::Phase phase,
                           std::int64_t step, std::uint32_t part) = 0;
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

// Eigen splits long sums by the size of the processor's caches. With the fixed
// sizes that this sets, sums have one order, and so the same bits, on every
// machine. Call it before the first product.
void FixOrderOfSums();

// BIRTH pass, `steps` steps, PROBE pass. Both listeners may be null.
// Requires: `trainer` was made for `network` and `data` and has done no step.
void RunToTheEnd(Trainer<float>& trainer, Network<float>& network,
                 const Dataset<float>& data, std::int64_t steps,
                 RunObserver* observer, ProgressListener* progress);

}  // namespace firekeeper::trainer
