// A layer after a restart.

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "server/state/layer_state.h"

namespace firekeeper::server {

void LayerState::Resume(std::uint32_t attempt, std::int64_t resume_step) {
  const absl::MutexLock lock(&mutex_);
  attempt_ = attempt;
  resume_step_ = resume_step;
}

TrackRestored LayerState::RestoreTrack(TrackKey key, const TrackRows& rows) {
  const absl::MutexLock lock(&mutex_);
  TrackRestored restored;
  core::SignalTrack track = MakeTrack(key);
  if (!ReadFigures(rows, &track, &restored)) {
    // What the units did is not known: everything begins anew, from now on.
    ++restored.corrupt_rows;
    rows_.Forget(key);
    return restored;
  }
  std::set<std::int64_t> lost = LostWindows(rows);
  std::set<std::int64_t> windows;
  for (const auto& [row_key, value] : rows.windows) {
    const auto first = FirstStepOf(row_key);
    if (!first.ok() || lost.contains(*first)) continue;
    if (track.ReadWindow(value).ok()) {
      windows.insert(*first);
      ++restored.windows;
    } else {
      ++restored.corrupt_rows;
      lost.insert(*first);
    }
  }
  // Before folding, which may make windows final.
  for (const std::int64_t first : lost) track.NoteLost(first);
  track.Restored();
  FoldJournal(key, rows, &lost, &track, &restored);
  // A process that ended may have kept this of the run, not yet of the signal.
  track.Close(closed_before_);
  for (const std::int64_t first : lost) windows.erase(first);
  track.Restored();
  rows_.Restored(key, track, windows);
  rows_.Lose(key, track, lost);
  tracks_.insert_or_assign(key, std::move(track));
  SettleMemory();
  // What folding has closed or dropped.
  rows_.PutChanges(key, tracks_.at(key));
  return restored;
}

bool LayerState::ReadFigures(const TrackRows& rows, core::SignalTrack* track,
                             TrackRestored* restored) {
  if (rows.is_damaged || !rows.marks.has_value()) return false;
  if (!track->ReadMarks(*rows.marks).ok()) return false;
  // A signal of which no window has left the retained ones has none.
  if (rows.units.has_value() && !track->ReadUnits(*rows.units).ok()) {
    return false;
  }
  for (const auto& [key, value] : rows.archive) {
    if (!track->ReadEvidence(value).ok()) return false;
    ++restored->archived;
  }
  return true;
}

std::set<std::int64_t> LayerState::LostWindows(const TrackRows& rows) {
  std::set<std::int64_t> lost;
  for (const std::string& key : rows.damaged_windows) {
    if (const auto first = FirstStepOf(key); first.ok()) lost.insert(*first);
  }
  return lost;
}

void LayerState::FoldJournal(TrackKey key, const TrackRows& rows,
                             std::set<std::int64_t>* lost,
                             core::SignalTrack* track,
                             TrackRestored* restored) {
  for (const auto& [row_key, value] : rows.journal) {
    const auto first = FirstStepOf(row_key);
    const auto number = NumberOf(row_key);
    if (!first.ok() || !number.ok() || lost->contains(*first)) continue;
    restored->last_number = std::max(restored->last_number, *number);
    const auto row =
        DecodeJournal(value, spec_.Width(key.second), ColumnsFor(key.second));
    if (!row.ok()) {
      ++restored->corrupt_rows;
      lost->insert(*first);
      track->NoteLost(*first);
      continue;
    }
    // An attempt withdraws the rows of the signals it finds. A process that
    // ended before the marks of a signal were committed left rows behind that
    // no attempt has found since.
    if (row->attempt != attempt_) continue;
    // One that the row of its window holds already is a duplicate.
    const auto added = track->Add(row->contribution, row->summary,
                                  row->cluster_is_step, row->arrived_nanos);
    if (added.ok() && *added == core::MergeOutcome::kMerged) {
      ++restored->contributions;
    }
  }
}

}  // namespace firekeeper::server
