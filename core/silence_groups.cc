#include "core/silence_groups.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <map>
#include <tuple>

namespace firekeeper::core {
namespace {

// A partition of the units, refined window by window.
class Partition {
 public:
  // Begins with the runs of units that no coverage range of any window splits.
  Partition(std::span<const WindowEvidence> windows, Index unit_count)
      : group_of_(static_cast<std::size_t>(unit_count), 0) {
    for (const WindowEvidence& window : windows) {
      for (const RangeCoverage& range : window.coverage) {
        if (range.count > 0) group_of_[At(range.first)] = 1;
      }
    }
    for (Index unit = 0; unit < unit_count; ++unit) {
      if (unit == 0 || group_of_[At(unit)] == 1) leaders_.push_back(unit);
      group_of_[At(unit)] = leaders_.size() - 1;
    }
    incomplete_.resize(leaders_.size());
  }

  // Requires: no Refine() yet, so that the groups of a range are consecutive.
  void MarkIncomplete(const RangeCoverage& range, std::size_t window) {
    if (range.count == 0) return;
    const std::size_t last = group_of_[At(range.first + range.count - 1)];
    for (std::size_t group = group_of_[At(range.first)]; group <= last;
         ++group) {
      incomplete_[group].push_back(window);
    }
  }

  // Splits off the units whose counts are not those of their group's leader.
  void Refine(const WindowEvidence& window) {
    const UnitCounts& observations = window.observations;
    const UnitCounts& clusters = window.clusters;
    if (observations.is_uniform() && clusters.is_uniform()) return;
    std::map<std::tuple<std::size_t, std::uint64_t, std::uint64_t>, std::size_t>
        split;
    for (std::size_t i = 0; i < group_of_.size(); ++i) {
      const auto unit = static_cast<Index>(i);
      const std::size_t group = group_of_[i];
      const Index leader = leaders_[group];
      if (observations[unit] == observations[leader] &&
          clusters[unit] == clusters[leader]) {
        continue;
      }
      const auto [entry, is_new] = split.try_emplace(
          {group, observations[unit], clusters[unit]}, leaders_.size());
      if (is_new) {
        leaders_.push_back(unit);
        incomplete_.push_back(incomplete_[group]);
      }
      group_of_[i] = entry->second;
    }
  }

  [[nodiscard]] std::vector<SilenceGroup> Groups() const {
    std::vector<SilenceGroup> groups(leaders_.size());
    for (std::size_t i = 0; i < group_of_.size(); ++i) {
      groups[group_of_[i]].units.push_back(static_cast<Index>(i));
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
      groups[i].incomplete = incomplete_[i];
    }
    return groups;
  }

 private:
  static std::size_t At(Index unit) { return static_cast<std::size_t>(unit); }

  std::vector<std::size_t> group_of_;  // by unit
  std::vector<Index> leaders_;         // by group: its first unit
  std::vector<std::vector<std::size_t>> incomplete_;  // by group, ascending
};

}  // namespace

double CoverageShare(const RangeCoverage& coverage) {
  if (coverage.shards_expected == 0) return 1.0;
  return static_cast<double>(coverage.shards_received) /
         static_cast<double>(coverage.shards_expected);
}

const RangeCoverage& CoverageOf(const WindowEvidence& window, Index unit) {
  const auto after =
      std::upper_bound(window.coverage.begin(), window.coverage.end(), unit,
                       [](Index wanted, const RangeCoverage& range) {
                         return wanted < range.first;
                       });
  assert(after != window.coverage.begin());
  return *(after - 1);
}

std::vector<SilenceGroup> GroupBySilence(
    std::span<const WindowEvidence> windows, Index unit_count,
    double min_coverage) {
  Partition partition(windows, unit_count);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    for (const RangeCoverage& range : windows[i].coverage) {
      if (CoverageShare(range) >= min_coverage) continue;
      partition.MarkIncomplete(range, i);
    }
  }
  for (const WindowEvidence& window : windows) partition.Refine(window);
  return partition.Groups();
}

}  // namespace firekeeper::core
