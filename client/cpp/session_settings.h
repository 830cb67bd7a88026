// What a StreamSession is tuned with, and what goes in and out of it.

#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/watcher_options.h"

namespace firekeeper::client {

struct SessionSettings {
  BackoffOptions backoff{};
  // A source that says nothing for a minute counts as gone at the server.
  std::chrono::milliseconds heartbeat{20'000};
  // Progress is collected for this long.
  std::chrono::milliseconds progress_interval{100};
  // Opened must come within this.
  std::chrono::milliseconds open_timeout{20'000};
  // Data of one message; the server's limits may make it smaller.
  std::size_t message_bytes = std::size_t{1} << 20;
};

// How a stream ended.
struct StreamEnd {
  absl::Status status{};
  // RetryInfo of the server; 0: none.
  std::chrono::milliseconds retry_after{0};
};

struct LogLine {
  LogSeverity severity = LogSeverity::kInfo;
  std::string text{};
};

}  // namespace firekeeper::client
