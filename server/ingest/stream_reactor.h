// One ingest stream over gRPC: reads a message, folds it, answers. What the
// protocol is, IngestSession knows; this knows when to read, write and end.

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "firekeeper/v1/ingest.pb.h"
#include "server/ingest/session.h"
#include "server/ingest/stream_set.h"
#include "server/logging.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

// What a stream needs of its surroundings; all outlive it but the set, which
// the runs' fence functions share.
struct StreamSurroundings {
  Registry& registry;
  GrpcMetrics& metrics;
  Logger& logger;
  std::shared_ptr<StreamSet> streams;
  absl::Duration open_timeout;
  absl::Duration idle_timeout;
};

// At most one read, one write and one Finish are under way. A message is
// folded on the thread that brought it, with no lock held. While more than
// kMaxUnsent answers wait, nothing is read: a client that does not read its
// answers bounds itself. Destroys itself in OnDone().
class StreamReactor final
    : public grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse> {
 public:
  static constexpr std::size_t kMaxUnsent = 16;

  // `admitted` not OK: the stream ends with it and reads nothing.
  StreamReactor(const StreamSurroundings& surroundings,
                grpc::CallbackServerContext& context, std::string tenant,
                const absl::Status& admitted);

  // Sends what is queued, then ends the stream; the first call decides. A
  // message that is being folded is answered before.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // The store has committed: acks what is safe now, and ends a stream that said
  // goodbye once all of it is.
  void OnCommitted() ABSL_LOCKS_EXCLUDED(mutex_);
  // A newer attempt or stream took over, or the run was deleted.
  void Fence(const std::string& reason) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the stream where it is overdue; cancels it where it has been ending
  // for too long because the client reads nothing.
  void Tick(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  FenceFunction OnFenced() const;
  absl::Status Fold(std::vector<v1::StreamResponse>* responses);
  [[nodiscard]] absl::Status FenceStatus(const std::string& reason) const;
  // Ends a stream that said goodbye, once everything is safe.
  void EndIfDurable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(v1::StreamResponse response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Starts what can be started now: a write, the end, a read.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const StreamSurroundings surroundings_;
  grpc::CallbackServerContext& context_;
  const std::string tenant_;
  CallRecord record_;
  std::uint64_t number_ = 0;

  // Of the reading side, used by one thread at a time without the lock.
  v1::StreamRequest request_;  // reused: keeps its memory
  std::vector<v1::StreamResponse> responses_;
  std::unique_ptr<IngestSession> session_;

  mutable absl::Mutex mutex_;
  std::string run_id_ ABSL_GUARDED_BY(mutex_);
  // The front is being sent while writing_.
  std::deque<v1::StreamResponse> queue_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool folding_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;    // said goodbye
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish() was called
  bool fence_told_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  // Start, last message or begin of the end, whichever came last.
  absl::Time last_event_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::server
