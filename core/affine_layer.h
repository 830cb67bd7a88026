// The parts of a layer that a proof is made of.

#pragma once

#include <optional>

#include "core/tensor_view.h"

namespace firekeeper::core {

// What a layer with z = W x + b was computed from in one step.
struct AffineLayer {
  // [units, features] or [features, units]: the unit axis tells.
  TensorView weight;
  std::optional<TensorView> bias = std::nullopt;  // [units]; none: zeros
  // Everything that the layer was given, features on the unit axis. Nothing is
  // proven where one of its entries is masked or not finite, nor with a mask on
  // weight or bias.
  TensorView input;
};

}  // namespace firekeeper::core
