// Whether a stream that ended with an error is worth another try.

#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace firekeeper::client {

enum class AfterEnd : std::uint8_t {
  // The network or the server will come back.
  kRetry,
  // Something is wrong with what was sent or with the server: it may be mended
  // by opening anew, but not for ever.
  kRetryFewTimes,
  // Someone else has taken over.
  kFenced,
  // Trying again cannot help: fix the options or the access first.
  kGiveUp,
};

[[nodiscard]] AfterEnd Classify(absl::StatusCode code);

}  // namespace firekeeper::client
