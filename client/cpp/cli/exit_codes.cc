#include "client/cpp/cli/exit_codes.h"

namespace firekeeper::client::cli {

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:  // it shut down meanwhile
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    default:
      return ExitCode::kRefused;
  }
}

const char* ExitCodeHelp() {
  return "Exit codes:\n"
         "  0  all is well\n"
         "  1  check: more units are dead than allowed; diagnose --gate: a "
         "fault was\n"
         "     found; health: not serving\n"
         "  2  the command line, or a file that it names, is wrong\n"
         "  3  the server did not answer\n"
         "  4  no such run or layer\n"
         "  5  check: the evidence does not decide\n"
         "  6  the server refused";
}

}  // namespace firekeeper::client::cli
