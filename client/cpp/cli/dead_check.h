// Whether a layer keeps to a limit of dead units: what `check` decides.

#pragma once

#include <cstdint>
#include <string>

#include "firekeeper/v1/resources.pb.h"

namespace firekeeper::client::cli {

enum class CheckVerdict : std::uint8_t {
  kOk,
  // More units are dead than allowed.
  kExceeded,
  // So many units are undecided that it could be either.
  kUnknown,
};

struct LayerCheck {
  std::string layer;
  std::uint64_t units = 0;
  // DEAD, BORN_DEAD and DEAD_ON_SET.
  std::uint64_t dead = 0;
  std::uint64_t dead_on_set = 0;  // of those, the last
  // Neither dead nor known to live: SILENT, UNKNOWN, UNOBSERVED, NON_FINITE,
  // and all units of a layer that is not observable.
  std::uint64_t undecided = 0;
  CheckVerdict verdict = CheckVerdict::kOk;
};

// `max_dead` is a share, 0 to 1. Exactly that share is allowed.
[[nodiscard]] LayerCheck CheckLayer(const v1::LayerReport& report,
                                    double max_dead);

// "ok", "exceeded", "unknown".
[[nodiscard]] const char* Name(CheckVerdict verdict);

}  // namespace firekeeper::client::cli
