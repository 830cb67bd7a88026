// One WatchEvents call: sends what the log of a run has, then what comes.

#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "firekeeper/v1/diagnostics.pb.h"
#include "server/state/run.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

// Owned by gRPC: deletes itself in OnDone(). Holds at most one batch of events
// and one message; a client that does not read holds itself up, and no other.
class EventWatch final
    : public grpc::ServerWriteReactor<v1::WatchEventsResponse> {
 public:
  // Sends the events of `run` after `after_event_id`.
  EventWatch(std::shared_ptr<Run> run, std::uint64_t after_event_id,
             CallRecord record);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // The log may call back while the watch goes away.
  struct Link {
    absl::Mutex mutex;
    EventWatch* watch ABSL_GUARDED_BY(mutex) = nullptr;  // null once it is gone
  };

  // Does what can be done now. Requires: the link's mutex.
  void Advance();
  void FinishOnce(const absl::Status& status);

  const std::shared_ptr<Run> run_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
  CallRecord record_;
  std::uint64_t subscription_ = 0;
  // All below: guarded by the link's mutex.
  std::uint64_t last_fetched_;
  std::deque<RunEvent> unsent_;
  v1::WatchEventsResponse response_;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace firekeeper::server
