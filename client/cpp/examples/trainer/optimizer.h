// Update rules, in PyTorch's form so that settings can be carried over. Weight
// decay applies to parameters that say so (weights; neither biases nor slopes).

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "client/cpp/examples/trainer/layer.h"

namespace firekeeper::trainer {

// g is the gradient, to which all but kAdamW first add weight_decay * w.
enum class UpdateRule : std::uint8_t {
  kSgd,       // w -= lr g
  kMomentum,  // v = mu v + g; w -= lr v
  // m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g^2;
  // w -= lr (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps)
  // (Kingma and Ba 2014, arXiv 1412.6980).
  kAdam,
  // w *= 1 - lr weight_decay, then Adam (Loshchilov, Hutter, 1711.05101).
  kAdamW,
};

struct OptimizerSpec {
  UpdateRule rule = UpdateRule::kSgd;
  double learning_rate = 0.05;
  double momentum = 0.9;  // mu, kMomentum only
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  // Gradients whose common Euclidean norm is larger are scaled down to this
  // norm, as torch.nn.utils.clip_grad_norm_ does. 0: they are not.
  double clip_norm = 0.0;
  // The t-th step, from 1, uses learning_rate * min(1, t / warmup_steps).
  std::int64_t warmup_steps = 0;
};

// Thread-compatible.
template <typename Scalar>
class Optimizer {
 public:
  explicit Optimizer(const OptimizerSpec& spec) : spec_(spec) {}

  // Moves every parameter against its gradient, which stays as it is.
  // Requires: the same parameters in the same order at every call.
  void Step(std::span<Parameter<Scalar>* const> parameters);

  // Of the last step; before it, of the first.
  [[nodiscard]] double learning_rate() const;

 private:
  struct State {
    Matrix<Scalar> first;   // momentum v, or Adam's m
    Matrix<Scalar> second;  // Adam's s
  };

  // The gradient as the rule uses it: clipped, with the L2 penalty's share.
  [[nodiscard]] Matrix<Scalar> UsedGradient(const Parameter<Scalar>& parameter,
                                            double weight_decay) const;
  void StepSgd(Parameter<Scalar>& parameter) const;
  void StepMomentum(Parameter<Scalar>& parameter, State& state) const;
  void StepAdam(Parameter<Scalar>& parameter, State& state) const;

  OptimizerSpec spec_;
  std::int64_t step_ = 0;      // steps taken, t of Adam
  double clip_factor_ = 1.0;   // of this step
  std::vector<State> states_;  // one for each parameter after the first step
};

}  // namespace firekeeper::trainer
