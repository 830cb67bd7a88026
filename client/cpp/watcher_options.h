// What a Watcher is started with.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/cpp/connection.h"
#include "client/cpp/layer_spec.h"

namespace firekeeper::client {

// What travels to the server. Either way the server ends up with the same
// integers.
enum class SendMode : std::uint8_t {
  // Reduced on the calling thread: 13 to 21 bytes a unit.
  kSummary,
  // Copied on the calling thread, row-major, and sent in chunks of 1 MiB.
  kTensor,
};

enum class LogSeverity : std::uint8_t { kInfo, kWarning, kError };

// One line without a line end, never a payload or a token. Called from the
// watcher's threads and from the caller's, without a lock held.
using LogFunction = std::function<void(LogSeverity, const std::string&)>;

// Waiting time before the n-th reconnect: uniform in
// [0, min(longest, shortest * 2^n)) (full jitter).
struct BackoffOptions {
  std::chrono::milliseconds shortest{100};
  std::chrono::milliseconds longest{10'000};
};

struct WatcherOptions {
  ConnectionOptions connection{};

  // Names the training job: letters, digits and _.:/@+=-, at most 255 bytes.
  std::string run_id{};
  // Equal on all processes of one life of the job, different in the next.
  // Empty: from TORCHELASTIC_RUN_ID, TORCHELASTIC_RESTART_COUNT, SLURM_JOB_ID,
  // SLURM_RESTART_COUNT and MASTER_ADDR:MASTER_PORT as far as they are set;
  // random where none is, which fits a job of one process only.
  std::string launch_token{};
  // First step that this process executes; 0 unless resumed from a checkpoint.
  std::int64_t resume_step = 0;
  // This process (rank), and how many of them stream. source < source_count.
  std::uint32_t source = 0;
  std::uint32_t source_count = 1;
  // Free labels of the run; at most 32, values up to 255 bytes.
  std::map<std::string, std::string> labels{};
  // The run that this one tries to remedy. Empty: none.
  std::string remedy_of{};
  // Everything that will be observed. At least one layer; names are unique.
  std::vector<LayerSpec> layers{};

  SendMode send_mode = SendMode::kSummary;
  // Sampling distance in steps, a power of two: ShouldSample() is true at steps
  // 0 to 10, 20, 50, 100 and at every multiple of this.
  std::int64_t every = 16;
  // Memory for what is not yet acknowledged. When it is full the oldest goes.
  std::size_t ring_bytes = std::size_t{64} << 20;
  BackoffOptions backoff{};

  // Empty: lines on stderr.
  LogFunction log{};
  // Uniform in [0, 1), for jitter; called from one thread at a time. Empty: a
  // generator seeded by the system. Tests set it.
  std::function<double()> random{};
};

}  // namespace firekeeper::client
