// What the server knows of a run at one moment, small enough to be compared
// with what another server made of the same messages.

#pragma once

#include <string>

#include "absl/time/time.h"
#include "firekeeper/record/v1/recording.pb.h"
#include "server/state/run.h"

namespace firekeeper::server {

// Assesses the run before. Requires: the caller has the turn.
[[nodiscard]] record::v1::Outcome OutcomeOf(Run& run, absl::Time now);

// Where the two differ, one place a line; empty where they are the same.
// Integers are equal or not; the floating figures may differ by 1e-5, since
// their order of summation depends on the processor.
[[nodiscard]] std::string DifferenceOf(const record::v1::Outcome& recorded,
                                       const record::v1::Outcome& replayed);

}  // namespace firekeeper::server
