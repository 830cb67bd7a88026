#include "server/ingest/ingest_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

absl::Status ShuttingDown() {
  return Overloaded("the server is shutting down", std::chrono::seconds(1));
}

}  // namespace

IngestService::IngestService(Registry& registry, const Gate& gate,
                             GrpcMetrics& metrics, Logger& logger,
                             const IngestSettings& settings)
    : gate_(gate),
      settings_(settings),
      surroundings_{.registry = registry,
                    .metrics = metrics,
                    .logger = logger,
                    .streams = std::make_shared<StreamSet>(),
                    .open_timeout = settings.open_timeout,
                    .idle_timeout = settings.idle_timeout} {}

grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse>*
IngestService::Stream(grpc::CallbackServerContext* context) {
  auto tenant = gate_.TenantOf(*context);
  const absl::Status admitted = tenant.ok() ? AdmitStream() : tenant.status();
  auto* stream = new StreamReactor(
      surroundings_, *context, tenant.ok() ? *std::move(tenant) : std::string(),
      admitted);
  // Drain() may have visited all streams just before this one was added; then
  // its flag is seen here.
  if (draining_.load()) stream->End(ShuttingDown());
  return stream;
}

grpc::ServerUnaryReactor* IngestService::Report(
    grpc::CallbackServerContext* context, const v1::ReportRequest* request,
    v1::ReportResponse* response) {
  const auto tenant = gate_.TenantOf(*context);
  auto* report = new ReportReactor(
      surroundings_.registry, tenant.ok() ? *tenant : std::string(), reports_,
      CallRecord(surroundings_.metrics, Method::kReport), *response);
  report->Run(tenant.ok() ? Admit() : tenant.status(), *request);
  return report;
}

void IngestService::OnCommitted() {
  surroundings_.streams->VisitAll(
      [](StreamReactor& stream) { stream.OnCommitted(); });
  reports_.OnCommitted();
}

void IngestService::Tick() {
  const absl::Time now = surroundings_.registry.Now();
  surroundings_.streams->VisitAll(
      [now](StreamReactor& stream) { stream.Tick(now); });
}

void IngestService::Drain() {
  draining_.store(true);
  surroundings_.streams->VisitAll(
      [](StreamReactor& stream) { stream.End(ShuttingDown()); });
}

absl::Status IngestService::Admit() const {
  return draining_.load() ? ShuttingDown() : absl::OkStatus();
}

absl::Status IngestService::AdmitStream() const {
  if (absl::Status status = Admit(); !status.ok()) return status;
  if (open_streams() < settings_.max_streams) return absl::OkStatus();
  return Overloaded(absl::StrCat("the server holds ", settings_.max_streams,
                                 " streams, the most allowed"),
                    std::chrono::seconds(5));
}

}  // namespace firekeeper::server
