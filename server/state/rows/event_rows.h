// Rows of events and of what was reported: to bytes and back. Decoding fails
// with kDataLoss where the bytes do not fit together.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/state/run_assessment.h"

namespace firekeeper::server {

[[nodiscard]] std::string EventKey(std::uint64_t event_id);
[[nodiscard]] std::string EncodeEvent(const RunEvent& event);
absl::StatusOr<RunEvent> DecodeEvent(std::string_view bytes);

}  // namespace firekeeper::server
