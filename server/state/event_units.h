// What each unit of a layer was when something happened to the layer: kept in
// the store, long after the windows are gone.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/state/layer_state.h"
#include "server/state/views.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Units of one row.
inline constexpr std::size_t kEventUnitsPerRow = 65'536;

// Adds the rows of an event of run number `run`.
void PutEventUnits(LayerState& layer, const RunFacts& facts, std::uint64_t run,
                   std::uint64_t event_id, WriteBatch* batch);
// Removes those of every event up to `last`.
void EraseEventUnits(std::uint64_t run, std::uint64_t last, WriteBatch* batch);

// Calls `visit` with the units of the event, ascending; never where nothing is
// kept of it. They have everything of a UnitView but what is said in words, the
// coverage, and what only some states have. kDataLoss where a row is damaged,
// kUnavailable where the store cannot be read.
absl::Status ReadEventUnits(
    Store& store, std::uint64_t run, std::uint64_t event_id,
    const std::function<void(const UnitView& unit)>& visit);

// One row, compressed. Requires: at most kEventUnitsPerRow, ascending without
// holes.
[[nodiscard]] std::string EncodeEventUnits(const std::vector<UnitView>& units);
absl::StatusOr<std::vector<UnitView>> DecodeEventUnits(std::string_view bytes);

}  // namespace firekeeper::server
