#include "core/comparisons.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace firekeeper::core {
namespace {

// Numbers of one type in ascending order, counted from minus infinity.
template <typename Real, typename Bits>
struct Ordered {
  static constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);

  static Real FromRank(Bits rank) {
    return std::bit_cast<Real>(rank >= kSign ? rank - kSign : ~rank);
  }
  static Bits ToRank(Real value) {
    const Bits bits = std::bit_cast<Bits>(value);
    return bits >= kSign ? ~bits : bits + kSign;
  }
};

// The least value whose scaled value `holds`; infinity if there is none.
// Requires: holds() is false up to some value and true from there on.
template <typename Real, typename Bits, typename Predicate>
double LeastWhere(double scale, const Predicate& holds) {
  using Order = Ordered<Real, Bits>;
  Bits low = Order::ToRank(std::numeric_limits<Real>::lowest());
  Bits high = Order::ToRank(std::numeric_limits<Real>::infinity());
  while (low < high) {
    const Bits middle = low + (high - low) / 2;
    if (holds(static_cast<double>(Order::FromRank(middle)) * scale)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return static_cast<double>(Order::FromRank(low));
}

class LimitFinder {
 public:
  LimitFinder(DataType dtype, double scale)
      : is_wide_(dtype == DataType::kF64), scale_(scale) {}

  [[nodiscard]] double Above(double limit) const {
    return Least([limit](double value) { return value > limit; });
  }
  [[nodiscard]] double From(double limit) const {
    return Least([limit](double value) { return value >= limit; });
  }
  [[nodiscard]] double SmallestPositive() const {
    return is_wide_
               ? std::numeric_limits<double>::denorm_min()
               : static_cast<double>(std::numeric_limits<float>::denorm_min());
  }

 private:
  template <typename Predicate>
  [[nodiscard]] double Least(const Predicate& holds) const {
    return is_wide_ ? LeastWhere<double, std::uint64_t>(scale_, holds)
                    : LeastWhere<float, std::uint32_t>(scale_, holds);
  }

  bool is_wide_;
  double scale_;
};

void CompareHole(const FiringRule& rule, const LimitFinder& finder,
                 Comparisons& comparisons) {
  const double low = comparisons.limits[Comparisons::kLow];
  const double high = comparisons.limits[Comparisons::kHigh];
  const double hole_low = std::clamp(finder.From(rule.hole_low), low, high);
  const double hole_high = std::clamp(finder.Above(rule.hole_high), low, high);
  if (hole_low >= hole_high) return;
  comparisons.limits[Comparisons::kHoleLow] = hole_low;
  comparisons.limits[Comparisons::kHoleHigh] = hole_high;
  comparisons.firing_signs[Comparisons::kHoleLow] = -1;
  comparisons.firing_signs[Comparisons::kHoleHigh] = 1;
  comparisons.limit_count = 6;
}

void CompareBand(const FiringRule& rule, const LimitFinder& finder,
                 Comparisons& comparisons) {
  auto& limits = comparisons.limits;
  const double high = finder.From(rule.high);
  // An empty band must not count backwards.
  const double low = std::min(finder.Above(rule.low), high);
  comparisons.closed_high_limit = high > limits[Comparisons::kPositive]
                                      ? Comparisons::kHigh
                                      : Comparisons::kPositive;
  if (low == limits[Comparisons::kPositive] &&
      high == std::numeric_limits<double>::infinity()) {
    comparisons.firing_signs[Comparisons::kPositive] = 1;
    comparisons.closed_high_limit = kMaxLimits;
  } else {
    limits[Comparisons::kLow] = low;
    limits[Comparisons::kHigh] = high;
    comparisons.firing_signs[Comparisons::kLow] = 1;
    comparisons.firing_signs[Comparisons::kHigh] = -1;
    comparisons.limit_count = 4;
  }
  if (!rule.has_hole()) return;
  limits[Comparisons::kLow] = low;
  limits[Comparisons::kHigh] = high;
  CompareHole(rule, finder, comparisons);
}

}  // namespace

std::uint64_t Comparisons::Firings(std::uint64_t entries,
                                   const AtLeast& at_least) const {
  // Modulo 2^64 the order of adding and taking away does not matter.
  std::uint64_t firings = firing_entries != 0 ? entries : 0;
  for (std::size_t i = 0; i < kMaxLimits; ++i) {
    if (firing_signs[i] > 0) firings += at_least[i];
    if (firing_signs[i] < 0) firings -= at_least[i];
  }
  return firings;
}

Comparisons CompareStored(const FiringRule& rule, DataType dtype,
                          double scale) {
  const LimitFinder finder(dtype, scale);
  Comparisons comparisons;
  comparisons.zero_fires = rule.counts() && rule.Fires(0.0);
  comparisons.limits.fill(std::numeric_limits<double>::infinity());
  comparisons.limits[Comparisons::kNotNegative] = 0.0;
  comparisons.limits[Comparisons::kPositive] = finder.SmallestPositive();
  switch (rule.kind) {
    case FiringRule::Kind::kNone:
      break;
    case FiringRule::Kind::kNonZero:
      comparisons.firing_entries = 1;
      comparisons.firing_signs[Comparisons::kNotNegative] = -1;
      comparisons.firing_signs[Comparisons::kPositive] = 1;
      break;
    case FiringRule::Kind::kAlways:
      comparisons.firing_entries = 1;
      break;
    case FiringRule::Kind::kBand:
      CompareBand(rule, finder, comparisons);
      break;
  }
  return comparisons;
}

}  // namespace firekeeper::core
