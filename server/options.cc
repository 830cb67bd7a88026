#include "server/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config_file.h"
#include "server/exit_codes.h"
#include "server/settings.h"
#include "server/version.h"

namespace firekeeper::server {
namespace {

constexpr const char* kDescription =
    "firekeeperd receives what neural networks in training do and tells which "
    "neurons are dead";

constexpr const char* kPrecedence =
    "Every option can also be set in the environment (--max-runs is "
    "FIREKEEPER_MAX_RUNS) and in\n"
    "the configuration file (max-runs = 1000, TOML, no tables). A flag wins "
    "over the environment,\n"
    "the environment over the file, the file over the default. Unknown keys "
    "of the file are refused.\n"
    "--print-config shows what is in effect and where it came from.\n\n";

// What the command line said, before it is given to the settings.
struct Flags {
  std::map<std::string, std::string> values;  // only those that were given
  bool print_config = false;
};

// CLI11 knows the names and prints the help; values are parsed by the table,
// so that a flag, a variable and a key refuse the same.
struct Parser {
  CLI::App app{kDescription, "firekeeperd"};
  std::deque<std::string> texts;
  std::deque<bool> switches;
  std::map<std::string, std::pair<CLI::Option*, const std::string*>> options;
  std::map<std::string, std::pair<CLI::Option*, const bool*>> booleans;
  std::string config;
  std::string replay;
  bool print_config = false;

  explicit Parser(const std::vector<Setting>& settings) {
    app.add_option("--config", config, "configuration file (TOML)")
        ->type_name("FILE");
    app.add_option("--replay", replay,
                   "replay a recording instead of serving, and compare what "
                   "becomes of it with what the recording server knew")
        ->type_name("FILE");
    app.add_flag("--print-config", print_config,
                 "print the effective configuration and exit");
    app.set_version_flag("--version", std::string(kVersion));
    app.footer(std::string("\n") + kPrecedence + kExitCodeHelp);
    for (const Setting& setting : settings) Add(setting);
  }

  void Add(const Setting& setting) {
    const std::string flag = absl::StrCat("--", setting.name);
    CLI::Option* option = nullptr;
    if (setting.is_boolean()) {
      option = app.add_flag(flag, switches.emplace_back(false), setting.doc);
      booleans[setting.name] = {option, &switches.back()};
    } else {
      option = app.add_option(flag, texts.emplace_back(), setting.doc);
      option->type_name(setting.KindName());
      options[setting.name] = {option, &texts.back()};
    }
    option->default_str(setting.Text());
    option->group(setting.group);
  }

  [[nodiscard]] Flags Given() const {
    Flags flags{.values = {}, .print_config = print_config};
    for (const auto& [name, held] : options) {
      if (held.first->count() > 0) flags.values[name] = *held.second;
    }
    for (const auto& [name, held] : booleans) {
      if (held.first->count() > 0) {
        flags.values[name] = *held.second ? "true" : "false";
      }
    }
    return flags;
  }
};

absl::Status Named(const std::string& source, const absl::Status& status) {
  return {status.code(),
          absl::StrCat(source, ": ", std::string(status.message()))};
}

absl::Status CheckKind(const Setting& setting, const ConfigValue& value) {
  const std::string kind = setting.KindName();
  const bool fits = [&] {
    switch (value.kind) {
      case ConfigKind::kBoolean:
        return kind == "BOOLEAN";
      case ConfigKind::kInteger:
        return kind == "INTEGER" || kind == "SECONDS" || kind == "NUMBER";
      case ConfigKind::kNumber:
        return kind == "NUMBER";
      case ConfigKind::kText:
        return setting.TomlText().starts_with('"');
    }
    return false;
  }();
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", value.text, "\" has the wrong type; wanted ", kind));
}

using Origins = std::map<std::string, std::string>;

absl::Status ApplyFile(const std::string& path,
                       const std::vector<Setting>& settings, Origins* origins) {
  auto values = ReadConfigFile(path);
  if (!values.ok()) return values.status();
  for (const Setting& setting : settings) {
    const auto found = values->find(setting.name);
    if (found == values->end()) continue;
    const std::string source =
        absl::StrCat(path, ":", found->second.line, ": ", setting.name);
    absl::Status status = CheckKind(setting, found->second);
    if (status.ok()) status = setting.Set(found->second.text);
    if (!status.ok()) return Named(source, status);
    (*origins)[setting.name] = absl::StrCat("file ", path);
    values->erase(found);
  }
  if (values->empty()) return absl::OkStatus();
  const auto& [key, value] = *values->begin();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ":", value.line, ": unknown key \"", key, "\""));
}

