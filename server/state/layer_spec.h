// A layer as the sources of an attempt declare it, and what one source holds
// of it. Plain values; ingest/codec.h makes them from the wire.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/signal.h"
#include "core/unit_counts.h"

namespace firekeeper::server {

struct LayerSpec {
  std::string name;
  int kind = 0;  // v1::LayerKind, informative
  core::ActivationSpec activation;
  core::Index unit_count = 0;
  std::uint64_t fan_in = 0;
  core::Index input_unit_count = 0;  // 0: INPUT is not streamed
  std::uint32_t order = 0;
  std::vector<std::string> inputs;
  bool norm_before = false;
  bool residual = false;
  bool is_output = false;

  friend bool operator==(const LayerSpec&, const LayerSpec&) = default;

  // Units of `signal`: the layer's, or its inputs' for INPUT.
  [[nodiscard]] core::Index Width(core::Signal signal) const {
    return signal == core::Signal::kInput ? input_unit_count : unit_count;
  }
};

// What one source holds of a layer.
struct LayerShare {
  core::Index first_unit = 0;
  core::Index unit_count = 0;
  std::uint32_t data_shard = 0;
  std::uint32_t data_shards = 1;
  bool cluster_split = false;

  friend bool operator==(const LayerShare&, const LayerShare&) = default;
};

// Signals that tell whether a unit fires, best first.
inline std::array<core::Signal, 2> HealthSignals(core::Activation activation) {
  using enum core::Activation;
  switch (activation) {
    case kRelu:
    case kSquaredRelu:
    case kSoftmaxExperts:
    case kSparseLatents:
    case kLinear:
      return {core::Signal::kActivation, core::Signal::kPreActivation};
    default:
      return {core::Signal::kPreActivation, core::Signal::kActivation};
  }
}

struct LayerDeclaration {
  LayerSpec spec;
  LayerShare share;
};

}  // namespace firekeeper::server
