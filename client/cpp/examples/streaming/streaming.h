// Hands what a training shows to a firekeeper::client::Watcher.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/run.h"
#include "client/cpp/watcher.h"

namespace firekeeper::streaming {

// How the streaming ended.
struct StreamingOutcome {
  client::WatcherCounters counters;
  client::ConnectionStatus connection;
  bool delivered = false;  // everything was acked or refused, none lost
};

// Thread-compatible.
class Streaming final : public trainer::RunObserver {
 public:
  // Starts a watcher with `options`, whose layers become those of `network`;
  // the server need not be there. Fails as client::Watcher::Start does.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Streaming>> Start(
      client::WatcherOptions options, const trainer::Network<float>& network);

  [[nodiscard]] bool Wants(std::int64_t step) override;
  // PRE_ACTIVATION, ACTIVATION, OUTPUT_GRADIENT, WEIGHT (with proofs, where the
  // layer is dense), BIAS, WEIGHT_GRADIENT and WEIGHT_UPDATE of every layer,
  // INPUT of the first, TARGET of the last, and the scalars "loss" and
  // "learning_rate".
  void Observe(const trainer::StepRecord<float>& record) override;
  // PRE_ACTIVATION and ACTIVATION of every layer.
  void ObservePass(const trainer::Network<float>& network, core::Phase phase,
                   std::int64_t step, std::uint32_t part) override;
  void StepDone(std::int64_t step) override;

  // Says goodbye. Waits for the server a few seconds at most, and hardly at
  // all where none is connected.
  [[nodiscard]] StreamingOutcome Close();

 private:
  Streaming(std::unique_ptr<client::Watcher> watcher, std::int64_t input_units)
      : watcher_(std::move(watcher)), input_units_(input_units) {}

  // A row is an example; the columns are those of one unit after the other.
  void ObserveBatch(const client::SnapshotKey& key,
                    const trainer::Matrix<float>& values, std::int64_t units);
  // A row is a unit.
  void ObserveWeights(const client::SnapshotKey& key,
                      const trainer::Matrix<float>& values);
  void ObserveWeightAndInput(const client::SnapshotKey& key,
                             const trainer::LayerStep<float>& layer);
  void ObserveLayer(const trainer::LayerStep<float>& layer, std::int64_t step);

  std::unique_ptr<client::Watcher> watcher_;
  std::int64_t input_units_;  // of the first layer: 1 for a grey image
};

}  // namespace firekeeper::streaming