absl::Status ApplyEnvironment(const Environment& environment,
                              const std::vector<Setting>& settings,
                              Origins* origins) {
  for (const Setting& setting : settings) {
    const std::string name = setting.EnvironmentName();
    const std::optional<std::string> value = environment(name);
    if (!value.has_value()) continue;
    if (absl::Status status = setting.Set(*value); !status.ok()) {
      return Named(name, status);
    }
    (*origins)[setting.name] = absl::StrCat("environment ", name);
  }
  return absl::OkStatus();
}

absl::Status ApplyFlags(const Flags& flags,
                        const std::vector<Setting>& settings,
                        Origins* origins) {
  for (const Setting& setting : settings) {
    const auto found = flags.values.find(setting.name);
    if (found == flags.values.end()) continue;
    const std::string source = absl::StrCat("--", setting.name);
    if (absl::Status status = setting.Set(found->second); !status.ok()) {
      return Named(source, status);
    }
    (*origins)[setting.name] = absl::StrCat("flag ", source);
  }
  return absl::OkStatus();
}

// A valid configuration file with the origin of every value as its comment.
std::string EffectiveConfiguration(const std::vector<Setting>& settings,
                                   const Origins& origins) {
  std::string text;
  for (const Setting& setting : settings) {
    const auto origin = origins.find(setting.name);
    absl::StrAppend(&text, setting.name, " = ", setting.TomlText(), "  # ",
                    origin == origins.end() ? "default" : origin->second, "\n");
  }
  return text;
}

absl::Status Apply(const std::string& config, const Environment& environment,
                   const Flags& flags, const std::vector<Setting>& settings,
                   Origins* origins) {
  // Weakest first: what comes later overwrites.
  if (!config.empty()) {
    absl::Status status = ApplyFile(config, settings, origins);
    if (!status.ok()) return status;
  }
  absl::Status status = ApplyEnvironment(environment, settings, origins);
  if (!status.ok()) return status;
  return ApplyFlags(flags, settings, origins);
}

absl::Status CheckTls(const Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError(
        "--tls-cert and --tls-key must be given together");
  }
  if (!options.client_ca.empty() && options.tls_cert.empty()) {
    return absl::InvalidArgumentError(
        "--client-ca needs --tls-cert and --tls-key");
  }
  return absl::OkStatus();
}

absl::Status CheckExposure(const std::string& flag, const std::string& host,
                           const Options& options) {
  const bool guarded = !options.tls_cert.empty() || !options.token_file.empty();
  if (guarded || options.insecure || IsLoopback(host)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " ", host,
      " is reachable from other machines, and anyone there could read and "
      "write every run: give --tls-cert and --tls-key, or --token-file, or "
      "accept it with --insecure"));
}

}  // namespace

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == 127U;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return host == "localhost";
}

absl::Status CheckOptions(const Options& options) {
  if (absl::Status status = CheckTls(options); !status.ok()) return status;
  if (absl::Status status = CheckExposure("--host", options.host, options);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckExposure("--http-host", options.http_host, options);
      !status.ok()) {
    return status;
  }
  if (!std::has_single_bit(
          static_cast<std::uint64_t>(options.state.window_steps))) {
    return absl::InvalidArgumentError(absl::StrCat("--window-steps ",
                                                   options.state.window_steps,
                                                   " is not a power of two"));
  }
  if (options.limits.credit_window_bytes < options.limits.max_message_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--credit-window-bytes ", options.limits.credit_window_bytes,
        " is less than --max-message-bytes ", options.limits.max_message_bytes,
        ": a message of that size could never be sent"));
  }
  return absl::OkStatus();
}

absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments, const Environment& environment) {
  CommandLine line;
  const std::vector<Setting> settings = SettingsOf(line.options);
  Parser parser(settings);
  try {
    // CLI11 takes them from the back.
    parser.app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    line.print = parser.app.help();
    return line;
  } catch (const CLI::CallForVersion&) {
    line.print = absl::StrCat("firekeeperd ", kVersion, "\n");
    return line;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (!parser.replay.empty()) {
    line.replay = parser.replay;
    return line;
  }
  if (parser.config.empty()) {
    parser.config = environment("FIREKEEPER_CONFIG").value_or("");
  }
  const Flags flags = parser.Given();
  Origins origins;
  absl::Status status =
      Apply(parser.config, environment, flags, settings, &origins);
  if (status.ok()) status = CheckOptions(line.options);
  if (!status.ok()) return status;
  if (flags.print_config) {
    line.print = EffectiveConfiguration(settings, origins);
  }
  return line;
}

}  // namespace firekeeper::server
