// What of the options a recording has to keep: all that counts and verdicts
// depend on.

#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/options.h"

namespace firekeeper::server {

// By name, each in its text form. No path, no address, no secret.
[[nodiscard]] std::map<std::string, std::string> RecordedSettings(
    Options options);

// Options with these settings; names that this version does not know are left
// out. kInvalidArgument, naming the setting, for a value that is not allowed.
[[nodiscard]] absl::StatusOr<Options> OptionsOf(
    const std::map<std::string, std::string>& settings);

}  // namespace firekeeper::server
