// The one table of options. Flags, environment variables, the configuration
// file, --help and --print-config are all made from it.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "server/options.h"

namespace firekeeper::server {

// Where a value lives; its type is the kind of the option.
using SettingTarget =
    std::variant<bool*, std::string*, std::uint32_t*, std::uint64_t*,
                 std::int64_t*, double*, std::chrono::seconds*, LogFormat*,
                 LogLevel*>;

struct Setting {
  // "max-runs": --max-runs, FIREKEEPER_MAX_RUNS, and the key of the file.
  std::string name;
  std::string group;
  std::string doc;
  SettingTarget target;
  // Of numbers, both inclusive.
  double min = 0.0;
  double max = 0.0;

  [[nodiscard]] std::string EnvironmentName() const;
  // "BOOLEAN", "TEXT", "INTEGER", "NUMBER", "SECONDS", "text|json", …
  [[nodiscard]] std::string KindName() const;
  [[nodiscard]] bool is_boolean() const;
  // Takes a value in its text form. Fails with kInvalidArgument, changing
  // nothing; the message does not name the option.
  absl::Status Set(const std::string& text) const;
  [[nodiscard]] std::string Text() const;
  // As a value of the configuration file: text in quotes.
  [[nodiscard]] std::string TomlText() const;
};

// Requires: `options` outlives the table.
[[nodiscard]] std::vector<Setting> SettingsOf(Options& options);

}  // namespace firekeeper::server
