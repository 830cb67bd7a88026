#include "server/config_file.h"

// Errors are values here, as everywhere in this tree.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

// The shortest text that reads back as the same value.
std::string Text(double value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end.ptr};
}

std::optional<ConfigValue> ToValue(const toml::node& node) {
  const unsigned line = node.source().begin.line;
  if (const auto* value = node.as_boolean()) {
    return ConfigValue{ConfigKind::kBoolean, value->get() ? "true" : "false",
                       line};
  }
  if (const auto* value = node.as_integer()) {
    return ConfigValue{ConfigKind::kInteger, absl::StrCat(value->get()), line};
  }
  if (const auto* value = node.as_floating_point()) {
    return ConfigValue{ConfigKind::kNumber, Text(value->get()), line};
  }
  if (const auto* value = node.as_string()) {
    return ConfigValue{ConfigKind::kText, value->get(), line};
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::map<std::string, ConfigValue>> ReadConfigFile(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  // A folder opens but does not read.
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read configuration file ", path, ": ",
                     std::generic_category().message(errno)));
  }
  const toml::parse_result parsed = toml::parse(content, path);
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", parsed.error().source().begin.line, ": ",
                     std::string(parsed.error().description())));
  }
  std::map<std::string, ConfigValue> values;
  for (const auto& [key, node] : parsed.table()) {
    std::optional<ConfigValue> value = ToValue(node);
    if (!value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", node.source().begin.line, ": \"", std::string(key.str()),
          "\" must be a boolean, a number or a text"));
    }
    values.emplace(std::string(key.str()), *std::move(value));
  }
  return values;
}

}  // namespace firekeeper::server
