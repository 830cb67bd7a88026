// The background thread of a Watcher: the only place that talks gRPC. Drives a
// StreamSession from stream to stream until its state is final.

#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/channel.h"
#include "client/cpp/connection.h"
#include "client/cpp/progress_log.h"
#include "client/cpp/ring.h"
#include "client/cpp/stream_session.h"
#include "firekeeper/v1/ingest.grpc.pb.h"

namespace firekeeper::client {

// What the threads that observe and the one that sends share.
struct WatcherState {
  WatcherState(std::size_t ring_bytes, v1::Open open,
               const SessionSettings& settings, std::function<double()> random)
      : ring(ring_bytes),
        session(std::move(open), settings, ring, progress, std::move(random)) {}

  absl::Mutex mutex;
  // There may be something to send, or the runner is to stop.
  absl::CondVar wake;
  Ring ring ABSL_GUARDED_BY(mutex);
  ProgressLog progress ABSL_GUARDED_BY(mutex);
  StreamSession session ABSL_GUARDED_BY(mutex);
};

// Thread-safe: Run() in one thread, Cancel() from any. Sends and receives in
// two threads while a stream is open, because both block.
class StreamRunner {
 public:
  // Requires: `state` outlives the runner.
  StreamRunner(WatcherState& state, ChannelFactory make_channel,
               ConnectionOptions connection, LogFunction log);

  // Returns when the session's state is final, or soon after Cancel(); the
  // state is then made final. Never throws.
  void Run() noexcept;
  // Ends whatever blocks. Does not wait.
  void Cancel();

 private:
  using Stream =
      grpc::ClientReaderWriterInterface<v1::StreamRequest, v1::StreamResponse>;

  void RunStreams();
  StreamEnd RunStream();
  void Send(const v1::StreamRequest& open, Stream& stream);
  void Receive(Stream& stream);
  // Waits for something to send. Empty: the stream is over or to be given up.
  std::optional<Outgoing> WaitForNext();
  void WaitBeforeRetry(std::chrono::milliseconds delay);
  // The stream ends with `status`, whatever the server says.
  void GiveUp(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void WriteLog();

  WatcherState& state_;
  // A channel per stream: the server may have been away in between.
  const ChannelFactory make_channel_;
  const ConnectionOptions connection_;
  const LogFunction log_;
  bool cancelled_ ABSL_GUARDED_BY(state_.mutex) = false;
  // Of the stream that is open.
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(state_.mutex);
  bool received_all_ ABSL_GUARDED_BY(state_.mutex) = false;
  absl::Status given_up_ ABSL_GUARDED_BY(state_.mutex);
};

}  // namespace firekeeper::client
