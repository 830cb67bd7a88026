// The arrays that the kernels add to, one entry a unit.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/comparisons.h"

namespace firekeeper::core::kernels {

// What has been seen of a unit in the open cluster.
enum ClusterSeen : std::uint32_t {
  kSeenFinite = 1,
  kSeenFiring = 2,
  kSeenNonZero = 4,
  kSeenNonZeroFiring = 8,
};

// Invariant: all arrays in use have the same length.
struct UnitColumns {
  // Entries in the moments, exact up to 2^53.
  std::vector<double> count;
  std::vector<double> mean;
  std::vector<double> m2;
  std::vector<double> abs_sum;
  std::vector<double> min;
  std::vector<double> max;
  std::array<std::vector<std::uint64_t>, kMaxLimits> at_least;
  std::vector<std::uint64_t> non_finite;
  // ClusterSeen of the open cluster, and closed clusters by what was seen.
  std::vector<std::uint32_t> seen;
  std::vector<std::uint64_t> clusters;
  std::vector<std::uint64_t> firing_clusters;
  // The same, had the zeros been masked; counted while zeros may be underflow.
  std::vector<std::uint64_t> non_zero_clusters;
  std::vector<std::uint64_t> non_zero_firing_clusters;

  // Starts anew. Allocates only where `units` is more than ever before.
  void Reset(std::size_t units, std::size_t limit_count, bool has_clusters);
  [[nodiscard]] std::size_t MemoryUsed() const;
};

}  // namespace firekeeper::core::kernels
