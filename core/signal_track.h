// All windows of one signal of a layer in one phase, and the long-lived record
// of each unit: what a verdict rests on.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/health.h"
#include "core/window.h"

namespace firekeeper::core {

struct TrackSettings {
  Index units = 0;
  ColumnSet columns;
  // Longest window in steps; 1 makes every step a window of its own (BIRTH,
  // EVAL and PROBE).
  std::int64_t window_steps = kDefaultWindowSteps;
  // Closed windows that late data can reach and that verdicts look back on.
  std::size_t retained_windows = 8;
  // Whether windows that are no longer retained leave behind what Evidence()
  // needs. Only where firings are counted.
  bool keeps_evidence = true;
};

// Unit ranges and how many data shards each is expected from; disjoint,
// ascending, all units. shards_received is not used.
using ExpectedShards = std::vector<RangeCoverage>;

// Thread-compatible.
class SignalTrack {
 public:
  explicit SignalTrack(const TrackSettings& settings);

  struct TrackedWindow {
    Window window;
    bool open = true;
    std::uint64_t revision = 0;     // raised by every late contribution
    std::int64_t opened_nanos = 0;  // of the caller's clock
    // What its attempt expected; null in a window of the newest attempt.
    std::shared_ptr<const ExpectedShards> expected = nullptr;
  };

  // Merges into the window of contribution.step. kOutOfRange, changing
  // nothing, where that window was closed and has left the retained ones, or
  // precedes the attempt; otherwise as Window::Add().
  absl::StatusOr<MergeOutcome> Add(const Contribution& contribution,
                                   const UnitSummary& summary,
                                   bool cluster_is_step,
                                   std::int64_t now_nanos);
  // Whether Add() of a new contribution at `step` would need a new window.
  [[nodiscard]] bool NeedsWindow(std::int64_t step) const;

  // A new attempt executes from resume_step on. Windows that reach it are
  // withdrawn; what fired in them is evidence of life before resume_step, no
  // more (DESIGN.md 5). The others are closed, and their coverage stays
  // measured by what their attempt expected.
  void BeginAttempt(std::int64_t resume_step);

  // Steps that a source sampled. A window that holds one and received nothing
  // is missing data, not silence.
  void NoteSampled(std::int64_t step);

  // Closes windows with end <= `before` and those opened before
  // `opened_before_nanos`; returns how many.
  std::size_t Close(std::int64_t before, std::int64_t opened_before_nanos);

  // Every shard a unit range is expected from, in all windows of the newest
  // attempt.
  void SetExpectedShards(ExpectedShards expected);

  // What verdicts rest on, as of now. The spans point into `storage`, which
  // the caller keeps.
  [[nodiscard]] LayerEvidence Evidence(
      std::vector<WindowEvidence>* storage) const;

  // Retained windows, oldest first, open ones last.
  [[nodiscard]] const std::map<std::int64_t, TrackedWindow>& windows() const {
    return windows_;
  }
  // Data shards of a window, of its worst unit range.
  [[nodiscard]] RangeCoverage CoverageOf(const TrackedWindow& tracked) const;

  [[nodiscard]] const TrackSettings& settings() const { return settings_; }
  // Raised by every change that can alter a verdict.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  // Bytes held by windows, and by what older ones left behind.
  [[nodiscard]] std::size_t WindowBytes() const { return window_bytes_; }
  // What NoteSampled() may add to that.
  [[nodiscard]] std::size_t SampledWindowBytes() const;

 private:
  absl::StatusOr<MergeOutcome> AddFirst(const StepRange& range,
                                        const Contribution& contribution,
                                        const UnitSummary& summary,
                                        bool cluster_is_step,
                                        std::int64_t now_nanos);
  [[nodiscard]] bool KeepsEvidence() const {
    return settings_.columns.firings && settings_.keeps_evidence;
  }
  [[nodiscard]] std::vector<RangeCoverage> CoverageRanges(
      const TrackedWindow& tracked) const;
  [[nodiscard]] WindowEvidence EvidenceOf(const TrackedWindow& tracked) const;
  [[nodiscard]] WindowEvidence NothingReceived(const StepRange& steps) const;
  void NoteLife(Index first_unit, const UnitSummary& summary);
  void Archive(WindowEvidence evidence);
  void ArchiveSampledBefore(std::int64_t end);
  void DropOldWindows();
  [[nodiscard]] std::size_t CountBytes() const;

  TrackSettings settings_;
  ExpectedShards expected_;
  // By first step. Open ones and the newest retained_windows closed ones.
  std::map<std::int64_t, TrackedWindow> windows_;
  // Closed windows that are no longer in windows_, by first step. Empty unless
  // KeepsEvidence().
  std::map<std::int64_t, WindowEvidence> archive_;
  // Windows that were sampled and are not archived, by first step.
  std::map<std::int64_t, StepRange> sampled_;
  StepArray last_firing_step_;
  StepArray first_seen_step_;
  std::int64_t resume_step_ = 0;
  // Windows with end <= this are closed.
  std::int64_t closed_before_ = 0;
  // Windows with end <= this can no longer be reached.
  std::int64_t dropped_before_ = 0;
  std::uint64_t version_ = 0;
  std::size_t window_bytes_ = 0;  // CountBytes(), kept up to date
};

}  // namespace firekeeper::core
