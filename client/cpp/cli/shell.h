// What every subcommand shares: where the server is, how to answer, and how to
// fail.

#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/cli/exit_codes.h"
#include "client/cpp/connection.h"
#include "client/cpp/diagnostics_client.h"

namespace firekeeper::client::cli {

struct Shell {
  std::ostream& out;
  std::ostream& err;
  // Whether `out` is a terminal that may be redrawn.
  bool interactive = false;

  ConnectionOptions connection{};
  double timeout_seconds = 10.0;
  bool json = false;
  // Set by the subcommand that the command line names.
  std::function<ExitCode()> action{};

  [[nodiscard]] std::chrono::milliseconds timeout() const {
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(timeout_seconds * 1000.0));
  }
  [[nodiscard]] absl::StatusOr<std::unique_ptr<DiagnosticsClient>> Connect()
      const {
    return DiagnosticsClient::Create(connection, timeout());
  }
};

// Writes what went wrong, with the fields that the server named, to shell.err.
ExitCode Fail(const Shell& shell, const absl::Status& status);
// The same for what the user got wrong before any call.
ExitCode FailUsage(const Shell& shell, const absl::Status& status);

// A message as JSON on one line, field names as in the .proto files.
[[nodiscard]] std::string ToJson(const google::protobuf::Message& message);
// The same for people.
void PrintJson(const Shell& shell, const google::protobuf::Message& message);

// Connects and calls `body` with a client; fails as Fail() or FailUsage() do.
ExitCode WithClient(const Shell& shell,
                    const std::function<ExitCode(DiagnosticsClient&)>& body);

}  // namespace firekeeper::client::cli
