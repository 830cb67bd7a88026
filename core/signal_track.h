// All windows of one signal of a layer in one phase, and the long-lived record
// of each unit: what a verdict rests on.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/activation_traits.h"
#include "core/life_book.h"
#include "core/row_record.h"
#include "core/signal_digest.h"
#include "core/step_history.h"
#include "core/track_settings.h"
#include "core/window.h"

namespace firekeeper::core {

class StateReader;
class StateWriter;

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
    // Of the last Digest(); empty once something was merged since.
    mutable std::optional<SignalDigest> digest = std::nullopt;
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
  // `opened_before_nanos` (none, without it); returns how many.
  std::size_t Close(std::int64_t before,
                    std::int64_t opened_before_nanos =
                        std::numeric_limits<std::int64_t>::min());

  // Every shard a unit range is expected from, in all windows of the newest
  // attempt.
  void SetExpectedShards(ExpectedShards expected);

  // Units of the run: M of the lives that become final from now on.
  void SetRunUnits(std::uint64_t run_units) { run_units_ = run_units; }

  // What verdicts rest on now, without the sides. The spans point into
  // `storage`, which the caller keeps. Requires: firings are counted.
  [[nodiscard]] LayerEvidence Evidence(
      std::vector<WindowEvidence>* storage) const;

  // RowRecord::KeptThrough(); empty unless keeps_rows.
  [[nodiscard]] StepArray RowsKeptThrough() const;

  // Retained windows, oldest first, open ones last.
  [[nodiscard]] const std::map<std::int64_t, TrackedWindow>& windows() const {
    return windows_;
  }
  // A window with its units taken together.
  [[nodiscard]] static const SignalDigest& DigestOf(
      const TrackedWindow& tracked);
  // The same of all windows since the run began, ascending: retained ones, and
  // of older ones the early steps and an even choice of the rest.
  [[nodiscard]] std::vector<SignalDigest> Digests() const;
  // Data shards of a window, of its worst unit range; none where part of the
  // window was lost.
  [[nodiscard]] RangeCoverage CoverageOf(const TrackedWindow& tracked) const;

  // What a store keeps of the track, each as bytes and back. Units and archive
  // change only when a window leaves the retained ones or an attempt begins,
  // a closed window only by late contributions. After a restart: marks and
  // units, then the archive and the windows in any order, then Restored(); open
  // windows follow by Add(). Read…() fails with kDataLoss where the bytes do
  // not fit together; the track is then of no use.
  void WriteMarks(StateWriter* writer) const;
  void WriteUnits(StateWriter* writer) const;
  static void WriteWindow(const TrackedWindow& tracked, StateWriter* writer);
  static void WriteEvidence(const WindowEvidence& line, StateWriter* writer);
  absl::Status ReadMarks(std::string_view bytes);
  absl::Status ReadUnits(std::string_view bytes);
  absl::Status ReadWindow(std::string_view bytes);
  absl::Status ReadEvidence(std::string_view bytes);
  // Part of a window is gone, and with it the rest: it was sampled, and counts
  // as missing data, whatever it still receives.
  void NoteLost(std::int64_t first_step);
  void Restored();

  // Windows with end <= this can no longer be reached, and are closed.
  [[nodiscard]] std::int64_t dropped_before() const { return dropped_before_; }
  [[nodiscard]] std::int64_t closed_before() const { return closed_before_; }
  // Windows that were sampled and are not archived.
  [[nodiscard]] std::size_t sampled_count() const { return sampled_.size(); }
  // Closed windows that are no longer retained, ascending.
  [[nodiscard]] const std::vector<WindowEvidence>& archive() const {
    return archive_;
  }

  [[nodiscard]] const TrackSettings& settings() const { return settings_; }
  // Long-lived bytes of a unit on such a track.
  [[nodiscard]] static std::size_t RecordBytes(const TrackSettings& settings);
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
  // Nothing of a lost window: what fired in it may be what is gone.
  [[nodiscard]] std::vector<RangeCoverage> CoverageRanges(
      const TrackedWindow& tracked) const;
  [[nodiscard]] WindowEvidence EvidenceOf(const TrackedWindow& tracked) const;
  [[nodiscard]] WindowEvidence NothingReceived(const StepRange& steps) const;
  void NoteLife(Index first_unit, const UnitSummary& summary);
  void Archive(WindowEvidence evidence);
  void ArchiveSampledBefore(std::int64_t end);
  void DropOldWindows();
  // Closed windows, archived ones included, in order.
  [[nodiscard]] std::vector<WindowEvidence> ClosedWindows() const;
  [[nodiscard]] LinearRule linear_rule() const {
    return LinearRuleFor(settings_.signal, settings_.activation.kind);
  }
  [[nodiscard]] FinalWindow FinalOf(std::int64_t first) const;
  // Folds closed windows that end by `end` into the lives.
  void FoldLives(std::span<const WindowEvidence> closed, std::int64_t end);
  void FoldRows(const Window& window);
  void ResumeLives(std::int64_t resume_step);
  void AddHorizon(LayerEvidence* evidence) const;
  void AddTraces(LayerEvidence* evidence) const;
  [[nodiscard]] std::size_t CountBytes() const;

  TrackSettings settings_;
  ExpectedShards expected_;
  // By first step. Open ones and the newest retained_windows closed ones.
  std::map<std::int64_t, TrackedWindow> windows_;
  // Closed windows no longer in windows_, ascending; KeepsEvidence() only.
  std::vector<WindowEvidence> archive_;
  // Closed windows that are no longer in windows_.
  StepHistory<SignalDigest> digests_;
  // Windows that were sampled and are not archived, by first step.
  std::map<std::int64_t, StepRange> sampled_;
  // Windows of NoteLost() that can still be reached, by first step.
  std::map<std::int64_t, StepRange> lost_;
  StepArray last_firing_step_;
  StepArray first_seen_step_;
  std::uint64_t run_units_ = 1;
  LifeBook book_;  // without units unless KeepsEvidence()
  // Firings of archived windows from baseline_first_step_ on; as wide as book_.
  CountArray archived_firings_;
  std::int64_t baseline_first_step_ = 0;
  std::optional<RowRecord> rows_;  // of windows that are no longer retained
  std::int64_t resume_step_ = 0;
  // Windows with end <= this are closed.
  std::int64_t closed_before_ = 0;
  // Windows with end <= this can no longer be reached.
  std::int64_t dropped_before_ = 0;
  std::uint64_t version_ = 0;
  std::size_t window_bytes_ = 0;  // CountBytes(), kept up to date
};

}  // namespace firekeeper::core
