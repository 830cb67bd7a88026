// What an experiment finds out by itself, apart from Firekeeper.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/examples/trainer/run.h"

namespace firekeeper::experiments {

// Units of one layer on a whole set, parameters frozen. Pre-activations that
// are not finite count nowhere.
struct UnitCounts {
  std::int64_t units = 0;
  std::int64_t dead = 0;    // never z > 0
  std::int64_t gated = 0;   // |phi'(z)| never above 1e-3
  std::int64_t linear = 0;  // always z > 0
};

// One entry a layer, the output included. Requires: at least one example.
[[nodiscard]] std::vector<UnitCounts> CountUnits(
    trainer::Network<float>& network, const trainer::Matrix<float>& inputs);

// Signals of one layer.
struct LayerSignals {
  std::string name;
  // sqrt(fan_in E[(w - mean)^2] / 2) at step 0 (STATISTICS.md 6.1, S5).
  double weight_gain = 0.0;
  // ||dL/dW||_F at the first and the last step.
  double first_gradient = 0.0;
  double last_gradient = 0.0;
};

// Measures, and shows everything to another observer as well.
class MeasuringObserver final : public trainer::RunObserver {
 public:
  // `next` may be null; it outlives the observer.
  MeasuringObserver(std::int64_t steps, trainer::RunObserver* next)
      : last_step_(steps - 1), next_(next) {}

  [[nodiscard]] bool Wants(std::int64_t step) override;
  void Observe(const trainer::StepRecord<float>& record) override;
  void ObservePass(const trainer::Network<float>& network, core::Phase phase,
                   std::int64_t step, std::uint32_t part) override;
  void StepDone(std::int64_t step) override;

  [[nodiscard]] const std::vector<LayerSignals>& layers() const {
    return layers_;
  }
  // Largest ||dW||_F / ||W||_F of a layer in the first ten steps (S7).
  [[nodiscard]] double update_ratio() const { return update_ratio_; }
  // Whether a loss or a ratio was NaN or infinite.
  [[nodiscard]] bool diverged() const { return diverged_; }

 private:
  void Measure(const trainer::StepRecord<float>& record);

  std::int64_t last_step_;
  trainer::RunObserver* next_;
  bool next_wants_ = false;  // the step that is being trained
  std::vector<LayerSignals> layers_;
  double update_ratio_ = 0.0;
  bool diverged_ = false;
};

}  // namespace firekeeper::experiments
