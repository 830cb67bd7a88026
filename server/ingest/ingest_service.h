// IngestService over gRPC's callback API: admits streams and keeps them until
// they end.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "firekeeper/v1/ingest.grpc.pb.h"
#include "server/ingest/report_reactor.h"
#include "server/ingest/stream_reactor.h"
#include "server/ingest/stream_set.h"
#include "server/logging.h"
#include "server/security/gate.h"
#include "server/state/registry.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

struct IngestSettings {
  // Streams at a time; more are told to come back.
  std::size_t max_streams = 1'024;
  // The first message must come within this.
  absl::Duration open_timeout = absl::Seconds(30);
  // A stream without a message for this long is ended.
  absl::Duration idle_timeout = absl::Seconds(600);
};

// Thread-safe.
class IngestService final : public v1::IngestService::CallbackService {
 public:
  // Requires: all references outlive the service and its streams.
  IngestService(Registry& registry, const Gate& gate, GrpcMetrics& metrics,
                Logger& logger, const IngestSettings& settings);

  grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse>* Stream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const v1::ReportRequest* request,
                                   v1::ReportResponse* response) override;

  // The store has committed: tells every stream whose snapshots are safe now.
  void OnCommitted();
  // Ends what is overdue. Called every second or so.
  void Tick();
  // Refuses new calls, sends every stream its last ack and ends it with
  // UNAVAILABLE. Does not wait for the streams.
  void Drain();

  [[nodiscard]] std::size_t open_streams() const {
    return surroundings_.streams->size();
  }

 private:
  // UNAVAILABLE while draining.
  [[nodiscard]] absl::Status Admit() const;
  [[nodiscard]] absl::Status AdmitStream() const;

  const Gate& gate_;
  const IngestSettings settings_;
  const StreamSurroundings surroundings_;
  WaitingReports reports_;
  std::atomic<bool> draining_{false};
};

}  // namespace firekeeper::server
