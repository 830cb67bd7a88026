// What a SignalTrack knows, as evidence: windows, lives and rows.

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "core/signal_track.h"

namespace firekeeper::core {
namespace {

void JoinTrace(const WindowTrace& trace, WindowTrace* joined) {
  if (joined->empty()) {
    *joined = trace;
    return;
  }
  for (std::size_t unit = 0; unit < trace.size(); ++unit) {
    (*joined)[unit] = Trace::Join((*joined)[unit], trace[unit]);
  }
}

}  // namespace

// Nothing before resume_step can change any more, so its windows are folded
// now: what the lives owe to firings beyond it comes after them.
void SignalTrack::ResumeLives(std::int64_t resume_step) {
  const std::vector<WindowEvidence> closed = ClosedWindows();
  FoldLives(closed, resume_step);
  if (resume_step < dropped_before_) {
    // Which of the archived firings came before is not known.
    archived_firings_.setZero();
    baseline_first_step_ = resume_step;
  }
  book_.Resume(resume_step, closed, last_firing_step_, first_seen_step_,
               run_units_);
}

void SignalTrack::FoldRows(const Window& window) {
  window_bytes_ -= rows_->FirstRowBytes();
  rows_->Fold(window.steps(), window.merged());
  window_bytes_ += rows_->FirstRowBytes();
}

StepArray SignalTrack::RowsKeptThrough() const {
  if (!rows_) return {};
  RowRecord rows = *rows_;
  for (const auto& [first, tracked] : windows_) {
    rows.Fold(tracked.window.steps(), tracked.window.merged());
  }
  return rows.KeptThrough();
}

FinalWindow SignalTrack::FinalOf(std::int64_t first) const {
  const auto found = windows_.find(first);
  if (found == windows_.end()) return {};
  const Window& window = found->second.window;
  return {.trace = TraceOf(window.merged(), linear_rule()),
          .firing_clusters = settings_.columns.clusters
                                 ? window.FiringClusters()
                                 : CountArray()};
}

void SignalTrack::FoldLives(std::span<const WindowEvidence> closed,
                            std::int64_t end) {
  std::size_t last = 0;
  std::vector<FinalWindow> fresh;
  for (const WindowEvidence& window : closed) {
    if (window.steps.end > end) break;
    ++last;
    if (window.steps.end <= book_.folded_before()) continue;
    fresh.push_back(FinalOf(window.steps.first));
  }
  book_.Fold(closed.first(last), fresh, first_seen_step_, run_units_);
}

std::vector<RangeCoverage> SignalTrack::CoverageRanges(
    const TrackedWindow& tracked) const {
  std::vector<RangeCoverage> ranges =
      tracked.expected ? *tracked.expected : expected_;
  const bool is_lost = lost_.contains(tracked.window.steps().first);
  for (RangeCoverage& range : ranges) {
    range.shards_received =
        is_lost ? 0 : tracked.window.ShardsReceived(range.first);
  }
  return ranges;
}

RangeCoverage SignalTrack::CoverageOf(const TrackedWindow& tracked) const {
  const std::vector<RangeCoverage> ranges = CoverageRanges(tracked);
  return *std::ranges::min_element(
      ranges, [](const RangeCoverage& a, const RangeCoverage& b) {
        return std::uint64_t{a.shards_received} * b.shards_expected <
               std::uint64_t{b.shards_received} * a.shards_expected;
      });
}

WindowEvidence SignalTrack::EvidenceOf(const TrackedWindow& tracked) const {
  const Window& window = tracked.window;
  UnitCounts observations = window.merged().observations;
  UnitCounts clusters = settings_.columns.clusters
                            ? window.Clusters()
                            : UnitCounts(settings_.units, 0);
  // Equal counts of sources that hold different units: the archive is long.
  observations.Compact();
  clusters.Compact();
  return {.steps = window.steps(),
          .observations = std::move(observations),
          .clusters = std::move(clusters),
          .coverage = CoverageRanges(tracked)};
}

WindowEvidence SignalTrack::NothingReceived(const StepRange& steps) const {
  WindowEvidence evidence{.steps = steps,
                          .observations = UnitCounts(settings_.units, 0),
                          .clusters = UnitCounts(settings_.units, 0),
                          .coverage = expected_};
  for (RangeCoverage& range : evidence.coverage) range.shards_received = 0;
  return evidence;
}

std::vector<WindowEvidence> SignalTrack::ClosedWindows() const {
  std::vector<WindowEvidence> closed = archive_;
  for (const auto& [first, tracked] : windows_) {
    if (!tracked.open) closed.push_back(EvidenceOf(tracked));
  }
  for (const auto& [first, steps] : sampled_) {
    if (steps.end <= closed_before_ && !windows_.contains(first)) {
      closed.push_back(NothingReceived(steps));
    }
  }
  std::ranges::sort(closed, {}, [](const WindowEvidence& window) {
    return window.steps.first;
  });
  return closed;
}

LayerEvidence SignalTrack::Evidence(
    std::vector<WindowEvidence>* storage) const {
  assert(settings_.columns.firings);
  *storage = ClosedWindows();
  LayerEvidence evidence{.unit_count = settings_.units,
                         .activation = settings_.activation,
                         .signal = settings_.signal,
                         .window_steps = settings_.window_steps,
                         .windows = *storage,
                         .last_firing_step = last_firing_step_,
                         .first_seen_step = first_seen_step_,
                         .horizon_observations = UnitCounts(settings_.units, 0),
                         .horizon_clusters = UnitCounts(settings_.units, 0),
                         .horizon_firings = CountArray::Zero(settings_.units),
                         .horizon_non_finite = UnitCounts(settings_.units, 0)};
  AddHorizon(&evidence);
  if (KeepsEvidence()) AddTraces(&evidence);
  return evidence;
}

void SignalTrack::AddHorizon(LayerEvidence* evidence) const {
  const auto windows = evidence->windows;
  const std::size_t horizon =
      std::min(settings_.health.horizon_windows, windows.size());
  const std::int64_t from = horizon == 0
                                ? std::numeric_limits<std::int64_t>::max()
                                : windows[windows.size() - horizon].steps.first;
  if (settings_.columns.gate) {
    evidence->horizon_closed_high = CountArray::Zero(settings_.units);
  }
  for (const auto& [first, tracked] : windows_) {
    if (!tracked.open && first < from) continue;
    const UnitSummary& merged = tracked.window.merged();
    evidence->horizon_observations.AddAt(0, merged.observations);
    evidence->horizon_firings += merged.firings;
    evidence->horizon_non_finite.AddAt(0, merged.non_finite);
    if (settings_.columns.clusters) {
      evidence->horizon_clusters.AddAt(0, tracked.window.Clusters());
    }
    if (settings_.columns.gate) {
      evidence->horizon_closed_high += merged.closed_high;
    }
  }
}

void SignalTrack::AddTraces(LayerEvidence* evidence) const {
  const auto windows = evidence->windows;
  const std::size_t horizon =
      std::min(settings_.health.horizon_windows, windows.size());
  // Only retained windows know who fired in them.
  evidence->recent_windows =
      std::min(horizon / 2, static_cast<std::size_t>(std::ranges::count_if(
                                windows, [this](const WindowEvidence& window) {
                                  return window.steps.first >= dropped_before_;
                                })));
  evidence->recent_firings = CountArray::Zero(settings_.units);
  evidence->baseline_firings = archived_firings_;
  evidence->baseline_first_step = baseline_first_step_;
  evidence->lives = book_.lives();
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto found = windows_.find(windows[i].steps.first);
    const bool known = found != windows_.end();
    if (known) {
      (i + evidence->recent_windows < windows.size()
           ? evidence->baseline_firings
           : evidence->recent_firings) += found->second.window.merged().firings;
    }
    if (windows[i].steps.end <= book_.folded_before()) {
      ++evidence->final_windows;
    } else {
      evidence->traces.push_back(
          known ? TraceOf(found->second.window.merged(), linear_rule())
                : WindowTrace());
    }
  }
  for (const auto& [first, tracked] : windows_) {
    if (!tracked.open) continue;
    JoinTrace(TraceOf(tracked.window.merged(), linear_rule()),
              &evidence->open_trace);
  }
}

}  // namespace firekeeper::core
