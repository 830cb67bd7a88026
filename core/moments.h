// Count, mean and spread of a set of numbers, and how two sets join.

#pragma once

#include <cmath>

namespace firekeeper::core {

// Requires: mean and m2 are 0 where count is 0.
struct Moments {
  double count = 0.0;
  double mean = 0.0;
  double m2 = 0.0;  // sum of squared distances from mean
};

// Pairwise update of Chan, Golub and LeVeque (1979). An empty side is exact,
// and sets with equal means keep that mean exactly, so that constant data has
// no spread however it is cut.
[[nodiscard]] inline Moments Join(const Moments& a, const Moments& b) {
  const double count = a.count + b.count;
  if (count == 0.0) return {};
  const double weight = b.count / count;
  const double delta = b.mean - a.mean;
  // Only doubles near the end of their range have a distance that overflows.
  const double mean = std::isfinite(delta)
                          ? a.mean + delta * weight
                          : a.mean * (1.0 - weight) + b.mean * weight;
  // From left to right: squaring delta first would make infinity times zero
  // of a huge mean and an empty side.
  const double between = delta * (a.count * weight) * delta;
  return {.count = count, .mean = mean, .m2 = a.m2 + b.m2 + between};
}

}  // namespace firekeeper::core
