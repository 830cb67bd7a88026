// One window of one signal of a layer, units taken together: what the diagnosis
// and the queries read, small enough to keep for many windows.

#pragma once

#include <cstdint>
#include <optional>

#include "core/unit_summary.h"
#include "core/window_plan.h"

namespace firekeeper::core {

// Figures of columns that the summary does not hold are empty or 0; has_moments
// and firing_ratio tell. "Pooled" is over every finite observation of every
// unit; "observed" units have at least one.
struct SignalDigest {
  StepRange steps;
  std::uint64_t unit_count = 0;
  std::uint64_t units = 0;               // observed
  std::uint64_t observations = 0;        // of the best observed unit
  std::uint64_t clusters = 0;            // of the best observed unit
  std::uint64_t total_observations = 0;  // of all units
  std::uint64_t non_finite = 0;          // of all units
  // Observed units with k = 0; where firing_ratio has a value.
  std::uint64_t units_never_fired = 0;
  // Observed units whose every value was > 0; where zero_ratio has a value.
  std::uint64_t units_always_positive = 0;
  // Observed units whose every value was 0, and those whose every value was
  // the same; where has_moments.
  std::uint64_t units_all_zero = 0;
  std::uint64_t units_constant = 0;
  // Mean over observed units of k / n.
  std::optional<double> firing_ratio;
  // Share of exact zeros, pooled.
  std::optional<double> zero_ratio;

  // The rest needs the moments and an observation; 0 without.
  bool has_moments = false;
  double mean = 0.0;
  double mean_absolute = 0.0;
  double root_mean_square = 0.0;
  double standard_deviation = 0.0;
  double min = 0.0;
  double max = 0.0;
  // Means over observed units of mean_i^2 and of variance_i.
  double mean_square_of_means = 0.0;
  double mean_variance = 0.0;
  // How far the units differ: the largest range over observed units of their
  // mean, root mean square, min and max, over the pooled root mean square. 0
  // where all have the same statistics; at most 1e-6 means identical rows.
  double unit_spread = 0.0;
  // Where the unit means are shares (none negative, sum 1 to 1e-6): their
  // entropy in nats. Of one-hot targets this is the cross-entropy of guessing
  // by class frequency.
  std::optional<double> share_entropy;

  friend bool operator==(const SignalDigest&, const SignalDigest&) = default;
};

// `clusters`: of the best observed unit; a Window corrects what its summary
// says (Window::Clusters). 0 where the signal has none.
[[nodiscard]] SignalDigest DigestOf(const UnitSummary& summary,
                                    const StepRange& steps,
                                    std::uint64_t clusters);
// The same with the clusters of the summary.
[[nodiscard]] SignalDigest DigestOf(const UnitSummary& summary,
                                    const StepRange& steps);

// Pairwise cosine of the examples as the units of this signal show them:
//   c = sum mean_i^2 / sum (mean_i^2 + variance_i)   (STATISTICS.md 6.2),
// less what the mean of few examples adds. Empty without moments, with fewer
// than two examples, or where every value is 0.
[[nodiscard]] std::optional<double> CosineOf(const SignalDigest& digest);

// ||mean|| / ||standard deviation|| over the units, corrected likewise;
// infinite where nothing varies. Empty where CosineOf is.
[[nodiscard]] std::optional<double> OffsetOf(const SignalDigest& digest);

// Independent examples that a unit was seen on: clusters where there is more
// than one, otherwise observations.
[[nodiscard]] std::uint64_t ExamplesOf(const SignalDigest& digest);

}  // namespace firekeeper::core
