// Activation functions by their names in core, with the derivatives that
// training needs.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/signal.h"

namespace firekeeper::trainer {

// phi(z) = value(z, parameter) and phi'(z) = derivative(z, parameter). At a
// kink the derivative is that of the left side, as in core. The value of NaN is
// NaN, never 0: a diverged run must not look like a dead one.
template <typename Scalar>
struct ActivationFunction {
  using Function = Scalar (*)(Scalar z, Scalar parameter);

  Function value;
  Function derivative;
  Scalar parameter;  // the slope of leaky kinds, alpha of ELU and CELU
};

// Slope range of RReLU in training (Xu et al. 2015, arXiv 1505.00853); its
// slope at inference is the middle.
inline constexpr double kRreluLowSlope = 1.0 / 8.0;
inline constexpr double kRreluHighSlope = 1.0 / 3.0;

// Fails with kInvalidArgument for the kinds of core that are no function of one
// value: experts and sparse latents.
// PReLU and RReLU give the leaky function at spec.negative_slope; that their
// slope moves is the layer's business.
template <typename Scalar>
[[nodiscard]] absl::StatusOr<ActivationFunction<Scalar>> ActivationFunctionFor(
    const core::ActivationSpec& spec);

// "relu", "leaky-relu", "gelu-tanh", … with the usual parameters: leaky 0.01,
// PReLU starts at 0.25, RReLU 11/48 (its mean), alpha 1. Fails with
// kInvalidArgument, listing the names.
[[nodiscard]] absl::StatusOr<core::ActivationSpec> ParseActivation(
    std::string_view name);

// Every name that ParseActivation takes.
[[nodiscard]] std::vector<std::string> ActivationNames();

}  // namespace firekeeper::trainer
