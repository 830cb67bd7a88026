#include "core/kernels/piece.h"

#include <algorithm>
#include <cmath>

namespace firekeeper::core::kernels {
namespace {

void Count(double value, const Comparisons& comparisons, Piece& piece) {
  ++piece.finite;
  for (std::size_t i = 0; i < comparisons.limit_count; ++i) {
    if (value >= comparisons.limits[i]) ++piece.at_least[i];
  }
}

// Of numbers so near the end of the range of double that their distances
// overflow.
double MeanOfHuge(std::span<const double> values, double count) {
  double mean = 0.0;
  for (const double value : values) {
    if (std::isfinite(value)) mean += value / count;
  }
  return mean;
}

}  // namespace

Piece ReduceExactly(std::span<const double> values,
                    const Comparisons& comparisons, bool skip_zeros) {
  Piece piece;
  const auto enters = [skip_zeros](double value) {
    return std::isfinite(value) && !(skip_zeros && value == 0.0);
  };
  // Distances from one of the values: equal values then have no spread.
  const auto first = std::find_if(values.begin(), values.end(), enters);
  const double pivot = first != values.end() ? *first : 0.0;
  double count = 0.0;
  double distances = 0.0;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      ++piece.non_finite;
      continue;
    }
    Count(value, comparisons, piece);
    if (!enters(value)) continue;
    count += 1.0;
    distances += value - pivot;
    piece.abs_sum += std::abs(value);
    piece.min = std::min(piece.min, value);
    piece.max = std::max(piece.max, value);
  }
  if (count == 0.0) return piece;

  const double mean = std::isfinite(distances) ? pivot + distances / count
                                               : MeanOfHuge(values, count);
  double m2 = 0.0;
  for (const double value : values) {
    if (enters(value)) m2 += (value - mean) * (value - mean);
  }
  piece.moments = {.count = count, .mean = mean, .m2 = m2};
  return piece;
}

}  // namespace firekeeper::core::kernels
