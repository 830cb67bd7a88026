// Layers, shares and Opens as ingest hands them to the state, in one line.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "server/state/layer_state.h"
#include "server/state/run.h"
#include "tests/support/state_builders.h"

namespace firekeeper::testing {

// Where nothing is kept.
inline server::StateJournal& NoJournal() {
  static server::StateJournal journal;
  return journal;
}
inline server::LayerPlace LayerNowhere() {
  return {.journal = NoJournal(), .run = 0, .layer = 0};
}
inline server::RunPlace RunNowhere() {
  return {.journal = NoJournal(), .number = 0};
}
// An attempt begins in a layer that is kept nowhere.
inline void BeginAttempt(server::LayerState& layer, std::uint32_t attempt,
                         std::int64_t resume_step) {
  server::WriteBatch nothing;
  layer.BeginAttempt(attempt, resume_step, &nothing);
}
// A snapshot that became `outcome`; empty: it was refused.
inline server::AcceptedSnapshot AcceptedAt(
    std::uint64_t seq, std::int64_t step,
    std::optional<core::MergeOutcome> outcome = core::MergeOutcome::kMerged) {
  return {.seq = seq, .step = step, .outcome = outcome};
}

inline absl::Time AtSeconds(std::int64_t seconds) {
  return absl::FromUnixSeconds(1'000'000 + seconds);
}

// Windows of at most 4 steps, and a certificate that about a hundred
// observations reach.
inline server::StateSettings SmallSettings() {
  server::StateSettings settings;
  settings.window_steps = 4;
  settings.health.certificate = {.alpha = 0.01, .p0 = 0.1, .pc0 = 0.1};
  return settings;
}

inline server::LayerSpec ReluLayer(const std::string& name, core::Index units) {
  server::LayerSpec spec;
  spec.name = name;
  spec.activation.kind = core::Activation::kRelu;
  spec.unit_count = units;
  return spec;
}

inline server::LayerShare ShardOf(core::Index units, std::uint32_t shard,
                                  std::uint32_t shards) {
  return {.first_unit = 0,
          .unit_count = units,
          .data_shard = shard,
          .data_shards = shards};
}

// Source `source` of `source_count`, each with one data shard of the layer
// "fc1" of two units.
inline server::OpenRequest OpenOf(const std::string& launch_token,
                                  std::uint32_t source = 0,
                                  std::uint32_t source_count = 1) {
  server::OpenRequest request;
  request.launch_token = launch_token;
  request.source = source;
  request.source_count = source_count;
  request.instance_id = 100 + source;
  request.layers.push_back(
      {.spec = ReluLayer("fc1", 2), .share = ShardOf(2, source, source_count)});
  return request;
}

}  // namespace firekeeper::testing
