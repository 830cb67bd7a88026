// What a few entries of one unit add to its statistics.

#pragma once

#include <limits>
#include <span>

#include "core/comparisons.h"
#include "core/moments.h"

namespace firekeeper::core::kernels {

struct Piece {
  Moments moments;
  double abs_sum = 0.0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  std::uint64_t finite = 0;
  std::uint64_t non_finite = 0;
  AtLeast at_least{};
};

// The exact way, for entries that the vector kernels cannot do: in double,
// moments in two passes. NaN and infinities enter non_finite only. With
// `skip_zeros`, zeros are counted, but are in neither the moments nor min, max.
[[nodiscard]] Piece ReduceExactly(std::span<const double> values,
                                  const Comparisons& comparisons,
                                  bool skip_zeros);

}  // namespace firekeeper::core::kernels
