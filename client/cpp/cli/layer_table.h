// The layers of a run as a table; `layers` and `watch` show the same.

#pragma once

#include <cstdint>

#include "client/cpp/cli/table.h"
#include "firekeeper/v1/resources.pb.h"

namespace firekeeper::client::cli {

// Units of the layer that are in `state`.
[[nodiscard]] std::uint64_t UnitsIn(const v1::LayerReport& report,
                                    v1::HealthState state);
// Dead with a certificate: DEAD and BORN_DEAD.
[[nodiscard]] std::uint64_t DeadUnits(const v1::LayerReport& report);

// Columns of AddLayerRow().
[[nodiscard]] Table MakeLayerTable();
void AddLayerRow(const v1::LayerReport& report, Table* table);

}  // namespace firekeeper::client::cli
