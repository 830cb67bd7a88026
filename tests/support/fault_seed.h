// What the random fault tests draw from, so that a campaign can draw anew.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace firekeeper::testing {

// FIREKEEPER_FAULT_SEED; 0, the same each time, where it is not set.
inline std::uint32_t FaultSeed() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no test changes it
  const char* const given = std::getenv("FIREKEEPER_FAULT_SEED");
  return given == nullptr ? 0 : static_cast<std::uint32_t>(std::stoul(given));
}

}  // namespace firekeeper::testing
