// One token for all processes of one life of a training job.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace firekeeper::client {

// Returns the value of an environment variable; null where it is not set.
using GetEnvironment = std::function<const char*(const char* name)>;

// TORCHELASTIC_RUN_ID, TORCHELASTIC_RESTART_COUNT, SLURM_JOB_ID,
// SLURM_RESTART_COUNT and MASTER_ADDR:MASTER_PORT as far as they are set and
// not empty, as "name=value" joined by commas; shortened, with a hash of the
// whole, to 255 bytes. Empty where none is set.
[[nodiscard]] std::string LaunchTokenFromEnvironment(const GetEnvironment& get);

// A token that no other process has.
[[nodiscard]] std::string RandomLaunchToken();

// Random and not 0.
[[nodiscard]] std::uint64_t RandomInstanceId();

}  // namespace firekeeper::client
