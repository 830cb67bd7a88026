// A FiringRule turned into comparisons of stored values: every count of a
// summary is a sum and difference of "how many entries are >= a limit".

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/firing_rule.h"
#include "core/tensor_view.h"

namespace firekeeper::core {

inline constexpr std::size_t kMaxLimits = 6;

// How many entries of a unit are at or above each limit.
using AtLeast = std::array<std::uint64_t, kMaxLimits>;

// Immutable once made.
struct Comparisons {
  enum Limit : std::size_t {
    kNotNegative,  // 0: zeros of either sign and positives
    kPositive,     // the smallest positive value
    kLow,          // the least value inside the band
    kHigh,         // the least value above the band
    kHoleLow,      // the least value inside the hole
    kHoleHigh,     // the least value above the hole
  };

  // Numbers of the type that the kernels compute in (binary32 for all dtypes
  // but F64), so that comparing there is exact. Infinite: no entry.
  std::array<double, kMaxLimits> limits{};
  // The first this many limits are in use: 2, 4 or 6.
  std::size_t limit_count = 2;
  // firings = entries * firing_entries + sum of at_least[i] * firing_signs[i].
  std::array<int, kMaxLimits> firing_signs{};
  int firing_entries = 0;
  // Entries at or above this limit are closed high; none where it has no limit.
  std::size_t closed_high_limit = kMaxLimits;
  bool zero_fires = false;

  [[nodiscard]] static std::uint64_t Zeros(const AtLeast& at_least) {
    return at_least[kNotNegative] - at_least[kPositive];
  }
  // Of `entries` finite entries.
  [[nodiscard]] std::uint64_t Firings(std::uint64_t entries,
                                      const AtLeast& at_least) const;
};

// A value is the product of a stored value and `scale`, rounded to double; the
// comparisons hold for exactly that. Requires: scale is finite and positive.
[[nodiscard]] Comparisons CompareStored(const FiringRule& rule, DataType dtype,
                                        double scale);

}  // namespace firekeeper::core
