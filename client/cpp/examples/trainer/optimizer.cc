#include "client/cpp/examples/trainer/optimizer.h"

#include <cassert>
#include <cmath>
#include <cstddef>

namespace firekeeper::trainer {
namespace {

// The gradient with the L2 penalty's share.
template <typename Scalar>
Matrix<Scalar> DecayedGradient(const Parameter<Scalar>& parameter,
                               double weight_decay) {
  if (weight_decay == 0.0 || !parameter.decays) return parameter.gradient;
  return parameter.gradient +
         static_cast<Scalar>(weight_decay) * parameter.value;
}

}  // namespace

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
void Optimizer<Scalar>::StepSgd(Parameter<Scalar>& parameter) const {
  parameter.value -= static_cast<Scalar>(spec_.learning_rate) *
                     DecayedGradient(parameter, spec_.weight_decay);
}

template <typename Scalar>
void Optimizer<Scalar>::StepMomentum(Parameter<Scalar>& parameter,
                                     State& state) const {
  state.first = static_cast<Scalar>(spec_.momentum) * state.first +
                DecayedGradient(parameter, spec_.weight_decay);
  parameter.value -= static_cast<Scalar>(spec_.learning_rate) * state.first;
}

template <typename Scalar>
void Optimizer<Scalar>::StepAdam(Parameter<Scalar>& parameter,
                                 State& state) const {
  const bool decoupled = spec_.rule == UpdateRule::kAdamW;
  if (decoupled && parameter.decays) {
    parameter.value *=
        static_cast<Scalar>(1.0 - spec_.learning_rate * spec_.weight_decay);
  }
  const Matrix<Scalar> gradient =
      DecayedGradient(parameter, decoupled ? 0.0 : spec_.weight_decay);
  state.first = static_cast<Scalar>(spec_.beta1) * state.first +
                static_cast<Scalar>(1.0 - spec_.beta1) * gradient;
  state.second =
      static_cast<Scalar>(spec_.beta2) * state.second +
      static_cast<Scalar>(1.0 - spec_.beta2) * gradient.cwiseProduct(gradient);
  const auto step = static_cast<double>(step_);
  const double rate = spec_.learning_rate / (1.0 - std::pow(spec_.beta1, step));
  const double root_correction = std::sqrt(1.0 - std::pow(spec_.beta2, step));
  parameter.value.array() -=
      static_cast<Scalar>(rate) * state.first.array() /
      (state.second.array().sqrt() / static_cast<Scalar>(root_correction) +
       static_cast<Scalar>(spec_.epsilon));
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace firekeeper::trainer
