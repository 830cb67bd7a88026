#include "core/unit_accumulator.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

#include "core/kernels/plane_kernel.h"
#include "core/moments.h"
#include "core/stored_value.h"

namespace firekeeper::core {
namespace {

// STATISTICS.md 4.5: zeros beside values this many smallest normals large are
// true zeros.
constexpr double kUnderflowMargin = 1000.0;

// Entries to look at for one that is large enough, before the slower way with
// zeros apart: in practice one of the first few is.
constexpr Index kLookAhead = 64;

// Units of a block on the exact way that are read together: a cache line.
constexpr Index kExactUnits = 16;

}  // namespace

void UnitAccumulator::Begin(DataType dtype, Index units,
                            const ReduceOptions& options, double scale,
                            Clusters clusters) {
  assert(units >= 0);
  dtype_ = dtype;
  units_ = units;
  columns_ = options.columns;
  columns_.clusters = columns_.clusters && clusters != Clusters::kNone;
  columns_.firings = columns_.firings && options.rule.counts();
  scale_ = scale;
  clusters_ = columns_.clusters ? clusters : Clusters::kNone;
  comparisons_ = CompareStored(options.rule, dtype, scale);
  zeros_wait_ = options.zeros_may_be_underflow;
  largest_ = 0.0;
  tile_buffer_.ExpectNonNegative(true);
  state_.Reset(static_cast<std::size_t>(units), comparisons_.limit_count,
               clusters_ == Clusters::kMarked);
  exact_.resize(std::max(kernels::kMaxRun, kExactUnits * kMaxRows));
}

void UnitAccumulator::AddRows(Index first_unit, Index unit_count,
                              std::span<const std::byte* const> rows) {
  assert(rows.size() <= kMaxRows);
  assert(first_unit >= 0 && first_unit + unit_count <= units_);
  if (rows.empty()) return;
  LookAhead(rows.front(), unit_count);
  const auto tile_width = static_cast<Index>(kernels::TileWidth(dtype_));
  for (Index begin = 0; begin < unit_count; begin += tile_width) {
    AddTile(first_unit, begin, std::min(tile_width, unit_count - begin), rows);
  }
}

void UnitAccumulator::AddTile(Index first_unit, Index begin, Index width,
                              std::span<const std::byte* const> rows) {
  const auto offset = static_cast<std::size_t>(begin) * SizeOf(dtype_);
  const Index first = first_unit + begin;
  std::array<std::uint32_t, kernels::kMaxTileWidth> left_out;
  const std::size_t left =
      kernels::AddTile({.dtype = dtype_,
                        .rows = rows,
                        .byte_offset = offset,
                        .first_unit = static_cast<std::size_t>(first),
                        .width = static_cast<std::size_t>(width),
                        .skip_zeros = zeros_wait_},
                       comparisons_, state_, tile_buffer_, left_out);
  for (std::size_t i = 0; i < left;) {
    // Neighbours are read together.
    std::size_t end = i + 1;
    while (end < left && left_out[end] == left_out[end - 1] + 1) ++end;
    const Index column = left_out[i];
    AddExactly(first + column, static_cast<Index>(end - i), rows,
               offset + static_cast<std::size_t>(column) * SizeOf(dtype_));
    i = end;
  }
  for (Index unit = first; zeros_wait_ && unit < first + width; ++unit) {
    const auto u = static_cast<std::size_t>(unit);
    Watch(state_.min[u], state_.max[u]);
  }
}

void UnitAccumulator::AddExactly(Index first_unit, Index unit_count,
                                 std::span<const std::byte* const> rows,
                                 std::size_t byte_offset) {
  const auto size = static_cast<Index>(SizeOf(dtype_));
  const auto row_count = static_cast<Index>(rows.size());
  double* const values = exact_.data();
  for (Index begin = 0; begin < unit_count; begin += kExactUnits) {
    const Index width = std::min(kExactUnits, unit_count - begin);
    for (Index row = 0; row < row_count; ++row) {
      const std::byte* const entry =
          rows[static_cast<std::size_t>(row)] + byte_offset + begin * size;
      for (Index i = 0; i < width; ++i) {
        values[i * row_count + row] = LoadStored(dtype_, entry + i * size);
      }
    }
    for (Index i = 0; i < width; ++i) {
      Fold(first_unit + begin + i,
           kernels::ReduceExactly({values + i * row_count, rows.size()},
                                  comparisons_, zeros_wait_));
    }
  }
}

void UnitAccumulator::AddRun(Index unit, const std::byte* values,
                             std::size_t count) {
  assert(unit >= 0 && unit < units_);
  const std::size_t size = SizeOf(dtype_);
  LookAhead(values, static_cast<Index>(count));
  while (count > 0) {
    const std::size_t length = std::min(count, kernels::kMaxRun);
    kernels::Piece piece;
    if (!kernels::ReduceRun(dtype_, values, length, comparisons_, zeros_wait_,
                            piece)) {
      for (std::size_t i = 0; i < length; ++i) {
        exact_[i] = LoadStored(dtype_, values + i * size);
      }
      piece = kernels::ReduceExactly({exact_.data(), length}, comparisons_,
                                     zeros_wait_);
    }
    Fold(unit, piece);
    values += length * size;
    count -= length;
  }
}

void UnitAccumulator::Fold(Index unit, const kernels::Piece& piece) {
  const auto u = static_cast<std::size_t>(unit);
  const Moments joined = Join(
      {.count = state_.count[u], .mean = state_.mean[u], .m2 = state_.m2[u]},
      piece.moments);
  state_.count[u] = joined.count;
  state_.mean[u] = joined.mean;
  state_.m2[u] = joined.m2;
  state_.abs_sum[u] += piece.abs_sum;
  state_.min[u] = std::min(state_.min[u], piece.min);
  state_.max[u] = std::max(state_.max[u], piece.max);
  state_.non_finite[u] += piece.non_finite;
  for (std::size_t i = 0; i < comparisons_.limit_count; ++i) {
    state_.at_least[i][u] += piece.at_least[i];
  }
  if (clusters_ == Clusters::kMarked) {
    const std::uint64_t zeros = Comparisons::Zeros(piece.at_least);
    const std::uint64_t firings =
        comparisons_.Firings(piece.finite, piece.at_least);
    const std::uint64_t zero_firings = comparisons_.zero_fires ? zeros : 0;
    state_.seen[u] |=
        (piece.finite > 0 ? kernels::kSeenFinite : 0U) |
        (firings > 0 ? kernels::kSeenFiring : 0U) |
        (piece.finite > zeros ? kernels::kSeenNonZero : 0U) |
        (firings > zero_firings ? kernels::kSeenNonZeroFiring : 0U);
  }
  if (zeros_wait_) Watch(piece.min, piece.max);
}

void UnitAccumulator::LookAhead(const std::byte* values, Index count) {
  const auto size = static_cast<Index>(SizeOf(dtype_));
  const Index end = std::min(count, kLookAhead) * size;
  for (Index at = 0; zeros_wait_ && at < end; at += size) {
    const double value = LoadStored(dtype_, values + at);
    if (std::isfinite(value)) Watch(value, value);
  }
}

void UnitAccumulator::Watch(double min, double max) {
  if (min > max) return;  // nothing but zeros
  largest_ = std::max({largest_, std::abs(min), std::abs(max)});
  if (largest_ >= kUnderflowMargin * SmallestNormal(dtype_)) AdmitZeros();
}

void UnitAccumulator::AdmitZeros() {
  zeros_wait_ = false;
  for (std::size_t u = 0; u < state_.count.size(); ++u) {
    const std::uint64_t zeros = state_.at_least[Comparisons::kNotNegative][u] -
                                state_.at_least[Comparisons::kPositive][u];
    if (zeros == 0) continue;
    const Moments joined = Join(
        {.count = state_.count[u], .mean = state_.mean[u], .m2 = state_.m2[u]},
        {.count = static_cast<double>(zeros)});
    state_.count[u] = joined.count;
    state_.mean[u] = joined.mean;
    state_.m2[u] = joined.m2;
    state_.min[u] = std::min(state_.min[u], 0.0);
    state_.max[u] = std::max(state_.max[u], 0.0);
  }
}

void UnitAccumulator::EndCluster() {
  if (clusters_ != Clusters::kMarked) return;
  for (std::size_t u = 0; u < state_.seen.size(); ++u) {
    const std::uint32_t seen = state_.seen[u];
    state_.seen[u] = 0;
    state_.clusters[u] += (seen & kernels::kSeenFinite) != 0 ? 1U : 0U;
    state_.firing_clusters[u] += (seen & kernels::kSeenFiring) != 0 ? 1U : 0U;
    state_.non_zero_clusters[u] +=
        (seen & kernels::kSeenNonZero) != 0 ? 1U : 0U;
    state_.non_zero_firing_clusters[u] +=
        (seen & kernels::kSeenNonZeroFiring) != 0 ? 1U : 0U;
  }
}

UnitSummary UnitAccumulator::Finish() {
  // The exponents of the other dtypes reach so far down that a tensor of zeros
  // is one of true zeros.
  if (zeros_wait_ && largest_ == 0.0 && dtype_ != DataType::kF16) AdmitZeros();
  const bool zeros_count = !zeros_wait_;
  auto summary = UnitSummary::Unfilled(units_, columns_);
  FillCounts(summary, zeros_count);
  if (columns_.clusters) FillClusters(summary, zeros_count);
  if (columns_.moments) FillMoments(summary);
  return summary;
}

Eigen::Map<const CountArray> UnitAccumulator::AtLeastLimit(
    std::size_t limit) const {
  return {state_.at_least[limit].data(), units_};
}

// Comparisons::Firings() of all units.
CountArray UnitAccumulator::Firings(const CountArray& entries) const {
  CountArray firings = CountArray::Zero(units_);
  if (comparisons_.firing_entries != 0) firings = entries;
  for (std::size_t i = 0; i < comparisons_.limit_count; ++i) {
    if (comparisons_.firing_signs[i] > 0) firings += AtLeastLimit(i);
    if (comparisons_.firing_signs[i] < 0) firings -= AtLeastLimit(i);
  }
  return firings;
}

void UnitAccumulator::FillCounts(UnitSummary& summary, bool zeros_count) const {
  CountArray observations =
      Eigen::Map<const Eigen::ArrayXd>(state_.count.data(), units_)
          .cast<std::uint64_t>();
  const CountArray zeros = AtLeastLimit(Comparisons::kNotNegative) -
                           AtLeastLimit(Comparisons::kPositive);
  if (columns_.firings && zeros_count) {
    summary.firings = Firings(observations);
  } else if (columns_.firings) {
    // Zeros were compared, and are no observations.
    summary.firings = Firings(observations + zeros);
    if (comparisons_.zero_fires) summary.firings -= zeros;
  }
  if (columns_.gate) {
    summary.positives = AtLeastLimit(Comparisons::kPositive);
    const bool closes =
        comparisons_.closed_high_limit < comparisons_.limit_count;
    summary.closed_high =
        closes ? CountArray(AtLeastLimit(comparisons_.closed_high_limit))
               : CountArray::Zero(units_);
    summary.zeros = zeros_count ? zeros : CountArray::Zero(units_);
  }
  summary.observations = UnitCounts::FromArray(std::move(observations));
  summary.non_finite = UnitCounts::FromArray(
      Eigen::Map<const CountArray>(state_.non_finite.data(), units_));
}

void UnitAccumulator::FillClusters(UnitSummary& summary,
                                   bool zeros_count) const {
  if (clusters_ == Clusters::kEntry) {
    summary.clusters = summary.observations;
    if (columns_.firings) summary.firing_clusters = summary.firings;
    return;
  }
  const auto& seen = zeros_count ? state_.clusters : state_.non_zero_clusters;
  const auto& firing =
      zeros_count ? state_.firing_clusters : state_.non_zero_firing_clusters;
  const auto array = [this](const std::vector<std::uint64_t>& counts) {
    return Eigen::Map<const CountArray>(counts.data(), units_);
  };
  summary.clusters = UnitCounts::FromArray(array(seen));
  if (columns_.firings) summary.firing_clusters = array(firing);
}

void UnitAccumulator::FillMoments(UnitSummary& summary) const {
  const auto array = [this](const std::vector<double>& values) {
    return Eigen::Map<const Eigen::ArrayXd>(values.data(), units_);
  };
  summary.abs_sum = array(state_.abs_sum);
  summary.mean = array(state_.mean);
  summary.m2 = array(state_.m2);
  summary.min = array(state_.min);
  summary.max = array(state_.max);
  if (scale_ != 1.0) summary.ScaleValues(scale_);
}

std::size_t UnitAccumulator::MemoryUsed() const {
  return state_.MemoryUsed() + tile_buffer_.MemoryUsed() +
         exact_.capacity() * sizeof(double);
}

}  // namespace firekeeper::core
