// What a network is trained to make small.

#pragma once

#include <cstdint>

#include "client/cpp/examples/trainer/values.h"

namespace firekeeper::trainer {

enum class LossKind : std::uint8_t { kSoftmaxCrossEntropy, kMeanSquaredError };

// L = mean over rows of -sum_k t_k log softmax(o)_k, accumulated in double.
// Unless it is null, `gradient` becomes dL/do = (softmax(o) sum_k t_k - t) / B.
// NaN or infinity in the logits gives a loss that is not finite.
// Requires: equal shapes, at least one row and one column.
template <typename Scalar>
[[nodiscard]] double SoftmaxCrossEntropy(const Matrix<Scalar>& logits,
                                         const Matrix<Scalar>& targets,
                                         Matrix<Scalar>* gradient);

// L = mean over all entries of (o - t)^2, as torch.nn.MSELoss; `gradient` as
// above, 2 (o - t) / entries. Requires: equal shapes, at least one entry.
template <typename Scalar>
[[nodiscard]] double MeanSquaredError(const Matrix<Scalar>& outputs,
                                      const Matrix<Scalar>& targets,
                                      Matrix<Scalar>* gradient);

// The loss of that kind. Requires what it requires.
template <typename Scalar>
[[nodiscard]] double Loss(LossKind kind, const Matrix<Scalar>& outputs,
                          const Matrix<Scalar>& targets,
                          Matrix<Scalar>* gradient);

}  // namespace firekeeper::trainer
