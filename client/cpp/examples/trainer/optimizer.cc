#include "client/cpp/examples/trainer/optimizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace firekeeper::trainer {
namespace {

// min(1, clip_norm / norm) over all gradients, as PyTorch computes it. A norm
// that is not finite makes every parameter so: a diverged run must show.
template <typename Scalar>
double ClipFactor(std::span<Parameter<Scalar>* const> parameters,
                  double clip_norm) {
  double squares = 0.0;
  for (const Parameter<Scalar>* parameter : parameters) {
    squares += parameter->gradient.template cast<double>().squaredNorm();
  }
  const double factor = clip_norm / (std::sqrt(squares) + 1e-6);
  return factor > 1.0 ? 1.0 : factor;
}

}  // namespace

template <typename Scalar>
double Optimizer<Scalar>::learning_rate() const {
  const std::int64_t step = std::max<std::int64_t>(step_, 1);
  if (step >= spec_.warmup_steps) return spec_.learning_rate;
  return spec_.learning_rate * static_cast<double>(step) /
         static_cast<double>(spec_.warmup_steps);
}

template <typename Scalar>
void Optimizer<Scalar>::Step(std::span<Parameter<Scalar>* const> parameters) {
  if (states_.empty()) {
    for (const Parameter<Scalar>* parameter : parameters) {
      const auto zero = Matrix<Scalar>::Zero(parameter->value.rows(),
                                             parameter->value.cols());
      states_.push_back({.first = zero, .second = zero});
    }
  }
  assert(states_.size() == parameters.size());
  ++step_;
  if (spec_.clip_norm > 0.0) {
    clip_factor_ = ClipFactor(parameters, spec_.clip_norm);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    switch (spec_.rule) {
      case UpdateRule::kSgd:
        StepSgd(*parameters[i]);
        break;
      case UpdateRule::kMomentum:
        StepMomentum(*parameters[i], states_[i]);
        break;
      case UpdateRule::kAdam:
      case UpdateRule::kAdamW:
        StepAdam(*parameters[i], states_[i]);
        break;
    }
  }
}

template <typename Scalar>
Matrix<Scalar> Optimizer<Scalar>::UsedGradient(
    const Parameter<Scalar>& parameter, double weight_decay) const {
  Matrix<Scalar> gradient = parameter.gradient;
  if (clip_factor_ != 1.0) gradient *= static_cast<Scalar>(clip_factor_);
  if (weight_decay != 0.0 && parameter.decays) {
    gradient += static_cast<Scalar>(weight_decay) * parameter.value;
  }
  return gradient;
}

template <typename Scalar>
void Optimizer<Scalar>::StepSgd(Parameter<Scalar>& parameter) const {
  parameter.value -= static_cast<Scalar>(learning_rate()) *
                     UsedGradient(parameter, spec_.weight_decay);
}

template <typename Scalar>
void Optimizer<Scalar>::StepMomentum(Parameter<Scalar>& parameter,
                                     State& state) const {
  state.first = static_cast<Scalar>(spec_.momentum) * state.first +
                UsedGradient(parameter, spec_.weight_decay);
  parameter.value -= static_cast<Scalar>(learning_rate()) * state.first;
}

template <typename Scalar>
void Optimizer<Scalar>::StepAdam(Parameter<Scalar>& parameter,
                                 State& state) const {
  const bool decoupled = spec_.rule == UpdateRule::kAdamW;
  if (decoupled && parameter.decays) {
    parameter.value *=
        static_cast<Scalar>(1.0 - learning_rate() * spec_.weight_decay);
  }
  const Matrix<Scalar> gradient =
      UsedGradient(parameter, decoupled ? 0.0 : spec_.weight_decay);
  state.first = static_cast<Scalar>(spec_.beta1) * state.first +
                static_cast<Scalar>(1.0 - spec_.beta1) * gradient;
  state.second =
      static_cast<Scalar>(spec_.beta2) * state.second +
      static_cast<Scalar>(1.0 - spec_.beta2) * gradient.cwiseProduct(gradient);
  const auto step = static_cast<double>(step_);
  const double rate = learning_rate() / (1.0 - std::pow(spec_.beta1, step));
  const double root_correction = std::sqrt(1.0 - std::pow(spec_.beta2, step));
  parameter.value.array() -=
      static_cast<Scalar>(rate) * state.first.array() /
      (state.second.array().sqrt() / static_cast<Scalar>(root_correction) +
       static_cast<Scalar>(spec_.epsilon));
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace firekeeper::trainer
