// Every limit of the server in one place; GetServerInfo publishes them.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/diagnosis/diagnose.h"
#include "core/health.h"
#include "core/layer_alarm.h"
#include "core/window_plan.h"

namespace firekeeper::server {

struct Limits {
  std::size_t max_message_bytes = std::size_t{4} << 20;
  std::uint64_t max_tensor_bytes = std::uint64_t{1} << 34;
  std::uint64_t max_units_per_layer = std::uint64_t{1} << 20;
  std::size_t max_layers_per_run = 10'000;
  std::uint64_t max_units_per_run = std::uint64_t{1} << 24;
  std::size_t max_runs = 1'000;
  std::size_t max_connections = 1'024;
  std::uint32_t max_sources = 4'096;
  // Launch tokens that a run remembers, so that a superseded one stays fenced.
  std::size_t max_attempts_per_run = 10'000;
  // Bytes that a stream may have sent and not yet acked.
  std::size_t credit_window_bytes = std::size_t{16} << 20;
  std::size_t max_name_bytes = 255;
  std::size_t max_labels = 32;
  std::size_t max_label_value_bytes = 255;
  std::size_t max_scalars_per_run = 256;
  std::size_t max_page_size = 1'000;
  // Newest events of a run that are kept.
  std::size_t max_events_per_run = 4'096;
  // Memory of all windows and reducers together, in bytes. A snapshot that
  // would pass it is refused.
  std::size_t max_state_bytes = std::size_t{4} << 30;
  // Size of the store beyond which the oldest runs go; 0: none.
  std::uint64_t max_store_bytes = 0;
};

// How long things live, and what verdicts rest on.
struct StateSettings {
  core::HealthSettings health;
  core::AlarmSettings alarms;
  core::DiagnosisSettings diagnosis;
  std::int64_t window_steps = core::kDefaultWindowSteps;
  std::size_t retained_windows = 8;
  // A source is live until this long without a message.
  std::chrono::seconds source_idle{60};
  // A window closes this long after its first contribution at the latest.
  std::chrono::seconds window_age{600};
  // An ended run leaves /metrics after this.
  std::chrono::seconds ended_metrics_ttl{300};
  // An ended run leaves memory after this.
  std::chrono::seconds ended_run_ttl{3'600};
  // A run that went silent without ending leaves memory after this.
  std::chrono::seconds silent_run_ttl{86'400};
  // A run leaves the store this long after it was last seen; 0: never.
  std::chrono::seconds keep_runs{90 * 86'400};
};

}  // namespace firekeeper::server
