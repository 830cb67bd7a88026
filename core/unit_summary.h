// The statistics of every unit of a layer for one signal: what a snapshot
// reduces to and what windows merge.
//
// UnitSummary is a commutative monoid: a fresh value of the same width and
// columns is the identity and Merge() the operation. Counts are exact under
// any order; floating sums agree to 1e-12 relative. unit_summary_test.cc
// proves it on random splits.
//
// Thread-compatible.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "core/quantile_sketch.h"
#include "core/signal.h"
#include "core/unit_counts.h"

namespace firekeeper::core {

// Which statistics a summary holds. observations and non_finite always are.
struct ColumnSet {
  bool firings = false;   // k
  bool clusters = false;  // nc, and kc where firings
  bool gate = false;      // positives, closed_high, zeros
  bool moments = false;   // abs_sum, mean, m2, min, max
  bool proof = false;     // proven

  friend bool operator==(const ColumnSet&, const ColumnSet&) = default;
};

// The columns a signal needs: ACTIVATION and PRE_ACTIVATION all; gradients
// firings, clusters and moments; the rest firings (WEIGHT and BIAS and the
// others count value > 0) and moments, WEIGHT the proof too. `counts` false
// drops firings.
[[nodiscard]] ColumnSet ColumnsFor(Signal signal, bool counts_firings);

// No firing was seen.
inline constexpr std::int64_t kNeverFired = -1;
// Nothing was observed.
inline constexpr std::int64_t kNeverSeen =
    std::numeric_limits<std::int64_t>::max();

// Arrays of absent columns are empty; all others have unit_count entries.
// A unit with observations == 0 has mean, m2, abs_sum 0, min +inf, max -inf.
struct UnitSummary {
  // The identity. Requires: units >= 0.
  UnitSummary(Index units, ColumnSet set);
  // The identity but for the arrays of counts and reals (not proven), which are
  // empty: for who sets every one of them. Requires: units >= 0.
  static UnitSummary Unfilled(Index units, ColumnSet set);

  [[nodiscard]] Index unit_count() const { return observations.unit_count(); }

  // Joins `other` as if its entries had been reduced here, its unit i being
  // unit offset + i. Fails with kInvalidArgument, changing nothing, if the
  // columns differ or the units do not fit.
  absl::Status MergeAt(Index offset, const UnitSummary& other);
  absl::Status Merge(const UnitSummary& other) { return MergeAt(0, other); }

  // Declares that all this was seen at `step`: last_firing_step where k > 0,
  // first_seen_step where n > 0. Requires: step >= 0.
  void StampStep(std::int64_t step);

  // Multiplies the columns of values by `factor` (scale, loss scale): counts
  // and the sketch stay. Requires: factor is finite and positive.
  void ScaleValues(double factor);

  ColumnSet columns;
  UnitCounts observations;     // n: finite, unmasked
  UnitCounts clusters;         // nc; columns.clusters
  CountArray firings;          // k; columns.firings
  CountArray firing_clusters;  // kc; columns.firings and .clusters
  CountArray positives;        // value > 0; columns.gate
  CountArray closed_high;      // gate closed, saturated high; columns.gate
  CountArray zeros;            // value == 0, either sign; columns.gate
  UnitCounts non_finite;       // NaN, infinite; in no other figure
  Eigen::ArrayXd abs_sum;      // columns.moments
  Eigen::ArrayXd mean;         // columns.moments
  Eigen::ArrayXd m2;           // squared distances from mean
  Eigen::ArrayXd min;          // columns.moments
  Eigen::ArrayXd max;          // columns.moments
  // Observations of snapshots that came with a proof that the unit cannot fire
  // (interval_proof.h); n where all of them did. columns.proof
  CountArray proven;
  // Of the values of all units together, chosen by value_sample.h: fewer than
  // the observations. Empty where the sender gave none.
  QuantileSketch sketch;
  StepArray last_firing_step;  // kNeverFired; columns.firings
  StepArray first_seen_step;   // kNeverSeen; always
};

// 32 bits of XXH3 (xxHash) of everything of a unit that is an integer or an
// exact extreme (all columns but abs_sum, mean, m2 and the steps). A tensor,
// its chunks in any cut and the summary a client computed of it give the same
// value.
[[nodiscard]] std::uint32_t Fingerprint(const UnitSummary& summary);

}  // namespace firekeeper::core
