// Checks that the codecs share. Failures are FieldError and LimitError
// (errors.h).

#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace firekeeper::server {

// A sender's text for an error message: in double quotes, at most its first 64
// bytes, what is not printable ASCII as \xNN; "..." where bytes are left out.
[[nodiscard]] std::string Quoted(absl::string_view text);

// Fails unless 0 <= step <= core::kMaxStep.
absl::Status CheckStep(const std::string& field, std::int64_t step);

// Fails unless 1 <= seq <= 2^63 - 1: so that seq + 1 never wraps.
absl::Status CheckSeq(const std::string& field, std::uint64_t seq);

// Fails unless `value` is one of `type`'s, other than 0.
absl::Status CheckEnum(const std::string& field, int value,
                       const google::protobuf::EnumDescriptor& type);

}  // namespace firekeeper::server
