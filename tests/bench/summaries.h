// The snapshots of summaries that the benchmarks send: what the C++ client
// makes of values, not bytes that suit.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "client/cpp/summary_encoding.h"
#include "core/reduce.h"
#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::bench {

// Examples of one snapshot.
inline constexpr std::int64_t kExamples = 64;

// [kExamples, units]: normal values; every fourth unit is negative throughout.
inline std::vector<float> PreActivations(std::int64_t units) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(kExamples * units));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool dead = i % 4 == 0;
    values[i] = dead ? -std::abs(normal(random)) : normal(random);
  }
  return values;
}

inline std::vector<float> Activations(std::int64_t units) {
  std::vector<float> values = PreActivations(units);
  for (float& value : values) value = std::max(value, 0.0F);
  return values;
}

// A summary of `values`, kExamples examples, as of a TRAIN step.
inline v1::Snapshot SnapshotOf(const std::string& layer, v1::Signal signal,
                               const std::vector<float>& values) {
  const auto units = static_cast<std::int64_t>(values.size()) / kExamples;
  const std::array<std::int64_t, 2> shape = {kExamples, units};
  const core::TensorView view = {
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  const auto summary = core::Reduce(
      view, {.rule = core::FiringRule::Positive(),
             .columns = core::ColumnsFor(static_cast<core::Signal>(signal),
                                         /*counts_firings=*/true)});
  v1::Snapshot snapshot;
  snapshot.set_layer(layer);
  snapshot.set_signal(signal);
  snapshot.set_phase(v1::PHASE_TRAIN);
  *snapshot.mutable_summary() = client::EncodeSummary(*summary);
  return snapshot;
}

}  // namespace firekeeper::bench
