#include "core/unit_summary.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

// The hash is compiled in: its state then needs no allocation.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "core/moments.h"

namespace firekeeper::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

CountArray Zeros(Index units, bool present) {
  return CountArray::Zero(present ? units : 0);
}

Eigen::ArrayXd Reals(Index units, bool present, double value) {
  return Eigen::ArrayXd::Constant(present ? units : 0, value);
}

void AddSegment(CountArray& counts, Index offset, const CountArray& other) {
  if (other.size() == 0) return;
  counts.segment(offset, other.size()) += other;
}

// Requires: n of both sides is still that of before the merge.
void MergeMoments(UnitSummary& to, Index offset, const UnitSummary& from) {
  const Index units = from.unit_count();
  for (Index i = 0; i < units; ++i) {
    const Index unit = offset + i;
    const Moments joined =
        Join({.count = static_cast<double>(to.observations[unit]),
              .mean = to.mean[unit],
              .m2 = to.m2[unit]},
             {.count = static_cast<double>(from.observations[i]),
              .mean = from.mean[i],
              .m2 = from.m2[i]});
    to.mean[unit] = joined.mean;
    to.m2[unit] = joined.m2;
  }
  to.abs_sum.segment(offset, units) += from.abs_sum;
  to.min.segment(offset, units) = to.min.segment(offset, units).min(from.min);
  to.max.segment(offset, units) = to.max.segment(offset, units).max(from.max);
}

static_assert(std::endian::native == std::endian::little,
              "a fingerprint is taken over little-endian values");

// XXH3 over values one after another.
class Hash {
 public:
  Hash() { XXH3_64bits_reset(&state_); }

  void Add(std::uint64_t value) { AddBytes(&value, sizeof(value)); }
  void Add(const CountArray& values) {
    AddBytes(values.data(),
             sizeof(std::uint64_t) * static_cast<std::size_t>(values.size()));
  }
  void Add(const UnitCounts& counts) {
    // Units that agree are told as one, whatever form they are in.
    const bool agree = counts.AllEqual();
    Add(std::uint64_t{agree ? 1U : 0U});
    if (!agree) return Add(counts.ToArray());
    if (counts.unit_count() > 0) Add(counts[0]);
  }
  // Both zeros count as the same extreme: which one wins depends on the order.
  void Add(const Eigen::ArrayXd& values) {
    const Eigen::ArrayXd plain = values + 0.0;
    AddBytes(plain.data(),
             sizeof(double) * static_cast<std::size_t>(plain.size()));
  }

  [[nodiscard]] std::uint32_t Short() const {
    return static_cast<std::uint32_t>(XXH3_64bits_digest(&state_));
  }

 private:
  void AddBytes(const void* data, std::size_t size) {
    if (size > 0) XXH3_64bits_update(&state_, data, size);
  }

  XXH3_state_t state_;
};

std::uint64_t ColumnBits(const ColumnSet& columns) {
  return (columns.firings ? 1U : 0U) | (columns.clusters ? 2U : 0U) |
         (columns.gate ? 4U : 0U) | (columns.moments ? 8U : 0U) |
         (columns.proof ? 16U : 0U);
}

}  // namespace

ColumnSet ColumnsFor(Signal signal, bool counts_firings) {
  switch (signal) {
    case Signal::kActivation:
    case Signal::kPreActivation:
      return {.firings = counts_firings,
              .clusters = true,
              .gate = true,
              .moments = true};
    case Signal::kOutputGradient:
    case Signal::kWeightGradient:
      return {.firings = counts_firings, .clusters = true, .moments = true};
    case Signal::kWeight:
      return {.firings = counts_firings, .moments = true, .proof = true};
    case Signal::kBias:
    case Signal::kWeightUpdate:
    case Signal::kInput:
    case Signal::kTarget:
      break;
  }
  return {.firings = counts_firings, .moments = true};
}

