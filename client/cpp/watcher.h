// Streams what a training job observes to a Firekeeper server, without ever
// blocking or breaking the training.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/cpp/watcher_options.h"
#include "core/affine_layer.h"
#include "core/signal.h"
#include "core/tensor_view.h"

namespace firekeeper::client {

// Says what an observed tensor is.
struct SnapshotKey {
  // A layer that WatcherOptions declared.
  std::string_view layer{};
  core::Signal signal = core::Signal::kActivation;
  core::Phase phase = core::Phase::kTrain;
  // Not negative, at least WatcherOptions::resume_step, at most 2^53.
  std::int64_t step = 0;
  // Tells micro-batches or repeated calls of one step apart: each (layer,
  // signal, phase, step, part) counts once.
  std::uint32_t part = 0;
};

// What became of the snapshots so far. At every moment
//   enqueued = acked + rejected + dropped + buffered.
struct WatcherCounters {
  std::uint64_t enqueued = 0;
  // The server has them, as durably as it promises.
  std::uint64_t acked = 0;
  // The server refused them one by one.
  std::uint64_t rejected = 0;
  // Given up: the ring was full, they were larger than the server allows, or
  // the watcher had ended. Snapshots that were sent, but dropped before their
  // ack, count here although the server may have them.
  std::uint64_t dropped = 0;
  // Waiting to be sent or acked, and the memory they take.
  std::uint64_t buffered = 0;
  std::uint64_t buffered_bytes = 0;

  // Observations refused before they were enqueued: a layer that was not
  // declared, another width, a bad key. Logged once.
  std::uint64_t invalid = 0;
  // Scalars that were displaced before they could be sent, or badly named.
  std::uint64_t scalars_dropped = 0;
  // Streams opened after the first.
  std::uint64_t reconnects = 0;
};

enum class ConnectionState : std::uint8_t {
  kConnecting,
  kStreaming,
  // Waiting before the next try.
  kBackingOff,
  // A newer attempt or process has taken over. Final.
  kFenced,
  // The server refused in a way that trying again cannot mend. Final.
  kFailed,
  // Close() was called. Final.
  kClosed,
};

// "connecting", "streaming", "backing off", "fenced", "failed", "closed".
[[nodiscard]] const char* Name(ConnectionState state);

struct ConnectionStatus {
  ConnectionState state = ConnectionState::kConnecting;
  // Why the last stream ended, for people. Empty: none has.
  std::string last_error{};
};

// Thread-safe: any thread may observe. Once the state is final everything that
// is observed is counted as dropped, at the cost of a lock.
class Watcher {
 public:
  // Starts the background thread. The server need not be there: the watcher
  // goes on trying. Fails with kInvalidArgument, naming the option, for options
  // that are wrong in themselves, and with kNotFound for TLS files that cannot
  // be read.
  static absl::StatusOr<std::unique_ptr<Watcher>> Start(WatcherOptions options);

  // Close() with a deadline of half a second, unless closed before.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Whether the sampling plan (WatcherOptions::every) includes `step`. Depends
  // on the step alone, so all processes of a run agree.
  [[nodiscard]] bool ShouldSample(std::int64_t step) const;

  // Takes what is needed of `view` before it returns: reduces it to a summary,
  // or copies it in tensor mode. A tensor of more than 1 MiB whose cluster axis
  // is not axis 0 cannot be chunked and is reduced in either mode. A gradient
  // of a scaled loss has its scale in view.scale.
  //
  // Never throws and never waits for the network. Something invalid is counted
  // and logged once; nothing is enqueued.
  void Observe(const SnapshotKey& key, const core::TensorView& view) noexcept;

  // Observe() of a layer's WEIGHT together with what makes a proof of it: the
  // units that cannot fire on `layer.input`, whatever is in it between each
  // feature's least and greatest value, are reported as proven. For layers with
  // z = W x + b that fire where z > 0 and hold whole rows of W (fan_in, where
  // declared); of others the WEIGHT is sent and nothing is proven. `input` is
  // all that this process gave the layer in this step, as it was multiplied:
  // under autocast the cast tensors. TF32 is not allowed for. Sent as a summary
  // in either mode. Costs a pass over the input and a few over the weight.
  void ObserveWeight(const SnapshotKey& key,
                     const core::AffineLayer& layer) noexcept;

  // A number of the whole run at one step: "loss", "learning_rate",
  // "gradient_norm", "loss_scale". NaN and infinity are kept: they are
  // evidence. At most 4,096 wait; then the oldest goes. Never throws.
  void ObserveScalar(std::string_view name, std::int64_t step,
                     double value) noexcept;

  // Promises that no snapshot of a step up to `step` will follow, evaluation
  // and probe passes included, so that the server can close its windows. Call
  // it at the end of every step, sampled or not. A smaller step than before
  // changes nothing. Never throws.
  void StepDone(std::int64_t step) noexcept;

  // One consistent moment.
  [[nodiscard]] WatcherCounters counters() const;
  [[nodiscard]] ConnectionStatus connection() const;
  // The one that was given or found.
  [[nodiscard]] const std::string& launch_token() const;

  // Sends what is buffered, says goodbye and stops the background thread,
  // within `deadline` and the time it takes to cancel a call. What is then
  // still unacknowledged counts as dropped. True if everything enqueued since
  // Start() was acked or rejected before the deadline and the server confirmed
  // the end. Later calls do nothing and return the first answer.
  bool Close(std::chrono::milliseconds deadline);

 private:
  class Impl;
  explicit Watcher(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace firekeeper::client
