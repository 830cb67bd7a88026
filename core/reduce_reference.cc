#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/reduce.h"
#include "core/stored_value.h"
#include "core/validity.h"
#include "core/value_sample.h"

namespace firekeeper::core {
namespace {

constexpr double kUnderflowMargin = 1000.0;

// Every entry of a tensor as a matrix: a column for each unit, a row for each
// (cluster, position), cluster by cluster.
struct Entries {
  Eigen::ArrayXXd stored;
  // 1 where an entry is an observation, NaN and infinities aside.
  Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic> observed;
  Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic> non_finite;
  Index positions = 0;
  Index clusters = 0;
};

// Where the entry with flat row-major number `number` lies and belongs.
struct Entry {
  std::int64_t offset = 0;
  Index unit = 0;
  Index cluster = 0;
  Index position = 0;
  std::int64_t bit = 0;
};

Entry Locate(const TensorView& view, std::int64_t number) {
  const TensorLayout& layout = view.layout;
  Entry entry;
  std::int64_t dense_offset = number;
  std::int64_t position_factor = 1;
  std::int64_t bit_factor = 1;
  for (std::size_t axis = layout.rank(); axis-- > 0;) {
    const std::int64_t length = layout.shape()[axis];
    const std::int64_t index = number % length;
    number /= length;
    entry.offset += index * view.strides[axis];
    if (axis == layout.unit_axis()) {
      entry.unit = index;
      continue;
    }
    entry.bit += index * bit_factor;
    bit_factor *= length;
    if (axis == layout.cluster_axis()) {
      entry.cluster = index;
    } else {
      entry.position += index * position_factor;
      position_factor *= length;
    }
  }
  if (view.is_dense) {
    entry.offset =
        dense_offset * static_cast<std::int64_t>(SizeOf(layout.dtype()));
  }
  return entry;
}

Entries ReadEntries(const TensorView& view) {
  const TensorLayout& layout = view.layout;
  Entries entries;
  entries.positions = layout.position_count();
  entries.clusters = layout.cluster_count();
  const Index rows = layout.row_count();
  const Index units = layout.unit_count();
  entries.stored.setZero(rows, units);
  entries.observed.setConstant(rows, units, false);
  entries.non_finite.setConstant(rows, units, false);
  for (std::int64_t i = 0; i < layout.element_count(); ++i) {
    const Entry entry = Locate(view, i);
    if (!IsValid(view.validity_mask, entry.bit)) continue;
    const Index row = entry.cluster * entries.positions + entry.position;
    const double value = LoadStored(layout.dtype(), view.data + entry.offset);
    if (std::isfinite(value)) {
      entries.stored(row, entry.unit) = value;
      entries.observed(row, entry.unit) = true;
    } else {
      entries.non_finite(row, entry.unit) = true;
    }
  }
  return entries;
}

// Zeros that may be underflow are no observations, as if they were masked.
void DropAmbiguousZeros(DataType dtype, Entries& entries) {
  if (entries.stored.size() == 0) return;
  const double largest = entries.stored.abs().maxCoeff();
  if (largest >= kUnderflowMargin * SmallestNormal(dtype)) return;
  if (largest == 0.0 && dtype != DataType::kF16) return;
  entries.observed = entries.observed && entries.stored != 0.0;
}

// The observations of one unit in the rows first … first + count - 1.
Eigen::ArrayXd Observations(const Entries& entries, Index unit, Index first,
                            Index count) {
  std::vector<double> values;
  for (Index row = first; row < first + count; ++row) {
    if (entries.observed(row, unit)) {
      values.push_back(entries.stored(row, unit));
    }
  }
  return Eigen::Map<const Eigen::ArrayXd>(values.data(),
                                          static_cast<Index>(values.size()));
}

std::uint64_t CountFirings(const FiringRule& rule, double scale,
                           const Eigen::ArrayXd& stored) {
  std::uint64_t count = 0;
  for (const double value : stored) {
    // A product may underflow; the stored value is then still no zero.
    const bool fires = rule.kind == FiringRule::Kind::kNonZero
                           ? value != 0.0
                           : rule.Fires(value * scale);
    if (fires) ++count;
  }
  return count;
}

void ReduceClusters(const Entries& entries, const ReduceOptions& options,
                    double scale, UnitSummary& summary) {
  CountArray clusters = CountArray::Zero(summary.unit_count());
  for (Index unit = 0; unit < summary.unit_count(); ++unit) {
    for (Index cluster = 0; cluster < entries.clusters; ++cluster) {
      const Eigen::ArrayXd stored = Observations(
          entries, unit, cluster * entries.positions, entries.positions);
      if (stored.size() > 0) ++clusters[unit];
      if (summary.columns.firings &&
          CountFirings(options.rule, scale, stored) > 0) {
        ++summary.firing_clusters[unit];
      }
    }
  }
  summary.clusters = UnitCounts::FromArray(clusters);
}

void ReduceGate(const FiringRule& rule, double scale,
                const Eigen::ArrayXd& stored, Index unit,
                UnitSummary& summary) {
  const auto count = [](const auto& which) {
    return static_cast<std::uint64_t>(which.count());
  };
  summary.positives[unit] = count(stored > 0.0);
  summary.zeros[unit] = count(stored == 0.0);
  if (rule.kind == FiringRule::Kind::kBand) {
    const Eigen::ArrayXd values = stored * scale;
    summary.closed_high[unit] = count(values > 0.0 && values >= rule.high);
  }
}

void ReduceMoments(const Eigen::ArrayXd& values, Index unit,
                   UnitSummary& summary) {
  if (values.size() == 0) return;
  // In long double, so that the mean of equal values is exactly that value and
  // a sum near the end of the range does not overflow.
  const auto mean =
      static_cast<double>(values.cast<long double>().eval().mean());
  summary.mean[unit] = mean;
  summary.m2[unit] = (values - mean).square().sum();
  summary.abs_sum[unit] = values.abs().sum();
  summary.min[unit] = values.minCoeff();
  summary.max[unit] = values.maxCoeff();
}

// The chosen values that are observations.
QuantileSketch SketchOf(const TensorView& view, const Entries& entries) {
  QuantileSketch sketch;
  const std::int64_t count = view.layout.element_count();
  const std::int64_t size = SampleSize(count);
  for (std::int64_t pick = 0; pick < size; ++pick) {
    const Entry entry = Locate(view, SampledEntry(pick, size, count));
    const Index row = entry.cluster * entries.positions + entry.position;
    if (!entries.observed(row, entry.unit)) continue;
    constexpr double kLargest = std::numeric_limits<double>::max();
    sketch.Add(std::clamp(entries.stored(row, entry.unit) * view.scale,
                          -kLargest, kLargest));
  }
  return sketch;
}

}  // namespace

absl::StatusOr<UnitSummary> ReduceReference(const TensorView& view,
                                            const ReduceOptions& options) {
  if (absl::Status status =
          CheckMaskAndScale(view.layout, view.validity_mask, view.scale);
      !status.ok()) {
    return status;
  }
  Entries entries = ReadEntries(view);
  if (options.zeros_may_be_underflow) {
    DropAmbiguousZeros(view.layout.dtype(), entries);
  }

  const Index units = view.layout.unit_count();
  ColumnSet columns = options.columns;
  columns.firings = columns.firings && options.rule.counts();
  columns.clusters = columns.clusters && view.layout.cluster_axis().has_value();
  UnitSummary summary(units, columns);
  CountArray observations(units);
  CountArray non_finite(units);
  for (Index unit = 0; unit < units; ++unit) {
    const Eigen::ArrayXd stored =
        Observations(entries, unit, 0, entries.stored.rows());
    const Eigen::ArrayXd values = stored * view.scale;
    observations[unit] = static_cast<std::uint64_t>(stored.size());
    non_finite[unit] =
        static_cast<std::uint64_t>(entries.non_finite.col(unit).count());
    if (columns.firings) {
      summary.firings[unit] = CountFirings(options.rule, view.scale, stored);
    }
    if (columns.gate) {
      ReduceGate(options.rule, view.scale, stored, unit, summary);
    }
    if (columns.moments) ReduceMoments(values, unit, summary);
  }
  summary.observations = UnitCounts::FromArray(observations);
  summary.non_finite = UnitCounts::FromArray(non_finite);
  if (columns.clusters) {
    ReduceClusters(entries, options, view.scale, summary);
  }
  if (columns.moments) summary.sketch = SketchOf(view, entries);
  return summary;
}

}  // namespace firekeeper::core
