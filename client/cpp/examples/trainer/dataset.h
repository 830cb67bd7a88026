// Labelled examples, and how they are dealt out in mini-batches.

#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "client/cpp/examples/trainer/random.h"
#include "client/cpp/examples/trainer/values.h"

namespace firekeeper::trainer {

template <typename Scalar>
struct Dataset {
  Matrix<Scalar> inputs;  // [examples, features]
  // [examples, outputs]: one-hot for classes, values for regression.
  Matrix<Scalar> targets;

  [[nodiscard]] Eigen::Index size() const { return inputs.rows(); }
};

// The rows `indices` of `data`, in that order. Requires: indices in range.
template <typename Scalar>
[[nodiscard]] Dataset<Scalar> Rows(const Dataset<Scalar>& data,
                                   std::span<const std::int64_t> indices);

// Deals every example once an epoch, in an order shuffled anew for each epoch;
// the last batch of an epoch may be smaller. Thread-compatible.
class BatchOrder {
 public:
  // Draws from RandomStream::kBatches of `seed`.
  // Requires: examples > 0, batch_size > 0.
  BatchOrder(std::int64_t examples, std::int64_t batch_size,
             std::uint64_t seed);

  // Indices of the next batch; valid until the next call.
  [[nodiscard]] std::span<const std::int64_t> Next();

  [[nodiscard]] std::int64_t batches_per_epoch() const;

 private:
  std::vector<std::int64_t> order_;  // a permutation of all examples
  std::size_t next_ = 0;             // first entry of order_ not dealt yet
  std::size_t batch_size_;
  Random random_;
};

// Two parts: the first floor(share * examples) of a shuffle of all, and the
// rest. Draws from RandomStream::kSplit of `seed`.
// Requires: 0 <= share <= 1.
template <typename Scalar>
[[nodiscard]] std::pair<Dataset<Scalar>, Dataset<Scalar>> Split(
    const Dataset<Scalar>& data, double share, std::uint64_t seed);

// Shift and scale of every feature, fitted on one set and applied to others.
template <typename Scalar>
class Standardizer {
 public:
  // Mean and population standard deviation of every column.
  // Requires: at least one row.
  explicit Standardizer(const Matrix<Scalar>& inputs);

  // (x - mean) / deviation; a feature that was constant becomes 0 whatever its
  // value. Requires: the width of the fitted set.
  void Apply(Matrix<Scalar>& inputs) const;

 private:
  Eigen::Array<Scalar, 1, Eigen::Dynamic> mean_;
  Eigen::Array<Scalar, 1, Eigen::Dynamic> factor_;  // 1 / deviation, or 0
};

}  // namespace firekeeper::trainer
