#include "core/share_difference.h"

#include <cassert>
#include <cmath>

namespace firekeeper::core {
namespace {

// Standard normal quantile of 97.5 %.
constexpr double kZ = 1.959963984540054;

struct Interval {
  double share = 0.0;
  double low = 0.0;
  double high = 1.0;
};

// Wilson 1927.
Interval WilsonInterval(const Share& share) {
  const auto n = static_cast<double>(share.total);
  const double p = static_cast<double>(share.count) / n;
  const double denominator = 1.0 + kZ * kZ / n;
  const double centre = (p + kZ * kZ / (2.0 * n)) / denominator;
  const double half =
      kZ / denominator * std::sqrt(p * (1.0 - p) / n + kZ * kZ / (4.0 * n * n));
  return {.share = p, .low = centre - half, .high = centre + half};
}

}  // namespace

ShareDifference Compare(const Share& before, const Share& after) {
  assert(before.count <= before.total && after.count <= after.total);
  ShareDifference result{.before = before, .after = after};
  if (before.total == 0 || after.total == 0) return result;
  const Interval b = WilsonInterval(before);
  const Interval a = WilsonInterval(after);
  result.difference = a.share - b.share;
  result.low =
      result.difference - std::hypot(a.share - a.low, b.high - b.share);
  result.high =
      result.difference + std::hypot(a.high - a.share, b.share - b.low);
  return result;
}

}  // namespace firekeeper::core
