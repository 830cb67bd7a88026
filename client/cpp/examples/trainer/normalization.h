// Normalisation layers without scale and shift of their own, so that what they
// hand on is exactly what the activation function sees.

#pragma once

#include <cstdint>
#include <memory>

#include "client/cpp/examples/trainer/layer.h"

namespace firekeeper::trainer {

enum class Normalization : std::uint8_t {
  kNone,
  // Each unit over the batch (Ioffe and Szegedy 2015, arXiv 1502.03167).
  // Evaluation uses averages over the training batches, which start with the
  // first and move by a tenth a batch as PyTorch's do. Before the first
  // training batch there are none: evaluation then normalises over the rows it
  // is given, so that a pass over an untrained network shows what training will
  // start from.
  kBatch,
  // Each example over its units (Ba et al. 2016, arXiv 1607.06450).
  kLayer,
};

// Added to the variance before the root.
inline constexpr double kNormalizationEpsilon = 1e-5;

// Null for kNone.
template <typename Scalar>
[[nodiscard]] std::unique_ptr<Layer<Scalar>> MakeNormalization(
    Normalization kind);

}  // namespace firekeeper::trainer
