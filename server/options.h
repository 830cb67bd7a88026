// What firekeeperd can be told, and how it is told: flag, then environment,
// then configuration file, then default.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/logging.h"
#include "server/state/limits.h"

namespace firekeeper::server {

// The default of every option. settings.cc documents each.
struct Options {
  std::string host = "127.0.0.1";
  std::uint32_t port = 50'061;  // 0: any free one
  std::string port_file;
  std::string http_host = "127.0.0.1";
  std::uint32_t http_port = 9'464;  // 0: any free one
  std::string http_port_file;

  std::string tls_cert;
  std::string tls_key;
  std::string client_ca;
  std::string token_file;
  bool insecure = false;
  bool reflection = false;

  // Where runs are kept; empty: in memory only.
  std::string data_dir;
  std::uint64_t commit_interval_milliseconds = 200;
  std::uint64_t commit_bytes = std::uint64_t{4} << 20;
  // Where every run is recorded; empty: only where somebody asks.
  std::string record;
  std::uint64_t max_recording_bytes = std::uint64_t{1} << 30;

  Limits limits;
  StateSettings state;
  std::uint64_t max_streams = 1'024;
  std::uint64_t grpc_memory_bytes = std::uint64_t{128} << 20;
  std::uint64_t series_budget = 50'000;
  std::uint32_t http_threads = 4;
  std::chrono::seconds handshake_timeout{5};
  std::chrono::seconds open_timeout{30};
  std::chrono::seconds stream_idle{600};
  std::chrono::seconds shutdown_grace{10};

  bool bdp_probe = false;
  bool malloc_tuning = true;

  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
};

// The value of an environment variable; empty optional where it is not set.
using Environment =
    std::function<std::optional<std::string>(const std::string& name)>;

struct CommandLine {
  Options options;
  // Print this and exit with 0: help, version or the effective configuration.
  std::optional<std::string> print;
  // Replay this recording instead of serving.
  std::optional<std::string> replay;
};

// `arguments` without the program's name. Fails with kInvalidArgument, naming
// the flag, variable or key, for what is unknown, malformed, out of range or
// contradictory, and with kNotFound where the configuration file cannot be
// read. Messages never hold the content of a credential file.
absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments, const Environment& environment);

// Combinations that make no sense or are not safe: a certificate without its
// key, a server that anyone on the network may use without --insecure.
absl::Status CheckOptions(const Options& options);

// 127.0.0.0/8, ::1 or "localhost"; other names are taken for public without
// asking a name server.
[[nodiscard]] bool IsLoopback(const std::string& host);

}  // namespace firekeeper::server
