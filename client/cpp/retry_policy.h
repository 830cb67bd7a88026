// Whether a stream that ended with an error is worth another try, and when.

#pragma once

#include <google/protobuf/duration.pb.h>

#include <chrono>
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

inline constexpr std::chrono::milliseconds kLongestRetryAfter{60'000};

// How long a server may make us wait, whatever it says: 0 to
// kLongestRetryAfter.
[[nodiscard]] std::chrono::milliseconds WaitOf(
    const google::protobuf::Duration& asked);

}  // namespace firekeeper::client
