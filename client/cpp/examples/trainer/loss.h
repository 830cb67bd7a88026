// Softmax cross-entropy.

#pragma once

#include "client/cpp/examples/trainer/values.h"

namespace firekeeper::trainer {

// L = mean over rows of -sum_k t_k log softmax(o)_k, accumulated in double.
// Unless it is null, `gradient` becomes dL/do = (softmax(o) sum_k t_k - t) / B.
// NaN or infinity in the logits gives a loss that is not finite.
// Requires: equal shapes, at least one row and one column.
template <typename Scalar>
[[nodiscard]] double SoftmaxCrossEntropy(const Matrix<Scalar>& logits,
                                         const Matrix<Scalar>& targets,
                                         Matrix<Scalar>* gradient);

}  // namespace firekeeper::trainer
