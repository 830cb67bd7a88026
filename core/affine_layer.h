// The parts of a layer that a proof is made of.

#pragma once

#include "core/tensor_view.h"

namespace firekeeper::core {

// What a layer with z = W x + b was computed from in one step.
struct AffineLayer {
  // [units, features] or [features, units]: the unit axis tells.
  TensorView weight;
  TensorView bias;  // [units]
  // Everything that the layer was given, features on the unit axis. Where one
  // of its entries is masked or not finite nothing is proven.
  TensorView input;
};

}  // namespace firekeeper::core
