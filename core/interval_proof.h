// Proofs that a unit cannot fire: not a statistic but arithmetic, from its
// weights, its bias and the range of each of its inputs.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace firekeeper::core {

// The largest and least pre-activation that inputs within their ranges can
// give a unit, as bounds: no exact evaluation of w . x + b in real arithmetic
// lies outside.
struct PreActivationBounds {
  double low = 0.0;
  double high = 0.0;
};

// What the bounds prove of a unit that fires where z > 0.
enum class UnitProof : std::uint8_t {
  kNone = 1,     // it may fire and may not
  kNeverFires,   // high <= 0: dead on every input within the ranges
  kAlwaysFires,  // low > 0: it is linear there
};

using WeightRows =
    Eigen::Ref<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic,
                                   Eigen::RowMajor>>;
using ValueArray = Eigen::Ref<const Eigen::ArrayXd>;

// Bounds of every unit (a row of `weights`):
//   high = b + sum max(w, 0) x_max + sum min(w, 0) x_min, and low likewise,
// each widened by more than all of its roundings. NaN or infinity anywhere in a
// row, its bias or the ranges gives (-inf, +inf).
// Requires: one bias a row, one input_min and input_max a column.
[[nodiscard]] std::vector<PreActivationBounds> BoundPreActivations(
    const WeightRows& weights, const ValueArray& bias,
    const ValueArray& input_min, const ValueArray& input_max);

// `tolerance` is what the trainer's own arithmetic may add to z: a sum of n
// products in binary32 is off by at most about n * 6e-8 * sum |w x|. With 0 the
// proof is about real numbers. Requires: tolerance >= 0.
[[nodiscard]] UnitProof ProofOf(const PreActivationBounds& bounds,
                                double tolerance = 0.0);

}  // namespace firekeeper::core
