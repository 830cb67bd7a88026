// The unary form of an ingest stream over gRPC: answers once what it brought is
// safe.

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "firekeeper/v1/ingest.pb.h"
#include "server/ingest/session.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

class ReportReactor;

// Calls that wait for a commit. Thread-safe; a call is finished by whoever
// takes it out.
class WaitingReports {
 public:
  void Add(ReportReactor& report);
  // False where somebody else took it.
  bool Take(ReportReactor& report);
  // Finishes those whose content is safe.
  void OnCommitted();

 private:
  absl::Mutex mutex_;
  std::set<ReportReactor*> reports_ ABSL_GUARDED_BY(mutex_);
};

// Destroys itself in OnDone().
class ReportReactor final : public grpc::ServerUnaryReactor {
 public:
  // Requires: all references outlive the call.
  ReportReactor(Registry& registry, const std::string& tenant,
                WaitingReports& waiting, CallRecord record,
                v1::ReportResponse& response);

  // Folds the request in and answers, now or after the commit that keeps it.
  void Run(const absl::Status& admitted, const v1::ReportRequest& request);

  [[nodiscard]] bool IsDurable() { return session_.IsDurable(); }
  void End(const absl::Status& status);

  void OnCancel() override;
  void OnDone() override;

 private:
  WaitingReports& waiting_;
  CallRecord record_;
  v1::ReportResponse& response_;
  IngestSession session_;
};

}  // namespace firekeeper::server
