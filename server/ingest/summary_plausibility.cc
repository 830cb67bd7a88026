#include "server/ingest/summary_plausibility.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firekeeper/v1/summary.pb.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

using core::CountArray;
using core::Index;
using core::UnitCounts;

// No tensor has as many entries of one unit. Bounded so that the counts of a
// window cannot wrap and turn k <= n around.
constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 40U;

// Without a branch: nearly every unit passes, and there are many.
bool AreAtMost(const CountArray& counts, const CountArray& bound) {
  bool exceeds = false;
  for (Index i = 0; i < counts.size(); ++i) exceeds |= counts[i] > bound[i];
  return !exceeds;
}

bool AreAtMost(const CountArray& counts, const UnitCounts& bound) {
  if (bound.is_uniform()) return counts.maxCoeff() <= bound.Max();
  return AreAtMost(counts, bound.ToArray());
}

// Fails where counts[i] > bound[i] for some unit; an absent column has no
// entries and passes.
template <typename Bound>
absl::Status CheckAtMost(v1::SummaryColumn column, const CountArray& counts,
                         v1::SummaryColumn bound_column, const Bound& bound) {
  if (counts.size() == 0 || AreAtMost(counts, bound)) return absl::OkStatus();
  Index unit = 0;
  while (counts[unit] <= bound[unit]) ++unit;
  return FieldError(
      "columns",
      absl::StrCat(v1::SummaryColumn_Name(column), " of unit ", unit, " is ",
                   counts[unit], "; at most ",
                   v1::SummaryColumn_Name(bound_column), ", ", bound[unit]));
}

absl::Status CheckCeiling(v1::SummaryColumn column, const UnitCounts& counts) {
  if (const std::uint64_t max = counts.Max(); max > kMaxCount) {
    return FieldError("columns",
                      absl::StrCat(v1::SummaryColumn_Name(column), " is ", max,
                                   "; at most ", kMaxCount));
  }
  return absl::OkStatus();
}

absl::Status CheckObservations(const core::UnitSummary& summary) {
  if (absl::Status status =
          CheckCeiling(v1::SUMMARY_COLUMN_OBSERVATIONS, summary.observations);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckCeiling(v1::SUMMARY_COLUMN_NON_FINITE, summary.non_finite);
      !status.ok()) {
    return status;
  }
  const std::array<std::pair<v1::SummaryColumn, const CountArray*>, 5> counts{
      {{v1::SUMMARY_COLUMN_FIRINGS, &summary.firings},
       {v1::SUMMARY_COLUMN_POSITIVES, &summary.positives},
       {v1::SUMMARY_COLUMN_CLOSED_HIGH, &summary.closed_high},
       {v1::SUMMARY_COLUMN_ZEROS, &summary.zeros},
       {v1::SUMMARY_COLUMN_PROVEN, &summary.proven}}};
  for (const auto& [column, values] : counts) {
    if (absl::Status status =
            CheckAtMost(column, *values, v1::SUMMARY_COLUMN_OBSERVATIONS,
                        summary.observations);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckClusters(const core::UnitSummary& summary) {
  if (!summary.columns.clusters) return absl::OkStatus();
  if (absl::Status status =
          CheckAtMost(v1::SUMMARY_COLUMN_CLUSTERS, summary.clusters.ToArray(),
                      v1::SUMMARY_COLUMN_OBSERVATIONS, summary.observations);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckAtMost(
          v1::SUMMARY_COLUMN_FIRING_CLUSTERS, summary.firing_clusters,
          v1::SUMMARY_COLUMN_CLUSTERS, summary.clusters);
      !status.ok()) {
    return status;
  }
  return CheckAtMost(v1::SUMMARY_COLUMN_FIRING_CLUSTERS,
                     summary.firing_clusters, v1::SUMMARY_COLUMN_FIRINGS,
                     summary.firings);
}

absl::Status RealError(v1::SummaryColumn column, Index unit, double value,
                       const char* wanted) {
  return FieldError(
      "columns", absl::StrCat(v1::SummaryColumn_Name(column), " of unit ", unit,
                              " is ", value, "; must be ", wanted));
}

bool AreReals(const core::UnitSummary& summary, Index unit) {
  const double abs_sum = summary.abs_sum[unit];
  const double mean = summary.mean[unit];
  const double m2 = summary.m2[unit];
  const double min = summary.min[unit];
  const double max = summary.max[unit];
  // The difference of a number from itself is zero only if it is finite.
  const double nothing = (abs_sum - abs_sum) + (mean - mean) + (m2 - m2) +
                         (min - min) + (max - max);
  return nothing == 0.0 && abs_sum >= 0.0 && m2 >= 0.0 && min <= max;
}

// Requires: not AreReals().
absl::Status ExplainReals(const core::UnitSummary& summary, Index unit) {
  const std::array<std::pair<v1::SummaryColumn, double>, 5> reals{
      // The mean first: the sum may have been derived from it.
      {{v1::SUMMARY_COLUMN_MEAN, summary.mean[unit]},
       {v1::SUMMARY_COLUMN_ABS_SUM, summary.abs_sum[unit]},
       {v1::SUMMARY_COLUMN_M2, summary.m2[unit]},
       {v1::SUMMARY_COLUMN_MIN, summary.min[unit]},
       {v1::SUMMARY_COLUMN_MAX, summary.max[unit]}}};
  for (const auto& [column, value] : reals) {
    if (!std::isfinite(value)) return RealError(column, unit, value, "finite");
  }
  if (summary.abs_sum[unit] < 0.0) {
    return RealError(v1::SUMMARY_COLUMN_ABS_SUM, unit, summary.abs_sum[unit],
                     "not negative");
  }
  if (summary.m2[unit] < 0.0) {
    return RealError(v1::SUMMARY_COLUMN_M2, unit, summary.m2[unit],
                     "not negative");
  }
  return RealError(v1::SUMMARY_COLUMN_MIN, unit, summary.min[unit],
                   "at most SUMMARY_COLUMN_MAX");
}

absl::Status CheckMoments(const core::UnitSummary& summary) {
  if (!summary.columns.moments) return absl::OkStatus();
  for (Index i = 0; i < summary.unit_count(); ++i) {
    if (summary.observations[i] == 0 || AreReals(summary, i)) continue;
    return ExplainReals(summary, i);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPlausible(const core::UnitSummary& summary) {
  if (absl::Status status = CheckObservations(summary); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckClusters(summary); !status.ok()) {
    return status;
  }
  return CheckMoments(summary);
}

}  // namespace firekeeper::server
