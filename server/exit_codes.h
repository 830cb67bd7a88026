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
  // The data directory cannot be used: another server has it, it is damaged, or
  // it was written by a newer version.
  kExitStore = 5,
  // What was written may not be on the disk; nothing was acked since.
  kExitStoreFailed = 6,
  // A replay went another way than the recording.
  kExitReplayDiffers = 7,
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
    "  5    the data directory cannot be used: another server has it, it is "
    "damaged, or a newer version wrote it\n"
    "  6    writing to the data directory failed; what was acked before is "
    "safe\n"
    "  7    --replay went another way than the recording\n"
    "  70   internal error\n"
    "  128+ a second signal ended the shutdown at once (128 plus its number)\n";

}  // namespace firekeeper::server
