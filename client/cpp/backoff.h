// How long to wait before the next try: exponential with full jitter, so that a
// thousand trainers do not come back in step.

#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "client/cpp/watcher_options.h"

namespace firekeeper::client {

// Thread-compatible.
class Backoff {
 public:
  // Requires: 0 < shortest <= longest; `random` is uniform in [0, 1).
  Backoff(BackoffOptions options, std::function<double()> random)
      : options_(options),
        ceiling_(options.shortest),
        random_(std::move(random)) {}

  // Uniform in [0, ceiling); the ceiling doubles from call to call.
  std::chrono::milliseconds Next() {
    const auto ceiling = static_cast<double>(ceiling_.count());
    ceiling_ = std::min(options_.longest, 2 * ceiling_);
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(random_() * ceiling));
  }
  void Reset() { ceiling_ = options_.shortest; }

 private:
  BackoffOptions options_;
  std::chrono::milliseconds ceiling_;
  std::function<double()> random_;
};

}  // namespace firekeeper::client
