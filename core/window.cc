#include "core/window.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace firekeeper::core {
namespace {

// The same summary with cluster columns that count nothing.
UnitSummary WithoutClusters(const UnitSummary& summary) {
  UnitSummary result = summary;
  result.columns.clusters = true;
  result.clusters = UnitCounts(summary.unit_count(), 0);
  if (summary.columns.firings) {
    result.firing_clusters = CountArray::Zero(summary.unit_count());
  }
  return result;
}

// A slot of a hash map that is half full, and a shard's node in the worst case.
constexpr std::size_t kContributionBytes = 128;

// Two bits a unit, and the node that holds them.
std::size_t StepClusterBytes(Index units) {
  return 128 + static_cast<std::size_t>(units) / 4;
}

void AddBits(const std::vector<bool>& bits, CountArray* counts) {
  for (std::size_t unit = 0; unit < bits.size(); ++unit) {
    (*counts)[static_cast<Index>(unit)] += bits[unit] ? 1U : 0U;
  }
}

}  // namespace

Window::Window(StepRange steps, Index units, ColumnSet columns)
    : steps_(steps), merged_(units, columns) {
  assert(steps.first < steps.end);
}

MergeOutcome Window::Probe(const Contribution& contribution) const {
  const auto found =
      seen_.find({contribution.data_shard, contribution.first_unit,
                  contribution.step, contribution.part});
  if (found == seen_.end()) return MergeOutcome::kMerged;
  if (found->second.source != contribution.source) return MergeOutcome::kCopy;
  return found->second.fingerprint == contribution.fingerprint
             ? MergeOutcome::kDuplicate
             : MergeOutcome::kConflicting;
}

absl::StatusOr<MergeOutcome> Window::Add(const Contribution& contribution,
                                         const UnitSummary& summary,
                                         bool cluster_is_step) {
  assert(steps_.Contains(contribution.step));
  const MergeOutcome outcome = Probe(contribution);
  if (outcome != MergeOutcome::kMerged) return outcome;

  const bool counts_steps = cluster_is_step && merged_.columns.clusters;
  const absl::Status merged =
      counts_steps
          ? merged_.MergeAt(contribution.first_unit, WithoutClusters(summary))
          : merged_.MergeAt(contribution.first_unit, summary);
  if (!merged.ok()) return merged;
  if (counts_steps) MergeStepCluster(contribution, summary);

  seen_.emplace(Place{contribution.data_shard, contribution.first_unit,
                      contribution.step, contribution.part},
                Filled{contribution.source, contribution.fingerprint});
  shards_[contribution.first_unit].insert(contribution.data_shard);
  return outcome;
}

void Window::MergeStepCluster(const Contribution& contribution,
                              const UnitSummary& summary) {
  const auto units = static_cast<std::size_t>(merged_.unit_count());
  StepCluster& cluster = step_clusters_[contribution.step];
  if (cluster.observed.size() != units) {
    cluster.observed.assign(units, false);
    cluster.fired.assign(units, false);
  }
  for (Index i = 0; i < summary.unit_count(); ++i) {
    const auto unit = static_cast<std::size_t>(contribution.first_unit + i);
    if (summary.observations[i] > 0) cluster.observed[unit] = true;
    if (summary.columns.firings && summary.firings[i] > 0) {
      cluster.fired[unit] = true;
    }
  }
}

UnitCounts Window::Clusters() const {
  if (step_clusters_.empty()) return merged_.clusters;
  CountArray clusters = merged_.clusters.ToArray();
  for (const auto& [step, cluster] : step_clusters_) {
    AddBits(cluster.observed, &clusters);
  }
  return UnitCounts::FromArray(clusters);
}

CountArray Window::FiringClusters() const {
  CountArray clusters = merged_.firing_clusters;
  for (const auto& [step, cluster] : step_clusters_) {
    AddBits(cluster.fired, &clusters);
  }
  return clusters;
}

UnitSummary Window::Summary() const {
  UnitSummary summary = merged_;
  if (step_clusters_.empty()) return summary;
  summary.clusters = Clusters();
  if (summary.columns.firings) summary.firing_clusters = FiringClusters();
  return summary;
}

std::uint32_t Window::ShardsReceived(Index first_unit) const {
  const auto found = shards_.find(first_unit);
  return found == shards_.end()
             ? 0
             : static_cast<std::uint32_t>(found->second.size());
}

std::size_t Window::MemoryFor(Index units, const ColumnSet& columns) {
  // first_seen_step, observations and non_finite are always there,
  // last_firing_step with the firings. Counts are taken as if no two units were
  // equal, so that a window never outgrows what it was charged.
  std::size_t arrays = 3;
  if (columns.firings) arrays += 2;
  if (columns.clusters) arrays += 1;
  if (columns.firings && columns.clusters) arrays += 1;
  if (columns.gate) arrays += 3;
  if (columns.moments) arrays += 5;
  if (columns.proof) arrays += 1;
  return sizeof(Window) +
         arrays * sizeof(double) * static_cast<std::size_t>(units);
}

std::size_t Window::MemoryForContribution(Index units, bool has_sketch) {
  return kContributionBytes + StepClusterBytes(units) +
         (has_sketch ? QuantileSketch::kMaxBytes : 0);
}

std::size_t Window::MemoryUsed() const {
  return MemoryFor(merged_.unit_count(), merged_.columns) +
         merged_.sketch.MemoryUsed() + seen_.size() * kContributionBytes +
         step_clusters_.size() * StepClusterBytes(merged_.unit_count());
}

}  // namespace firekeeper::core
