// What a unit's verdict says beside its state, in words.

#pragma once

#include <string>

#include "firekeeper/v1/resources.pb.h"

namespace firekeeper::client::cli {

// DEAD, BORN_DEAD and DEAD_ON_SET.
[[nodiscard]] bool IsDead(v1::HealthState state);

// The other states that hold, comma-separated; "-" for none. ALIVE is left out:
// every state that is not one of silence says it.
[[nodiscard]] std::string FormatAlso(const v1::UnitVerdict& verdict);

// "coverage 3 of 4 …; died 2 times; permanent": the reason and the details of
// the states that hold. Empty where there is nothing to add.
[[nodiscard]] std::string FormatDetails(const v1::UnitVerdict& verdict);

}  // namespace firekeeper::client::cli
