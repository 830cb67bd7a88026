// Units of a layer whose silence is worth the same: equal counts and equal
// coverage in every window, so one certificate serves them all. Nearly always a
// layer is one group, or one a source; a unit with non-finite entries is its
// own.

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/evidence.h"

namespace firekeeper::core {

struct SilenceGroup {
  std::vector<Index> units;  // ascending, at least one
  // Windows in which these units' coverage was incomplete, ascending.
  std::vector<std::size_t> incomplete;

  [[nodiscard]] std::optional<std::size_t> last_incomplete() const {
    if (incomplete.empty()) return std::nullopt;
    return incomplete.back();
  }
};

// Data shards received of those expected, 0 to 1; 1 where none is expected.
// Compared with min_coverage as this quotient, so that 7 of 100 reaches 0.07.
[[nodiscard]] double CoverageShare(const RangeCoverage& coverage);

// Requires: 0 <= unit, and the ranges of the window hold it.
[[nodiscard]] const RangeCoverage& CoverageOf(const WindowEvidence& window,
                                              Index unit);

// Every unit in exactly one group. Takes
// O(windows * ranges + units * windows whose counts differ between units).
[[nodiscard]] std::vector<SilenceGroup> GroupBySilence(
    std::span<const WindowEvidence> windows, Index unit_count,
    double min_coverage);

}  // namespace firekeeper::core
