// Reads the configuration file, a flat TOML table of option = value.

#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace firekeeper::server {

enum class ConfigKind { kBoolean, kInteger, kNumber, kText };

struct ConfigValue {
  ConfigKind kind = ConfigKind::kText;
  std::string text;
  unsigned line = 0;
};

// Fails with kNotFound where the file cannot be read, and with
// kInvalidArgument, naming line or key, where it is no TOML or holds a table,
// an array or a date.
absl::StatusOr<std::map<std::string, ConfigValue>> ReadConfigFile(
    const std::string& path);

}  // namespace firekeeper::server
