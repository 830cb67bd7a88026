#include "server/state/layer_rows.h"

#include <utility>

#include "core/state_bytes.h"
#include "server/state/rows/track_rows.h"

namespace firekeeper::server {
namespace {

std::string BytesOf(const core::SignalTrack& track,
                    void (core::SignalTrack::*write)(core::StateWriter*)
                        const) {
  core::StateWriter writer;
  (track.*write)(&writer);
  return writer.Take();
}

}  // namespace

std::size_t LayerRows::PutContribution(TrackKey key, std::string encoded,
                                       std::int64_t window_first) {
  if (!keeps()) return 0;
  const std::size_t bytes = encoded.size();
  WriteBatch batch;
  batch.Put(
      Table::kJournal, place_.run,
      JournalKey(place_.layer, key, window_first, place_.journal.NextNumber()),
      std::move(encoded));
  place_.journal.Add(std::move(batch));
  return bytes;
}

void LayerRows::PutChanges(TrackKey key, const core::SignalTrack& track) {
  if (!keeps()) return;
  Written& written = written_[key];
  WriteBatch batch;
  const bool dropped = track.dropped_before() != written.dropped_before;
  if (dropped) PutUnits(key, track, &written, &batch);
  PutClosed(key, track, &written, &batch);
  if (dropped || !written.has_marks ||
      track.closed_before() != written.closed_before ||
      track.sampled_count() != written.sampled) {
    PutMarks(key, track, &written, &batch);
  }
  place_.journal.Add(std::move(batch));
}

void LayerRows::PutAttempt(TrackKey key, const core::SignalTrack& track,
                           WriteBatch* batch) {
  if (!keeps()) return;
  Written& written = written_[key];
  written.windows.clear();
  const std::string begin = TrackKeyOf(place_.layer, key);
  const std::string end = EndOfTrack(place_.layer, key);
  for (const Table table : {Table::kWindow, Table::kJournal, Table::kArchive}) {
    batch->EraseRange(table, place_.run, begin, end);
  }
  written.archived_through = -1;
  PutUnits(key, track, &written, batch);
  PutClosed(key, track, &written, batch);
  PutMarks(key, track, &written, batch);
}

void LayerRows::Forget(TrackKey key) {
  written_.erase(key);
  WriteBatch batch;
  for (const Table table : {Table::kTrack, Table::kUnits, Table::kArchive,
                            Table::kWindow, Table::kJournal}) {
    batch.EraseRange(table, place_.run, TrackKeyOf(place_.layer, key),
                     EndOfTrack(place_.layer, key));
  }
  place_.journal.Add(std::move(batch));
}

void LayerRows::Lose(TrackKey key, const core::SignalTrack& track,
                     const std::set<std::int64_t>& windows) {
  if (windows.empty()) return;
  WriteBatch batch;
  for (const std::int64_t first : windows) {
    for (const Table table : {Table::kWindow, Table::kJournal}) {
      batch.EraseRange(table, place_.run, WindowKey(place_.layer, key, first),
                       WindowKey(place_.layer, key, first + 1));
    }
  }
  PutMarks(key, track, &written_[key], &batch);
  place_.journal.Add(std::move(batch));
}

void LayerRows::Restored(TrackKey key, const core::SignalTrack& track,
                         const std::set<std::int64_t>& windows) {
  Written& written = written_[key];
  written = {.windows = windows,
             .archived_through = track.archive().empty()
                                     ? -1
                                     : track.archive().back().steps.first,
             .dropped_before = track.dropped_before(),
             .closed_before = track.closed_before(),
             .sampled = track.sampled_count(),
             .has_marks = true};
}

void LayerRows::PutMarks(TrackKey key, const core::SignalTrack& track,
                         Written* written, WriteBatch* batch) const {
  batch->Put(Table::kTrack, place_.run, TrackKeyOf(place_.layer, key),
             BytesOf(track, &core::SignalTrack::WriteMarks));
  written->has_marks = true;
  written->closed_before = track.closed_before();
  written->sampled = track.sampled_count();
}

// What windows leave behind that are no longer retained, in place of their
// rows.
void LayerRows::PutUnits(TrackKey key, const core::SignalTrack& track,
                         Written* written, WriteBatch* batch) const {
  batch->Put(Table::kUnits, place_.run, TrackKeyOf(place_.layer, key),
             BytesOf(track, &core::SignalTrack::WriteUnits));
  for (const core::WindowEvidence& line : track.archive()) {
    if (line.steps.first <= written->archived_through) continue;
    core::StateWriter writer;
    core::SignalTrack::WriteEvidence(line, &writer);
    batch->Put(Table::kArchive, place_.run,
               WindowKey(place_.layer, key, line.steps.first), writer.Take());
    written->archived_through = line.steps.first;
  }
  const std::int64_t gone = track.dropped_before();
  const std::string begin = TrackKeyOf(place_.layer, key);
  const std::string end = WindowKey(place_.layer, key, gone);
  batch->EraseRange(Table::kWindow, place_.run, begin, end);
  batch->EraseRange(Table::kJournal, place_.run, begin, end);
  written->windows.erase(written->windows.begin(),
                         written->windows.lower_bound(gone));
  written->dropped_before = gone;
}

void LayerRows::PutClosed(TrackKey key, const core::SignalTrack& track,
                          Written* written, WriteBatch* batch) const {
  for (const auto& [first, tracked] : track.windows()) {
    if (tracked.open || !written->windows.insert(first).second) continue;
    core::StateWriter writer;
    core::SignalTrack::WriteWindow(tracked, &writer);
    batch->Put(Table::kWindow, place_.run, WindowKey(place_.layer, key, first),
               writer.Take());
    batch->EraseRange(Table::kJournal, place_.run,
                      WindowKey(place_.layer, key, first),
                      WindowKey(place_.layer, key, first + 1));
  }
}

}  // namespace firekeeper::server
