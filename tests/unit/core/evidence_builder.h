// Builds the evidence of one layer for tests, window by window.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/health.h"
#include "core/unit_summary.h"

namespace firekeeper::testing {

// Windows of 10 steps from step 0. Every unit is observed from step 0 on unless
// FirstSeen() says otherwise, and every window's coverage is complete unless
// Coverage() says otherwise.
//
//   EvidenceBuilder evidence(4);
//   evidence.Fire(2, 7).Window(1000, 100).Window(1000, 100);
//   EvaluateHealth(evidence.Build(), 4, settings);
class EvidenceBuilder {
 public:
  static constexpr std::int64_t kSteps = 10;

  explicit EvidenceBuilder(core::Index units)
      : units_(units),
        last_firing_(core::StepArray::Constant(units, core::kNeverFired)),
        first_seen_(core::StepArray::Zero(units)),
        firings_(static_cast<std::size_t>(units)),
        linear_(static_cast<std::size_t>(units)),
        non_finite_(units) {}

  // Closes a window in which every unit has these counts.
  EvidenceBuilder& Window(std::uint64_t observations, std::uint64_t clusters) {
    const auto first = static_cast<std::int64_t>(windows_.size()) * kSteps;
    windows_.push_back({.steps = {.first = first, .end = first + kSteps},
                        .observations = core::UnitCounts(units_, observations),
                        .clusters = core::UnitCounts(units_, clusters),
                        .coverage = {{.first = 0,
                                      .count = units_,
                                      .shards_received = 1,
                                      .shards_expected = 1}}});
    return *this;
  }
  EvidenceBuilder& Windows(int count, std::uint64_t observations,
                           std::uint64_t clusters) {
    for (int i = 0; i < count; ++i) Window(observations, clusters);
    return *this;
  }

  // Coverage of the newest window.
  EvidenceBuilder& Coverage(std::vector<core::RangeCoverage> coverage) {
    windows_.back().coverage = std::move(coverage);
    return *this;
  }
  EvidenceBuilder& Received(std::uint32_t received, std::uint32_t expected) {
    return Coverage({{.first = 0,
                      .count = units_,
                      .shards_received = received,
                      .shards_expected = expected}});
  }
  // Counts of one unit in the newest window.
  EvidenceBuilder& Only(core::Index unit, std::uint64_t observations,
                        std::uint64_t clusters) {
    core::CountArray n = windows_.back().observations.ToArray();
    core::CountArray nc = windows_.back().clusters.ToArray();
    n[unit] = observations;
    nc[unit] = clusters;
    windows_.back().observations = core::UnitCounts::FromArray(n);
    windows_.back().clusters = core::UnitCounts::FromArray(nc);
    return *this;
  }

  // A firing; steps that no closed window holds belong to an open one.
  EvidenceBuilder& Fire(core::Index unit, std::int64_t step,
                        std::uint64_t count = 1) {
    firings_[static_cast<std::size_t>(unit)].push_back({step, count});
    last_firing_[unit] = std::max(last_firing_[unit], step);
    return *this;
  }
  // From this step on the unit is linear in every window: Trace::kLinearHigh or
  // kLinearLow, 0 for neither.
  EvidenceBuilder& Linear(core::Index unit, std::int64_t from,
                          std::uint8_t bit) {
    linear_[static_cast<std::size_t>(unit)].push_back({from, bit});
    return *this;
  }
  EvidenceBuilder& FirstSeen(core::Index unit, std::int64_t step) {
    first_seen_[unit] = step;
    return *this;
  }
  // An entry within the horizon that is NaN or infinite.
  EvidenceBuilder& NonFinite(core::Index unit) {
    core::CountArray one = core::CountArray::Zero(units_);
    one[unit] = 1;
    non_finite_.AddAt(0, core::UnitCounts::FromArray(one));
    return *this;
  }

  // Borrows from the builder, which outlives the evidence.
  [[nodiscard]] core::LayerEvidence Build(
      std::size_t horizon_windows = 8) const;

 private:
  struct Firing {
    std::int64_t step;
    std::uint64_t count;
  };
  struct LinearRun {
    std::int64_t from;
    std::uint8_t bit;
  };
  static constexpr std::size_t kOpen = 1'000'000;  // after every closed window

  // Firings of every unit in the windows [first, end).
  [[nodiscard]] core::CountArray FiringsIn(std::size_t first,
                                           std::size_t end) const;
  // Without the firings.
  [[nodiscard]] core::WindowTrace TraceOf(std::size_t window) const;

  core::Index units_;
  std::vector<core::WindowEvidence> windows_;
  core::StepArray last_firing_;
  core::StepArray first_seen_;
  std::vector<std::vector<Firing>> firings_;    // by unit
  std::vector<std::vector<LinearRun>> linear_;  // by unit, ascending
  core::UnitCounts non_finite_;
};

}  // namespace firekeeper::testing
