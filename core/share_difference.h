// How much a share has changed, and how sure that is.

#pragma once

#include <cstdint>

namespace firekeeper::core {

struct Share {
  std::uint64_t count = 0;
  std::uint64_t total = 0;
};

struct ShareDifference {
  Share before;
  Share after;
  // after.count / after.total - before.count / before.total, with the two-sided
  // interval at 95 %.
  double difference = 0.0;
  double low = -1.0;
  double high = 1.0;
};

// Newcombe 1998, method 10: the Wilson score intervals of the two shares,
// combined. Nothing is known, the interval is [-1, 1], where a total is 0.
// Requires: count <= total.
[[nodiscard]] ShareDifference Compare(const Share& before, const Share& after);

}  // namespace firekeeper::core
