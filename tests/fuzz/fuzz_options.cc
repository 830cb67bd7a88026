// Whatever stands on the command line, in the environment and in the
// configuration file, the answer is an error of bounded size or options that
// keep their bounds and read back from what --print-config says. Input: what is
// looked at, choices that pick flags and variables, then the file.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config_file.h"
#include "server/options.h"
#include "server/settings.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::server {
namespace {

using testing::Choices;
using testing::Require;

// A configuration file that is only in memory.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content)
      : fd_(memfd_create("config", MFD_CLOEXEC)) {
    Require(fd_ >= 0, "there is memory for a file");
    Require(write(fd_, content.data(), content.size()) ==
                static_cast<ssize_t>(content.size()),
            "a file in memory takes everything");
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const {
    return absl::StrCat("/proc/self/fd/", fd_);
  }

 private:
  int fd_;
};

// Values near what settings take, and any other text.
std::string ValueFrom(Choices& choices, const Setting& setting) {
  switch (choices.Below(10)) {
    case 0:
      return setting.Text();
    case 1:
      return absl::StrCat(choices.Below(256));
    case 2:
      return absl::StrCat(static_cast<std::int64_t>(choices.Number()));
    case 3:
      return absl::StrCat(setting.min);
    case 4:
      return absl::StrCat(setting.max);
    case 5:
      return choices.Coin() ? "true" : "false";
    case 6:
      return absl::StrCat("1e", choices.Below(256) - 128);
    case 7:
      return absl::StrCat("0.", choices.Below(256));
    default:
      return std::string(
          choices.Bytes(static_cast<std::size_t>(choices.Below(32))));
  }
}

struct Said {
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::string file;
};

Said SaidFrom(Choices& choices, const std::vector<Setting>& settings) {
  Said said;
  const auto any = [&]() -> const Setting& {
    return settings[static_cast<std::size_t>(
        choices.Below(static_cast<int>(settings.size())))];
  };
  for (int left = choices.Below(6); left > 0; --left) {
    if (choices.Below(8) == 0) {
      said.arguments.emplace_back(
          choices.Bytes(static_cast<std::size_t>(choices.Below(32))));
      continue;
    }
    const Setting& setting = any();
    const std::string flag = absl::StrCat("--", setting.name);
    if (setting.is_boolean()) {
      said.arguments.push_back(flag);
    } else if (choices.Coin()) {
      said.arguments.push_back(
          absl::StrCat(flag, "=", ValueFrom(choices, setting)));
    } else {
      said.arguments.push_back(flag);
      said.arguments.push_back(ValueFrom(choices, setting));
    }
  }
  for (int left = choices.Below(4); left > 0; --left) {
    const Setting& setting = any();
    said.environment[setting.EnvironmentName()] = ValueFrom(choices, setting);
  }
  for (int left = choices.Below(6); left > 0; --left) {
    const Setting& setting = any();
    const bool quoted = setting.TomlText().starts_with('"');
    absl::StrAppend(&said.file, setting.name, " = ", quoted ? "\"" : "",
                    ValueFrom(choices, setting), quoted ? "\"" : "", "\n");
  }
  said.file += choices.Bytes(SIZE_MAX);
  return said;
}

std::size_t SizeOf(const Said& said) {
  std::size_t size = said.file.size();
  for (const std::string& argument : said.arguments) size += argument.size();
  for (const auto& [name, value] : said.environment) size += value.size();
  return size;
}

absl::StatusOr<CommandLine> Parse(const Said& said) {
  const MemoryFile file(said.file);
  std::vector<std::string> arguments = said.arguments;
  if (!said.file.empty()) {
    arguments.insert(arguments.begin(), {"--config", file.path()});
  }
  return ParseCommandLine(
      arguments, [&](const std::string& name) -> std::optional<std::string> {
        const auto found = said.environment.find(name);
        if (found == said.environment.end()) return std::nullopt;
        return found->second;
      });
}

void RequireBounds(const Setting& setting) {
  std::visit(
      [&](const auto* value) {
        using Value =
            std::remove_const_t<std::remove_pointer_t<decltype(value)>>;
        double number = 0.0;
        if constexpr (std::is_same_v<Value, std::chrono::seconds>) {
          number = static_cast<double>(value->count());
        } else if constexpr (std::is_arithmetic_v<Value> &&
                             !std::is_same_v<Value, bool>) {
          number = static_cast<double>(*value);
        } else {
          return;
        }
        Require(number >= setting.min && number <= setting.max,
                "a number is within its bounds");
      },
      setting.target);
}

// What is in effect, as a file, says the same.
void RequireReadsBack(Options options) {
  const std::vector<Setting> settings = SettingsOf(options);
  Said said;
  for (const Setting& setting : settings) {
    RequireBounds(setting);
    absl::StrAppend(&said.file, setting.name, " = ", setting.TomlText(), "\n");
  }
  auto again = Parse(said);
  Require(again.ok(), "what is in effect is a valid file");
  const std::vector<Setting> read = SettingsOf(again->options);
  for (std::size_t i = 0; i < settings.size(); ++i) {
    Require(read[i].Text() == settings[i].Text(),
            "what is in effect reads back");
  }
}

// One setting by itself: a refusal changes nothing, and what is taken is read
// back.
void CheckSetting(Choices& choices) {
  Options options;
  const std::vector<Setting> settings = SettingsOf(options);
  const Setting& setting = settings[static_cast<std::size_t>(
      choices.Below(static_cast<int>(settings.size())))];
  const std::string before = setting.Text();
  const std::string text(choices.Bytes(SIZE_MAX));
  if (const absl::Status set = setting.Set(text); !set.ok()) {
    Require(setting.Text() == before, "a refusal changes nothing");
    Require(set.message().size() <= 256 + text.size(), "messages are bounded");
    return;
  }
  RequireBounds(setting);
  const std::string taken = setting.Text();
  Require(setting.Set(taken).ok() && setting.Text() == taken,
          "a value reads back from its text");
}

// The file by itself.
void CheckFile(Choices& choices) {
  const std::string content(choices.Bytes(SIZE_MAX));
  const MemoryFile file(content);
  const auto values = ReadConfigFile(file.path());
  if (values.ok()) return;
  Require(values.status().code() == absl::StatusCode::kInvalidArgument,
          "what is no table of values is invalid");
  Require(values.status().message().size() <= 1'024 + 8 * content.size(),
          "messages are bounded");
}

void CheckCommandLine(Choices& choices) {
  Options defaults;
  const Said said = SaidFrom(choices, SettingsOf(defaults));
  const auto line = Parse(said);
  if (!line.ok()) {
    Require(line.status().code() == absl::StatusCode::kInvalidArgument ||
                line.status().code() == absl::StatusCode::kNotFound,
            "an error says whose it is");
    // A byte may be shown as an escape.
    Require(line.status().message().size() <= 1'024 + 8 * SizeOf(said),
            "messages are bounded");
    return;
  }
  Require(CheckOptions(line->options).ok(), "what is parsed is checked");
  RequireReadsBack(line->options);
}

}  // namespace
}  // namespace firekeeper::server

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  // The command line takes a hundred times as long as its parts.
  switch (choices.Below(8)) {
    case 0:
      firekeeper::server::CheckCommandLine(choices);
      break;
    case 1:
    case 2:
    case 3:
      firekeeper::server::CheckSetting(choices);
      break;
    default:
      firekeeper::server::CheckFile(choices);
  }
  return 0;
}