UnitSummary::UnitSummary(Index units, ColumnSet set)
    : columns(set),
      observations(units),
      clusters(set.clusters ? units : 0),
      firings(Zeros(units, set.firings)),
      firing_clusters(Zeros(units, set.firings && set.clusters)),
      positives(Zeros(units, set.gate)),
      closed_high(Zeros(units, set.gate)),
      zeros(Zeros(units, set.gate)),
      non_finite(units),
      abs_sum(Reals(units, set.moments, 0.0)),
      mean(Reals(units, set.moments, 0.0)),
      m2(Reals(units, set.moments, 0.0)),
      min(Reals(units, set.moments, kInfinity)),
      max(Reals(units, set.moments, -kInfinity)),
      proven(Zeros(units, set.proof)),
      last_firing_step(
          StepArray::Constant(set.firings ? units : 0, kNeverFired)),
      first_seen_step(StepArray::Constant(units, kNeverSeen)) {
  assert(units >= 0);
}

UnitSummary UnitSummary::Unfilled(Index units, ColumnSet set) {
  assert(units >= 0);
  UnitSummary summary(0, set);
  summary.observations = UnitCounts(units);
  summary.non_finite = UnitCounts(units);
  summary.clusters = UnitCounts(set.clusters ? units : 0);
  summary.proven = Zeros(units, set.proof);
  summary.last_firing_step =
      StepArray::Constant(set.firings ? units : 0, kNeverFired);
  summary.first_seen_step = StepArray::Constant(units, kNeverSeen);
  return summary;
}

absl::Status UnitSummary::MergeAt(Index offset, const UnitSummary& other) {
  if (!(columns == other.columns)) {
    return absl::InvalidArgumentError(
        "cannot merge summaries with different columns");
  }
  const Index units = other.unit_count();
  if (offset < 0 || units > unit_count() || offset > unit_count() - units) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot merge ", units, " units at ", offset,
                     " into a summary of ", unit_count()));
  }

  if (columns.moments) MergeMoments(*this, offset, other);
  observations.AddAt(offset, other.observations);
  non_finite.AddAt(offset, other.non_finite);
  if (columns.clusters) clusters.AddAt(offset, other.clusters);
  AddSegment(firings, offset, other.firings);
  AddSegment(firing_clusters, offset, other.firing_clusters);
  AddSegment(positives, offset, other.positives);
  AddSegment(closed_high, offset, other.closed_high);
  AddSegment(zeros, offset, other.zeros);
  AddSegment(proven, offset, other.proven);
  sketch.Merge(other.sketch);
  if (columns.firings) {
    auto last = last_firing_step.segment(offset, units);
    last = last.max(other.last_firing_step);
  }
  auto first = first_seen_step.segment(offset, units);
  first = first.min(other.first_seen_step);
  return absl::OkStatus();
}

void UnitSummary::StampStep(std::int64_t step) {
  assert(step >= 0);
  for (Index unit = 0; unit < unit_count(); ++unit) {
    if (observations[unit] > 0) {
      first_seen_step[unit] = std::min(first_seen_step[unit], step);
    }
    if (columns.firings && firings[unit] > 0) {
      last_firing_step[unit] = std::max(last_firing_step[unit], step);
    }
  }
}

void UnitSummary::ScaleValues(double factor) {
  assert(std::isfinite(factor) && factor > 0.0);
  abs_sum *= factor;
  mean *= factor;
  // Twice, because the square of a representable factor may not be one.
  m2 = m2 * factor * factor;
  min *= factor;
  max *= factor;
}

std::uint32_t Fingerprint(const UnitSummary& summary) {
  Hash hash;
  hash.Add(static_cast<std::uint64_t>(summary.unit_count()));
  hash.Add(ColumnBits(summary.columns));
  hash.Add(summary.observations);
  hash.Add(summary.non_finite);
  hash.Add(summary.clusters);
  hash.Add(summary.firings);
  hash.Add(summary.firing_clusters);
  hash.Add(summary.positives);
  hash.Add(summary.closed_high);
  hash.Add(summary.zeros);
  hash.Add(summary.min);
  hash.Add(summary.max);
  hash.Add(summary.proven);
  return hash.Short();
}

}  // namespace firekeeper::core
