// Whether the figures of a summary can be true together.

#pragma once

#include "absl/status/status.h"
#include "core/unit_summary.h"

namespace firekeeper::server {

// Fails with FieldError("columns", ...), naming the first unit, unless for
// every unit: n and non-finite are at most 2^40; k, positives, closed high,
// zeros and nc are at most n; kc is at most nc and k; and where n > 0 the
// moments are finite, abs_sum and m2 not negative and min at most max.
absl::Status CheckPlausible(const core::UnitSummary& summary);

}  // namespace firekeeper::server
