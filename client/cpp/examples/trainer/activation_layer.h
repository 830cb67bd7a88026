// Activation functions as layers: fixed ones, PReLU that learns its slope and
// RReLU that draws it.

#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/layer.h"
#include "core/signal.h"

namespace firekeeper::trainer {

// PReLU has one slope for the layer, which starts at spec.negative_slope.
// RReLU draws a slope for each entry in training, from `seed` and
// RandomStream::kSlopes at `index`, and evaluates at the middle of its range.
// Fails with kInvalidArgument as ActivationFunctionFor does.
template <typename Scalar>
[[nodiscard]] absl::StatusOr<std::unique_ptr<Layer<Scalar>>>
MakeActivationLayer(const core::ActivationSpec& spec, std::uint64_t seed,
                    std::uint32_t index);

}  // namespace firekeeper::trainer
