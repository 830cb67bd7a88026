// One window of one signal of a layer: what every source contributed to a range
// of steps, merged, each contribution once.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/unit_summary.h"
#include "core/window_plan.h"

namespace firekeeper::core {

// What a snapshot is to its window. (source, step, part) counts once.
struct Contribution {
  std::uint32_t source = 0;
  std::uint32_t data_shard = 0;
  Index first_unit = 0;
  std::int64_t step = 0;
  std::uint32_t part = 0;
  // Of the summary's exact columns (Fingerprint()).
  std::uint32_t fingerprint = 0;
};

class StateReader;
class StateWriter;

enum class MergeOutcome : std::uint8_t {
  kMerged,
  kDuplicate,    // sent again, equal content: counted before
  kCopy,         // another source of the same data shard was first
  kConflicting,  // sent again with other content: not merged
};

// Thread-compatible.
class Window {
 public:
  // Requires: steps.first < steps.end, units >= 0.
  Window(StepRange steps, Index units, ColumnSet columns);

  // Merges `summary`, whose unit i is unit contribution.first_unit + i and
  // which carries its step. Its cluster columns are absent where the step is
  // the cluster (`cluster_is_step`). Fails with kInvalidArgument, changing
  // nothing, if columns or units do not fit.
  // Requires: steps().Contains(contribution.step).
  absl::StatusOr<MergeOutcome> Add(const Contribution& contribution,
                                   const UnitSummary& summary,
                                   bool cluster_is_step);

  // What Add() would answer for a contribution with this key.
  [[nodiscard]] MergeOutcome Probe(const Contribution& contribution) const;

  [[nodiscard]] const StepRange& steps() const { return steps_; }
  // Of the values that were merged, all units together.
  [[nodiscard]] const QuantileSketch& sketch() const { return merged_.sketch; }
  // Everything merged, clusters that are steps included.
  [[nodiscard]] UnitSummary Summary() const;
  // The same without the clusters that are steps: no copy.
  [[nodiscard]] const UnitSummary& merged() const { return merged_; }
  // Clusters per unit, clusters that are steps included.
  [[nodiscard]] UnitCounts Clusters() const;
  // Those with a firing. Requires: the columns have clusters and firings.
  [[nodiscard]] CountArray FiringClusters() const;
  // Distinct data shards that contributed to units from `first_unit` on.
  [[nodiscard]] std::uint32_t ShardsReceived(Index first_unit) const;
  [[nodiscard]] std::size_t contribution_count() const { return seen_.size(); }

  // Everything, as bytes and back. Read() fails the reader where they do not
  // fit together or are not of such a window; the value is then of no use.
  void Write(StateWriter* writer) const;
  [[nodiscard]] static Window Read(StateReader* reader, Index units,
                                   const ColumnSet& columns);

  // Bytes that a window of this shape takes before its first contribution.
  static std::size_t MemoryFor(Index units, const ColumnSet& columns);
  // Bytes that one more contribution takes at most, with a sketch or without.
  static std::size_t MemoryForContribution(Index units, bool has_sketch);
  // Bytes held: MemoryFor() and what the contributions took.
  [[nodiscard]] std::size_t MemoryUsed() const;

 private:
  // (source, step, part) with the place it fills. Two sources with the same
  // place are copies.
  struct Place {
    std::uint32_t data_shard;
    Index first_unit;
    std::int64_t step;
    std::uint32_t part;

    friend bool operator==(const Place&, const Place&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Place& p) {
      return H::combine(std::move(h), p.data_shard, p.first_unit, p.step,
                        p.part);
    }
  };
  struct Filled {
    std::uint32_t source;
    std::uint32_t fingerprint;
  };
  // Units that were observed, and that fired, at one step.
  struct StepCluster {
    std::vector<bool> observed;
    std::vector<bool> fired;
  };

  void ReadContributions(StateReader* reader);
  void ReadStepClusters(StateReader* reader);
  void MergeStepCluster(const Contribution& contribution,
                        const UnitSummary& summary);

  StepRange steps_;
  UnitSummary merged_;
  absl::flat_hash_map<Place, Filled> seen_;
  // Data shards that contributed, by the first unit of their range.
  std::map<Index, std::set<std::uint32_t>> shards_;
  // Only steps whose contributions had no cluster of their own.
  std::map<std::int64_t, StepCluster> step_clusters_;
};

}  // namespace firekeeper::core
