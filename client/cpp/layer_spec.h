// What a trainer declares of its layers. Mirrors firekeeper.v1.Layer.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/signal.h"

namespace firekeeper::client {

// What kind of module a layer is. Informative. Values equal those of
// firekeeper.v1.LayerKind.
enum class LayerKind : std::uint8_t {
  kUnspecified = 0,
  kDense,
  kConvolution,
  kAttention,
  kNormalization,
  kEmbedding,
  kExperts,
  kLatents,
  kActivation,
};

// Units [first, first + count).
struct UnitRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// A tensor-producing place of the model, as this process sees it. Every source
// of a run must declare the same, but for unit_range and what follows it.
struct LayerSpec {
  // Module path and call index: "encoder.0.relu", "encoder.0.relu:1".
  std::string name{};
  LayerKind kind = LayerKind::kUnspecified;
  // What decides when a unit fires.
  core::ActivationSpec activation{};
  // Units of the whole layer. At least 1.
  std::uint64_t unit_count = 0;
  // Inputs of one unit (in_channels * kernel for a convolution). 0: not known.
  std::uint64_t fan_in = 0;
  // Width of the INPUT signal. 0: fan_in.
  std::uint64_t input_unit_count = 0;
  // Position in the forward pass, from 0.
  std::uint32_t order = 0;
  // Names of the layers whose output this one reads.
  std::vector<std::string> inputs{};
  // A normalisation stands before the activation.
  bool norm_before = false;
  // A residual connection passes this layer.
  bool residual = false;
  // The last layer of the model.
  bool is_output = false;
  // Units that this process holds. Absent: all.
  std::optional<UnitRange> unit_range{};
  // Which part of the data this process sees. data_shards 0: data parallel,
  // data_shard = source of source_count.
  std::uint32_t data_shard = 0;
  std::uint32_t data_shards = 0;
  // Several processes hold pieces of one example: clusters are then steps.
  bool cluster_split = false;
};

}  // namespace firekeeper::client
