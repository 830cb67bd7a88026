// The rows of the signals of a layer: their keys, and contributions as bytes.
// What the rows of tracks hold is written by core/signal_track.h.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "core/signal.h"
#include "core/unit_summary.h"
#include "core/window.h"

namespace firekeeper::server {

using TrackKey = std::pair<core::Phase, core::Signal>;

// Rows are ordered by layer, phase, signal, window and number: the keys of a
// track, and of a window, are one range.
[[nodiscard]] std::string TrackKeyOf(std::uint32_t layer, TrackKey track);
// Past the last key of the track.
[[nodiscard]] std::string EndOfTrack(std::uint32_t layer, TrackKey track);
[[nodiscard]] std::string WindowKey(std::uint32_t layer, TrackKey track,
                                    std::int64_t first_step);
[[nodiscard]] std::string JournalKey(std::uint32_t layer, TrackKey track,
                                     std::int64_t first_step,
                                     std::uint64_t number);

struct TrackPlace {
  std::uint32_t layer = 0;
  TrackKey track;
};
// Of any of these keys. Fails with kDataLoss where it is none.
absl::StatusOr<TrackPlace> ParseTrackKey(std::string_view key);
// Of the key of a window or of a contribution; likewise.
absl::StatusOr<std::int64_t> FirstStepOf(std::string_view key);
absl::StatusOr<std::uint64_t> NumberOf(std::string_view journal_key);

// One contribution as it was merged.
struct JournalRow {
  std::uint32_t attempt = 0;
  core::Contribution contribution;
  bool cluster_is_step = false;
  std::int64_t arrived_nanos = 0;
  core::UnitSummary summary{0, {}};
};

[[nodiscard]] std::string EncodeJournal(std::uint32_t attempt,
                                        const core::Contribution& contribution,
                                        bool cluster_is_step,
                                        std::int64_t arrived_nanos,
                                        const core::UnitSummary& summary);
// `columns`: of the signal; those of a summary without clusters lack them.
absl::StatusOr<JournalRow> DecodeJournal(std::string_view bytes,
                                         core::Index most_units,
                                         const core::ColumnSet& columns);

}  // namespace firekeeper::server
