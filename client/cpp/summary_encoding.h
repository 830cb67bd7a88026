// A core::UnitSummary in the protocol's form.

#pragma once

#include "core/unit_summary.h"
#include "firekeeper/v1/summary.pb.h"

namespace firekeeper::client {

// The columns that EncodeColumns() gives; cluster_is_step where there is no
// cluster column.
[[nodiscard]] v1::UnitSummary EncodeSummary(const core::UnitSummary& summary);

}  // namespace firekeeper::client
