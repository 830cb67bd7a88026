// Hands what a run shows to a firekeeper::client::Watcher.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/examples/digits_trainer/training_run.h"
#include "client/cpp/watcher.h"

namespace firekeeper::digits {

// How the streaming ended.
struct StreamingOutcome {
  client::WatcherCounters counters;
  client::ConnectionStatus connection;
  bool delivered = false;  // everything was acked or refused, none lost
};

// Thread-compatible.
class Streaming final : public RunObserver {
 public:
  // Starts a watcher for the layers of `network`; the server need not be there.
  // Fails as client::Watcher::Start does.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Streaming>> Start(
      const Options& options, const trainer::Network<float>& network);

  [[nodiscard]] bool Wants(std::int64_t step) override;
  // PRE_ACTIVATION, ACTIVATION, OUTPUT_GRADIENT, WEIGHT, BIAS, WEIGHT_GRADIENT
  // and WEIGHT_UPDATE of every layer, INPUT of the first, TARGET of the last,
  // and the scalars "loss" and "learning_rate".
  void Observe(const trainer::StepRecord<float>& record) override;
  // PRE_ACTIVATION and ACTIVATION of every layer.
  void ObservePass(const trainer::Network<float>& network, core::Phase phase,
                   std::int64_t step, std::uint32_t part) override;
  void StepDone(std::int64_t step) override;

  // Says goodbye. Waits for the server a few seconds at most, and hardly at
  // all where none is connected.
  [[nodiscard]] StreamingOutcome Close();

 private:
  explicit Streaming(std::unique_ptr<client::Watcher> watcher)
      : watcher_(std::move(watcher)) {}

  // A row is an example, a column a unit.
  void ObserveBatch(const client::SnapshotKey& key,
                    const trainer::Matrix<float>& values);
  // A row is a unit.
  void ObserveWeights(const client::SnapshotKey& key,
                      const trainer::Matrix<float>& values);
  void ObserveLayer(const trainer::LayerStep<float>& layer, std::int64_t step);

  std::unique_ptr<client::Watcher> watcher_;
};

}  // namespace firekeeper::digits
