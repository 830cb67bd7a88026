// Proofs that a unit cannot fire: not a statistic but arithmetic, from its
// weights, its bias and the range of each of its inputs.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "core/affine_layer.h"
#include "core/firing_rule.h"
#include "core/unit_summary.h"

namespace firekeeper::core {

// The largest and least pre-activation that inputs within their ranges can
// give a unit, as bounds: no evaluation of w . x + b that is as exact as was
// asked for lies outside.
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

// Half the distance from 1 to the next number of an arithmetic.
inline constexpr double kDoubleRoundoff =
    std::numeric_limits<double>::epsilon() / 2;
inline constexpr double kSingleRoundoff =
    std::numeric_limits<float>::epsilon() / 2;
inline constexpr double kBf16Roundoff = 0x1p-9;

// Bounds of every unit (a row of `weights`):
//   high = b + sum max(w, 0) x_max + sum min(w, 0) x_min, and low likewise,
// each widened by more than all of its roundings and those of a trainer that
// sums the same products, in any order, with unit roundoff `roundoff`. NaN or
// infinity anywhere in a row, its bias or the ranges gives (-inf, +inf).
// Requires: one bias a row, one input_min and input_max a column, roundoff >=
// 0.
[[nodiscard]] std::vector<PreActivationBounds> BoundPreActivations(
    const WeightRows& weights, const ValueArray& bias,
    const ValueArray& input_min, const ValueArray& input_max,
    double roundoff = kDoubleRoundoff);

[[nodiscard]] UnitProof ProofOf(const PreActivationBounds& bounds);

// Whether a bound of z <= 0 proves anything of a layer: `rule`, that of its
// PRE_ACTIVATION, has a unit silent wherever z <= 0, and z is W x + b.
[[nodiscard]] bool ProofsHold(const FiringRule& rule, bool norm_before,
                              bool residual);

// Sets summary->proven: n of the units that are proven unable to fire on
// the ranges of `layer.input`, 0 of the others. The trainer's sums are taken to
// be binary64 where the weights are, binary32 where they are, and as coarse as
// BF16 where weights or inputs are of 16 bits. Fails with kInvalidArgument,
// changing nothing, where shapes do not fit each other or the summary.
// Requires: summary->columns.proof; it is that of layer.weight.
absl::Status ProveUnits(const AffineLayer& layer, UnitSummary* summary);

}  // namespace firekeeper::core
