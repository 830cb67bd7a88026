// What firekeeperd's exit codes mean. `--help` prints this table.

#pragma once

namespace firekeeper::server {

enum ExitCode : int {
  kExitOk = 0,
  // Wrong flag, environment variable, configuration file or combination.
  kExitUsage = 2,
  // A listen address or a port file could not be used.
  kExitCannotBind = 3,
  // A certificate, key or token file could not be read or used.
  kExitCredentials = 4,
  // A bug or a failure of the machine.
  kExitInternal = 70,
  // A second signal ended the shutdown: this plus the signal's number.
  kExitSignalBase = 128,
};

inline constexpr const char* kExitCodeHelp =
    "Exit codes:\n"
    "  0    stopped by SIGTERM or SIGINT after a graceful shutdown\n"
    "  2    wrong flag, environment variable, configuration file or "
    "combination of options\n"
    "  3    a listen address or a port file cannot be used\n"
    "  4    a certificate, key or token file cannot be read or used\n"
    "  70   internal error\n"
    "  128+ a second signal ended the shutdown at once (128 plus its number)\n";

}  // namespace firekeeper::server
