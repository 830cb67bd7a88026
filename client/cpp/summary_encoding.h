// A core::UnitSummary in the protocol's form.

#pragma once

#include "core/unit_summary.h"
#include "firekeeper/v1/summary.pb.h"

namespace firekeeper::client {

// The columns that `summary` has, in the order of SummaryColumn. Counts take
// the narrowest width that holds the greatest, and one entry where all units
// agree; min and max are binary32 where that is exact for every unit; other
// reals are binary64. cluster_is_step where there is no cluster column.
[[nodiscard]] v1::UnitSummary EncodeSummary(const core::UnitSummary& summary);

}  // namespace firekeeper::client
