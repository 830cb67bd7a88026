// Summaries and contributions in one line, for tests of windows and runs.

#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

#include "core/signal_track.h"
#include "core/unit_summary.h"
#include "core/window.h"

namespace firekeeper::testing {

// What ACTIVATION carries.
inline core::ColumnSet AllColumns() {
  return {.firings = true, .clusters = true, .gate = true, .moments = true};
}

// The same without examples: the step is the cluster.
inline core::ColumnSet ColumnsWithoutClusters() {
  core::ColumnSet columns = AllColumns();
  columns.clusters = false;
  return columns;
}

// Statistics of `values`, a row for each example and a column for each unit,
// which were observed at `step`. Every example is a cluster; a value > 0 fires.
inline core::UnitSummary SummaryOf(const Eigen::ArrayXXd& values,
                                   std::int64_t step,
                                   const core::ColumnSet& columns) {
  const auto n = static_cast<std::uint64_t>(values.rows());
  core::UnitSummary summary(values.cols(), columns);
  summary.observations.AddUniform(n);
  const core::CountArray positives =
      (values > 0.0).colwise().count().transpose().cast<std::uint64_t>();
  if (columns.firings) summary.firings = positives;
  if (columns.clusters) summary.clusters.AddUniform(n);
  if (columns.clusters && columns.firings) summary.firing_clusters = positives;
  if (columns.gate) {
    summary.positives = positives;
    summary.zeros =
        (values == 0.0).colwise().count().transpose().cast<std::uint64_t>();
  }
  if (columns.moments && n > 0) {
    summary.abs_sum = values.abs().colwise().sum().transpose();
    summary.mean = values.colwise().mean().transpose();
    summary.m2 = (values.rowwise() - values.colwise().mean())
                     .square()
                     .colwise()
                     .sum()
                     .transpose();
    summary.min = values.colwise().minCoeff().transpose();
    summary.max = values.colwise().maxCoeff().transpose();
    for (const double value : values.reshaped()) summary.sketch.Add(value);
  }
  summary.StampStep(step);
  return summary;
}

// `examples` observations of each unit, of which fired[i] are 1 and the rest 0.
// Requires: fired[i] <= examples.
inline core::UnitSummary FiringsOf(
    std::initializer_list<std::uint64_t> fired, std::uint64_t examples,
    std::int64_t step, const core::ColumnSet& columns = AllColumns()) {
  Eigen::ArrayXXd values =
      Eigen::ArrayXXd::Zero(static_cast<Eigen::Index>(examples),
                            static_cast<Eigen::Index>(fired.size()));
  Eigen::Index unit = 0;
  for (const std::uint64_t count : fired) {
    values.col(unit++).head(static_cast<Eigen::Index>(count)) = 1.0;
  }
  return SummaryOf(values, step, columns);
}

// Rectified normal values of 1 to 5 examples. Whoever asks for the same step,
// source and part gets the same summary.
inline core::UnitSummary RandomSummary(core::Index units,
                                       const core::Contribution& key,
                                       const core::ColumnSet& columns) {
  std::seed_seq seed{static_cast<std::uint32_t>(key.step), key.source,
                     key.part};
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(-0.5, 1e3);
  const auto rows =
      static_cast<Eigen::Index>(std::uniform_int_distribution(1, 5)(random));
  Eigen::ArrayXXd values(rows, units);
  for (Eigen::Index unit = 0; unit < units; ++unit) {
    for (Eigen::Index row = 0; row < rows; ++row) {
      values(row, unit) = std::max(0.0, normal(random));
    }
  }
  return SummaryOf(values, key.step, columns);
}

// A contribution with its content.
struct Delivery {
  core::Contribution key;
  core::UnitSummary summary;
  bool cluster_is_step = false;
};

// Every source, step and part of `sources` sources which each hold `units`
// units, the even ones as examples, the odd ones without.
inline std::vector<Delivery> RandomDeliveries(core::StepRange steps,
                                              std::uint32_t sources,
                                              std::uint32_t parts,
                                              core::Index units) {
  std::vector<Delivery> deliveries;
  for (std::int64_t step = steps.first; step < steps.end; ++step) {
    for (std::uint32_t source = 0; source < sources; ++source) {
      for (std::uint32_t part = 0; part < parts; ++part) {
        core::Contribution key{
            .source = source, .data_shard = source, .step = step, .part = part};
        const bool by_step = source % 2 == 1;
        core::UnitSummary summary = RandomSummary(
            units, key, by_step ? ColumnsWithoutClusters() : AllColumns());
        key.fingerprint = core::Fingerprint(summary);
        deliveries.push_back({.key = key,
                              .summary = std::move(summary),
                              .cluster_is_step = by_step});
      }
    }
  }
  return deliveries;
}

// Equal integers, steps and extremes; sums within 1e-12 relative.
inline bool SameStatistics(const core::UnitSummary& a,
                           const core::UnitSummary& b) {
  const auto close = [](const Eigen::ArrayXd& x, const Eigen::ArrayXd& y) {
    return ((x - y).abs() <= 1e-12 * x.abs().max(y.abs())).all();
  };
  return core::Fingerprint(a) == core::Fingerprint(b) && a.sketch == b.sketch &&
         (a.last_firing_step == b.last_firing_step).all() &&
         (a.first_seen_step == b.first_seen_step).all() &&
         close(a.abs_sum, b.abs_sum) && close(a.mean, b.mean) &&
         close(a.m2, b.m2);
}

}  // namespace firekeeper::testing
