// What the store has of the signals of one layer: written as they change.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/signal_track.h"
#include "core/window.h"
#include "server/state/rows/track_rows.h"
#include "server/state/state_journal.h"

namespace firekeeper::server {

// What a layer is to the store. `journal` outlives the layer.
struct LayerPlace {
  StateJournal& journal;
  std::uint64_t run = 0;
  std::uint32_t layer = 0;  // number in its run
};

// Thread-compatible; rows are written in the order of the calls. Every window
// is in the store as contributions while it is open, as one row once it is
// closed, and as a line of the archive once it is no longer retained. Does
// nothing where nothing is kept.
class LayerRows {
 public:
  explicit LayerRows(const LayerPlace& place) : place_(place) {}

  [[nodiscard]] bool keeps() const { return place_.journal.keeps(); }
  [[nodiscard]] std::uint32_t layer() const { return place_.layer; }

  // Keeps one contribution that was merged; returns the bytes that wait.
  std::size_t PutContribution(TrackKey key, std::string encoded,
                              std::int64_t window_first);
  // Keeps what has changed of a track since the last call.
  void PutChanges(TrackKey key, const core::SignalTrack& track);
  // The same after an attempt began, into a batch of the caller's: windows were
  // withdrawn, the others settled.
  void PutAttempt(TrackKey key, const core::SignalTrack& track,
                  WriteBatch* batch);
  // The store forgets a track.
  void Forget(TrackKey key);
  // The store forgets windows of a track, by first step; its marks remember
  // that they were lost. After Restored().
  void Lose(TrackKey key, const core::SignalTrack& track,
            const std::set<std::int64_t>& windows);
  // The track is as the store has it: nothing of it has changed.
  void Restored(TrackKey key, const core::SignalTrack& track,
                const std::set<std::int64_t>& windows);

 private:
  // What the store has of a track.
  struct Written {
    std::set<std::int64_t> windows;      // first steps of rows
    std::int64_t archived_through = -1;  // first step of the newest line
    std::int64_t dropped_before = 0;
    std::int64_t closed_before = 0;
    std::size_t sampled = 0;
    bool has_marks = false;
  };

  void PutMarks(TrackKey key, const core::SignalTrack& track, Written* written,
                WriteBatch* batch) const;
  void PutUnits(TrackKey key, const core::SignalTrack& track, Written* written,
                WriteBatch* batch) const;
  void PutClosed(TrackKey key, const core::SignalTrack& track, Written* written,
                 WriteBatch* batch) const;

  const LayerPlace place_;
  std::map<TrackKey, Written> written_;
};

}  // namespace firekeeper::server
