// When windows close: DESIGN.md 5.

#include <algorithm>
#include <utility>

#include "server/state/run.h"
#include "server/state/run_parts.h"

namespace firekeeper::server {
namespace {

// Windows two behind the one of `step` end by this step.
std::int64_t TwoWindowsBehind(std::int64_t step, std::int64_t window_steps) {
  const std::int64_t first = core::WindowOf(step, window_steps).first;
  return first == 0 ? 0 : core::WindowOf(first - 1, window_steps).first;
}

}  // namespace

std::int64_t Run::CloseBeforeStep(absl::Time now) const {
  if (facts_.last_step < 0) return 0;
  // No more than what was seen: a run that goes on must find its next windows
  // open.
  const std::int64_t seen =
      core::WindowOf(facts_.last_step, settings_.window_steps).end;
  if (facts_.ended <= now) return seen;
  const absl::Duration idle = absl::FromChrono(settings_.source_idle);
  std::int64_t passed = seen;
  std::int64_t slowest = facts_.last_step;
  for (const auto& [number, source] : attempts_.back()->sources) {
    if (source.closed) continue;
    const bool live = now - source.last_heard <= idle;
    if (live) passed = std::min(passed, source.complete_through_step + 1);
    // One that is about to come back counts as connected.
    if (live || source.connected) {
      slowest = std::min(
          slowest, std::max(source.complete_through_step, source.last_step));
    }
  }
  if (slowest < 0) return passed;
  return std::max(passed, TwoWindowsBehind(slowest, settings_.window_steps));
}

void Run::CloseDueWindows(absl::Time now, bool by_age) {
  std::int64_t before = 0;
  std::uint32_t attempt = 0;
  LayerList layers;
  {
    const absl::MutexLock lock(&mutex_);
    // Of a deleted run the store keeps nothing, and must get nothing.
    if (deleted_ || attempts_.empty()) return;
    before = CloseBeforeStep(now);
    if (before <= closed_before_ && !by_age) return;
    if (before > closed_before_) {
      closed_before_ = before;
      WriteBatch batch;
      PutCounters(&batch);
      place_.journal.Add(std::move(batch));
    }
    attempt = attempts_.back()->number;
    for (const auto& [name, layer] : layers_) layers.push_back(layer);
  }
  record::v1::WindowsClosed decision;
  for (const auto& layer : layers) {
    if (!layer->CloseWindows(attempt, before, now)) continue;
    decision.add_layers(layer->spec().name);
  }
  if (decision.layers().empty()) return;
  ++closings_;
  if (RunRecording* const recording = turns_.held()) {
    decision.set_attempt(attempt);
    decision.set_before_step(before);
    record::v1::Entry entry;
    *entry.mutable_windows_closed() = std::move(decision);
    recording->Note(now, std::move(entry));
  }
}

absl::Status Run::SetProgress(const SourceHandle& handle,
                              std::int64_t complete_through_step,
                              const std::vector<std::int64_t>& sampled_steps,
                              absl::Time now) {
  LayerList layers;
  {
    const absl::MutexLock lock(&mutex_);
    const auto source = FindSource(handle);
    if (!source.ok()) return source.status();
    (*source)->complete_through_step =
        std::max((*source)->complete_through_step, complete_through_step);
    Heard(*source, now);
    if (place_.journal.keeps()) {
      WriteBatch batch;
      PutSource(handle.source, **source, &batch);
      PutScalars(&batch);
      place_.journal.Add(std::move(batch));
    }
    for (const auto& [name, layer] : layers_) layers.push_back(layer);
  }
  if (sampled_steps.empty()) layers.clear();
  for (const auto& layer : layers) {
    absl::Status noted = layer->NoteSampled(handle.attempt, sampled_steps);
    if (!noted.ok()) return noted;
  }
  CloseDueWindows(now, /*by_age=*/false);
  return absl::OkStatus();
}

void Run::End(absl::Time now) {
  const RunTurns::Turn turn(turns_);
  record::v1::Entry entry;
  entry.mutable_run_end();
  turn.Note(now, std::move(entry));
  {
    const absl::MutexLock lock(&mutex_);
    // The store has forgotten it; a row would bring it back.
    if (deleted_) return;
    facts_.ended = std::min(facts_.ended, now);
    ++closings_;
    WriteBatch batch;
    PutRun(&batch);
    place_.journal.Add(std::move(batch));
  }
  CloseDueWindows(now, /*by_age=*/true);
  if (turn.recording()) turn.recording()->NoteOutcome(*this, now);
}

void Run::Sweep(absl::Time now) {
  const RunTurns::Turn turn(turns_);
  record::v1::Entry entry;
  entry.mutable_sweep();
  turn.Note(now, std::move(entry));
  CloseDueWindows(now, /*by_age=*/true);
}

}  // namespace firekeeper::server
