#include "core/interval_proof.h"

#include <cassert>
#include <cmath>
#include <limits>

namespace firekeeper::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A sum of n products in double, in any order, is off by at most
// gamma_n * sum |w x| with gamma_n = n u / (1 - n u) (Higham 2002, 3.1). Twice
// that covers the rounding of the sum of sizes and of this bound itself; the
// last term covers products that underflow.
double RoundingOf(double sizes, Eigen::Index terms) {
  const auto n = static_cast<double>(terms);
  constexpr double kUnit = std::numeric_limits<double>::epsilon();
  return 2.0 * (n + 2.0) * kUnit * sizes +
         (n + 2.0) * std::numeric_limits<double>::min();
}

PreActivationBounds BoundRow(const Eigen::ArrayXd& row, double bias,
                             const ValueArray& input_min,
                             const ValueArray& input_max) {
  const Eigen::ArrayXd up = row.max(0.0);
  const Eigen::ArrayXd down = row.min(0.0);
  const double high = bias + (up * input_max).sum() + (down * input_min).sum();
  const double low = bias + (up * input_min).sum() + (down * input_max).sum();
  const double sizes =
      std::abs(bias) + (row.abs() * input_min.abs().max(input_max.abs())).sum();
  const double rounding = RoundingOf(sizes, 2 * row.size() + 1);
  const bool finite = row.isFinite().all() && std::isfinite(high) &&
                      std::isfinite(low) && std::isfinite(rounding);
  if (!finite) return {.low = -kInfinity, .high = kInfinity};
  // The addition of the widening rounds once more.
  return {.low = std::nextafter(low - rounding, -kInfinity),
          .high = std::nextafter(high + rounding, kInfinity)};
}

}  // namespace

std::vector<PreActivationBounds> BoundPreActivations(
    const WeightRows& weights, const ValueArray& bias,
    const ValueArray& input_min, const ValueArray& input_max) {
  assert(bias.size() == weights.rows());
  assert(input_min.size() == weights.cols());
  assert(input_max.size() == weights.cols());
  const bool ranges = input_min.isFinite().all() && input_max.isFinite().all();
  std::vector<PreActivationBounds> bounds;
  bounds.reserve(static_cast<std::size_t>(weights.rows()));
  for (Eigen::Index unit = 0; unit < weights.rows(); ++unit) {
    if (!ranges) {
      bounds.push_back({.low = -kInfinity, .high = kInfinity});
      continue;
    }
    const Eigen::ArrayXd row = weights.row(unit).transpose().array();
    bounds.push_back(BoundRow(row, bias[unit], input_min, input_max));
  }
  return bounds;
}

UnitProof ProofOf(const PreActivationBounds& bounds, double tolerance) {
  assert(tolerance >= 0.0);
  if (bounds.high + tolerance <= 0.0) return UnitProof::kNeverFires;
  if (bounds.low - tolerance > 0.0) return UnitProof::kAlwaysFires;
  return UnitProof::kNone;
}

}  // namespace firekeeper::core
