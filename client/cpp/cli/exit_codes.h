// What the command's exit code means to a script.

#pragma once

#include "absl/status/status.h"

namespace firekeeper::client::cli {

enum class ExitCode : int {
  kOk = 0,
  // `check`: more units are dead than allowed. `diagnose --gate`: a fault was
  // found. `health`: not serving.
  kFailed = 1,
  // The command line is wrong, or a file that it names.
  kUsage = 2,
  // The server did not answer.
  kUnreachable = 3,
  // No such run or layer.
  kNotFound = 4,
  // `check`: the evidence does not decide.
  kUnknown = 5,
  // The server answered with any other error.
  kRefused = 6,
};

// Of a call to the server that failed.
[[nodiscard]] ExitCode ExitCodeOf(const absl::Status& status);

// The codes as a table for --help.
[[nodiscard]] const char* ExitCodeHelp();

}  // namespace firekeeper::client::cli
