// A window as a plain list of its contributions, and what that list says the
// window should be.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "core/unit_summary.h"
#include "core/window.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::testing {

// One contribution that counts.
struct Held {
  core::Contribution key;
  core::UnitSummary summary;
  bool cluster_is_step = false;
  std::int64_t arrived_nanos = 0;
};

class HeldWindow {
 public:
  // What a window says of one more.
  [[nodiscard]] core::MergeOutcome OutcomeOf(
      const core::Contribution& key) const {
    const auto found = places_.find(PlaceOf(key));
    if (found == places_.end()) return core::MergeOutcome::kMerged;
    const core::Contribution& first = held_[found->second].key;
    if (first.source != key.source) return core::MergeOutcome::kCopy;
    return first.fingerprint == key.fingerprint
               ? core::MergeOutcome::kDuplicate
               : core::MergeOutcome::kConflicting;
  }
  // Requires: OutcomeOf() is kMerged.
  void Add(Held held) {
    places_.emplace(PlaceOf(held.key), held_.size());
    held_.push_back(std::move(held));
  }

  // In the order of arrival.
  [[nodiscard]] const std::vector<Held>& held() const { return held_; }

  // All of it together, units and columns as the window has them.
  [[nodiscard]] core::UnitSummary Sum(core::Index units,
                                      const core::ColumnSet& columns) const {
    core::UnitSummary sum(units, columns);
    StepClusters steps;
    for (const Held& held : held_) {
      core::UnitSummary part = held.summary;
      if (held.cluster_is_step) {
        NoteStep(held, units, &steps);
        part.columns = columns;
        part.clusters = core::UnitCounts(part.unit_count(), 0);
        part.firing_clusters = core::CountArray::Zero(part.unit_count());
      }
      Require(sum.MergeAt(held.key.first_unit, part).ok(), "parts fit");
    }
    core::CountArray clusters = sum.clusters.ToArray();
    for (const auto& [step, cluster] : steps) {
      clusters += cluster.first;
      sum.firing_clusters += cluster.second;
    }
    sum.clusters = core::UnitCounts::FromArray(clusters);
    return sum;
  }

 private:
  using Place =
      std::tuple<std::uint32_t, core::Index, std::int64_t, std::uint32_t>;
  // By step, 1 for units that were observed, and for those that fired.
  using StepClusters =
      std::map<std::int64_t, std::pair<core::CountArray, core::CountArray>>;

  static Place PlaceOf(const core::Contribution& key) {
    return {key.data_shard, key.first_unit, key.step, key.part};
  }
  static void NoteStep(const Held& held, core::Index units,
                       StepClusters* steps) {
    const core::CountArray none = core::CountArray::Zero(units);
    auto& [observed, fired] =
        steps->try_emplace(held.key.step, none, none).first->second;
    for (core::Index i = 0; i < held.summary.unit_count(); ++i) {
      const core::Index unit = held.key.first_unit + i;
      if (held.summary.observations[i] > 0) observed[unit] = 1;
      if (held.summary.firings[i] > 0) fired[unit] = 1;
    }
  }

  std::vector<Held> held_;
  std::map<Place, std::size_t> places_;  // indexes of held_
};

}  // namespace firekeeper::testing
