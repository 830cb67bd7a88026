// The `firekeeper` command, apart from the process it runs in.

#pragma once

#include <ostream>

namespace firekeeper::client::cli {

// Where the command writes.
struct Terminal {
  std::ostream& out;
  std::ostream& err;
  // `out` may be redrawn.
  bool interactive = false;
};

// Runs the command line and returns the exit code (exit_codes.h).
int RunCommandLine(int argc, const char* const* argv, const Terminal& terminal);

}  // namespace firekeeper::client::cli
