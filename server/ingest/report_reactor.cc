#include "server/ingest/report_reactor.h"

#include "server/errors.h"

namespace firekeeper::server {

void WaitingReports::Add(ReportReactor& report) {
  const absl::MutexLock lock(&mutex_);
  reports_.insert(&report);
}

bool WaitingReports::Take(ReportReactor& report) {
  const absl::MutexLock lock(&mutex_);
  return reports_.erase(&report) > 0;
}

void WaitingReports::OnCommitted() {
  std::vector<ReportReactor*> safe;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto it = reports_.begin(); it != reports_.end();) {
      if (!(*it)->IsDurable()) {
        ++it;
        continue;
      }
      safe.push_back(*it);
      it = reports_.erase(it);
    }
  }
  for (ReportReactor* report : safe) report->End(absl::OkStatus());
}

// A call is over before anything could fence it.
ReportReactor::ReportReactor(Registry& registry, const std::string& tenant,
                             WaitingReports& waiting, CallRecord record,
                             v1::ReportResponse& response)
    : waiting_(waiting),
      record_(record),
      response_(response),
      session_(registry, tenant, [](const std::string&) {}) {
  record_.Received();
}

void ReportReactor::Run(const absl::Status& admitted,
                        const v1::ReportRequest& request) {
  const absl::Status status =
      admitted.ok() ? session_.OnReport(request, &response_) : admitted;
  if (!status.ok() || session_.IsDurable()) return End(status);
  waiting_.Add(*this);
  // The commit may have come just before.
  if (session_.IsDurable() && waiting_.Take(*this)) End(absl::OkStatus());
}

void ReportReactor::End(const absl::Status& status) {
  if (status.ok()) {
    *response_.mutable_ack() = session_.CurrentAck();
    record_.Sent();
  }
  const grpc::Status told = ToGrpcStatus(status);
  record_.Finish(told.error_code());
  Finish(told);
}

void ReportReactor::OnCancel() {
  if (waiting_.Take(*this)) {
    End(absl::CancelledError("the client is gone or the server stops"));
  }
}

void ReportReactor::OnDone() { delete this; }

}  // namespace firekeeper::server
