#include "client/cpp/retry_policy.h"

#include <algorithm>

namespace firekeeper::client {

AfterEnd Classify(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    // A proxy between us that shuts down resets the stream.
    case absl::StatusCode::kCancelled:
      return AfterEnd::kRetry;
    case absl::StatusCode::kAborted:
      return AfterEnd::kFenced;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    // The run was deleted, or the server speaks another protocol.
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
    // A limit; one that will pass comes as UNAVAILABLE.
    case absl::StatusCode::kResourceExhausted:
      return AfterEnd::kGiveUp;
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::
        kDoNotUseReservedForFutureExpansionUseDefaultInSwitchInstead_:
      break;
  }
  return AfterEnd::kRetryFewTimes;
}

std::chrono::milliseconds WaitOf(const google::protobuf::Duration& asked) {
  // Bounded as seconds first: what a server may say overflows as milliseconds.
  const auto seconds = std::clamp<std::int64_t>(
      asked.seconds(), 0, kLongestRetryAfter / std::chrono::seconds(1));
  const auto wait = std::chrono::seconds(seconds) +
                    std::chrono::milliseconds(asked.nanos() / 1'000'000);
  return std::clamp<std::chrono::milliseconds>(
      wait, std::chrono::milliseconds(0), kLongestRetryAfter);
}

}  // namespace firekeeper::client
