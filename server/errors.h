// How the server words a refusal: an absl::Status that remembers which field
// was wrong and a reason that a program can compare. One table turns it into
// gRPC's form.

#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "firekeeper/v1/errors.pb.h"

namespace firekeeper::server {

// `reason` is a constant such as "SEQUENCE_HOLE"; it travels as ErrorInfo.
[[nodiscard]] absl::Status Refusal(absl::StatusCode code,
                                   const std::string& reason,
                                   const std::string& message);

// INVALID_ARGUMENT "<field>: <description>" with reason INVALID_FIELD, and the
// field for BadRequest. `description` says what came and what was allowed.
[[nodiscard]] absl::Status FieldError(const std::string& field,
                                      const std::string& description);

// RESOURCE_EXHAUSTED with reason LIMIT_EXCEEDED, and the field for BadRequest.
[[nodiscard]] absl::Status LimitError(const std::string& field,
                                      const std::string& description);

// UNAVAILABLE with RetryInfo: come back after `delay`.
[[nodiscard]] absl::Status Overloaded(const std::string& message,
                                      std::chrono::milliseconds delay);

// The same refusal with `prefix` before its field ("batch.snapshots[3].").
[[nodiscard]] absl::Status WithFieldPrefix(const absl::Status& status,
                                           const std::string& prefix);

// The reason and field that a refusal was made with; empty without one.
[[nodiscard]] std::string ReasonOf(const absl::Status& status);
[[nodiscard]] std::string FieldOf(const absl::Status& status);

// Wire form of google.rpc.Status, with details.
[[nodiscard]] v1::Status ToProto(const absl::Status& status);
// The same as a gRPC status whose details are the serialized v1::Status.
[[nodiscard]] grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace firekeeper::server
