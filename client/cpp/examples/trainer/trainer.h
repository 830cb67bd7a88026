// The training loop, one mini-batch step at a time, open to an observer.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "client/cpp/examples/trainer/dataset.h"
#include "client/cpp/examples/trainer/loss.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/optimizer.h"

namespace firekeeper::trainer {

// One layer at one step. `weight` and `bias` are those of the forward pass,
// before the update; `weight_update` is the weight after it minus before.
template <typename Scalar>
struct LayerStep {
  const LayerView<Scalar>& view;  // its parameters are already the updated ones
  const Matrix<Scalar>& weight;
  const Matrix<Scalar>& bias;
  const Matrix<Scalar>& weight_update;
};

// One step, from step 0. Everything is borrowed for the call only.
template <typename Scalar>
struct StepRecord {
  std::int64_t step;
  double loss;  // of this batch, before the update
  double learning_rate;
  const Matrix<Scalar>& inputs;
  const Matrix<Scalar>& targets;
  std::span<const LayerStep<Scalar>> layers;
};

// Looks on. It cannot change the training: whatever it does, and whether it
// is there or not, the weights are equal bit by bit.
template <typename Scalar>
class StepObserver {
 public:
  StepObserver() = default;
  StepObserver(const StepObserver&) = delete;
  StepObserver& operator=(const StepObserver&) = delete;
  StepObserver(StepObserver&&) = delete;
  StepObserver& operator=(StepObserver&&) = delete;
  virtual ~StepObserver() = default;

  // Whether to observe `step`; asked once for each step. Only a step that is
  // wanted pays for copies of the weights.
  [[nodiscard]] virtual bool Wants(std::int64_t step) = 0;
  // Called after the update of a wanted step, in the training thread.
  virtual void Observe(const StepRecord<Scalar>& record) = 0;
};

// Thread-compatible.
template <typename Scalar>
class Trainer {
 public:
  // Requires: `network`, `optimizer` and `data` outlive the trainer; data and
  // network fit; batch_size > 0; data is not empty.
  Trainer(Network<Scalar>& network, Optimizer<Scalar>& optimizer,
          const Dataset<Scalar>& data, std::int64_t batch_size,
          std::uint64_t seed, LossKind loss = LossKind::kSoftmaxCrossEntropy);

  // Forward, backward, update on the next mini-batch. Returns the batch's loss
  // before the update. `observer` may be null.
  double Step(StepObserver<Scalar>* observer);

  // The step that the next call executes; 0 at first.
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] std::int64_t steps_per_epoch() const {
    return order_.batches_per_epoch();
  }

 private:
  struct Snapshot {
    Matrix<Scalar> weight;
    Matrix<Scalar> bias;
    Matrix<Scalar> weight_update;
  };

  void Report(double loss, const Dataset<Scalar>& batch,
              StepObserver<Scalar>& observer);
  void KeepParameters();

  Network<Scalar>& network_;
  Optimizer<Scalar>& optimizer_;
  const Dataset<Scalar>& data_;
  BatchOrder order_;
  LossKind loss_;
  std::int64_t step_ = 0;
  std::vector<Snapshot> kept_;  // one for each layer, of the last wanted step
};

}  // namespace firekeeper::trainer
