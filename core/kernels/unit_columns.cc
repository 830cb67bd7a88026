#include "core/kernels/unit_columns.h"

#include <limits>

namespace firekeeper::core::kernels {
namespace {

template <typename Value>
std::size_t Bytes(const std::vector<Value>& values) {
  return values.capacity() * sizeof(Value);
}

}  // namespace

void UnitColumns::Reset(std::size_t units, std::size_t limit_count,
                        bool has_clusters) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (auto* column : {&count, &mean, &m2, &abs_sum}) {
    column->assign(units, 0.0);
  }
  min.assign(units, kInfinity);
  max.assign(units, -kInfinity);
  for (std::size_t i = 0; i < kMaxLimits; ++i) {
    at_least[i].assign(i < limit_count ? units : 0, 0);
  }
  non_finite.assign(units, 0);
  const std::size_t marked = has_clusters ? units : 0;
  seen.assign(marked, 0);
  for (auto* column : {&clusters, &firing_clusters, &non_zero_clusters,
                       &non_zero_firing_clusters}) {
    column->assign(marked, 0);
  }
}

std::size_t UnitColumns::MemoryUsed() const {
  std::size_t bytes = Bytes(non_finite) + Bytes(seen) + Bytes(clusters) +
                      Bytes(firing_clusters) + Bytes(non_zero_clusters) +
                      Bytes(non_zero_firing_clusters);
  for (const auto* column : {&count, &mean, &m2, &abs_sum, &min, &max}) {
    bytes += Bytes(*column);
  }
  for (const auto& column : at_least) bytes += Bytes(column);
  return bytes;
}

}  // namespace firekeeper::core::kernels
