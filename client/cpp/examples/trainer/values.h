// The fixed Eigen alias of the training library.

#pragma once

#include <Eigen/Core>

namespace firekeeper::trainer {

// Row-major, so that a batch [examples, units] and a weight [units, fan_in]
// lie in memory as firekeeper's tensors do. A bias is a matrix of one row.
template <typename Scalar>
using Matrix =
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace firekeeper::trainer
