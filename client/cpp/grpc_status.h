// How a call ended, with the details that the server attached (errors.proto).

#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace firekeeper::client {

// One field that the server refused, and why.
struct FieldProblem {
  std::string field;
  std::string description;
};

// Keeps code, message and details.
[[nodiscard]] absl::Status ToAbsl(const grpc::Status& status);

// Of a status that ToAbsl() made. Empty and 0 where the server said nothing.
[[nodiscard]] std::vector<FieldProblem> FieldProblems(
    const absl::Status& status);
[[nodiscard]] std::chrono::milliseconds RetryAfter(const absl::Status& status);

}  // namespace firekeeper::client
