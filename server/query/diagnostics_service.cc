#include "server/query/diagnostics_service.h"

#include <memory>
#include <utility>

#include "server/errors.h"
#include "server/query/event_watch.h"
#include "server/telemetry/unary_call.h"

namespace firekeeper::server {
namespace {

// Ends a server stream at once.
class RefusedWatch final
    : public grpc::ServerWriteReactor<v1::WatchEventsResponse> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

DiagnosticsService::DiagnosticsService(const Queries& queries, const Gate& gate,
                                       GrpcMetrics& metrics)
    : queries_(queries), gate_(gate), metrics_(metrics) {}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* DiagnosticsService::Reply(
    Method method, Answer<Request, Response> answer,
    grpc::CallbackServerContext* context, const Request* request,
    Response* response) {
  // Through `this`, g++ 12's UndefinedBehaviorSanitizer looks at another
  // object.
  const Queries& queries = queries_;
  return ReplyUnary(
      *context, gate_, CallRecord(metrics_, method),
      [&queries, answer, request, response](const std::string& tenant) {
        return (queries.*answer)(tenant, *request, response);
      });
}

grpc::ServerUnaryReactor* DiagnosticsService::GetServerInfo(
    grpc::CallbackServerContext* context,
    const v1::GetServerInfoRequest* request,
    v1::GetServerInfoResponse* response) {
  return Reply(Method::kGetServerInfo, &Queries::GetServerInfo, context,
               request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::ListRuns(
    grpc::CallbackServerContext* context, const v1::ListRunsRequest* request,
    v1::ListRunsResponse* response) {
  return Reply(Method::kListRuns, &Queries::ListRuns, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetRun(
    grpc::CallbackServerContext* context, const v1::GetRunRequest* request,
    v1::GetRunResponse* response) {
  return Reply(Method::kGetRun, &Queries::GetRun, context, request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::EndRun(
    grpc::CallbackServerContext* context, const v1::EndRunRequest* request,
    v1::EndRunResponse* response) {
  return Reply(Method::kEndRun, &Queries::EndRun, context, request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::DeleteRun(
    grpc::CallbackServerContext* context, const v1::DeleteRunRequest* request,
    v1::DeleteRunResponse* response) {
  return Reply(Method::kDeleteRun, &Queries::DeleteRun, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::StartRecording(
    grpc::CallbackServerContext* context,
    const v1::StartRecordingRequest* request,
    v1::StartRecordingResponse* response) {
  return Reply(Method::kStartRecording, &Queries::StartRecording, context,
               request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::StopRecording(
    grpc::CallbackServerContext* context,
    const v1::StopRecordingRequest* request,
    v1::StopRecordingResponse* response) {
  return Reply(Method::kStopRecording, &Queries::StopRecording, context,
               request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::ListLayers(
    grpc::CallbackServerContext* context, const v1::ListLayersRequest* request,
    v1::ListLayersResponse* response) {
  return Reply(Method::kListLayers, &Queries::ListLayers, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetLayer(
    grpc::CallbackServerContext* context, const v1::GetLayerRequest* request,
    v1::GetLayerResponse* response) {
  return Reply(Method::kGetLayer, &Queries::GetLayer, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetLayerHistory(
    grpc::CallbackServerContext* context,
    const v1::GetLayerHistoryRequest* request,
    v1::GetLayerHistoryResponse* response) {
  return Reply(Method::kGetLayerHistory, &Queries::GetLayerHistory, context,
               request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::ListUnits(
    grpc::CallbackServerContext* context, const v1::ListUnitsRequest* request,
    v1::ListUnitsResponse* response) {
  return Reply(Method::kListUnits, &Queries::ListUnits, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetUnitMap(
    grpc::CallbackServerContext* context, const v1::GetUnitMapRequest* request,
    v1::GetUnitMapResponse* response) {
  return Reply(Method::kGetUnitMap, &Queries::GetUnitMap, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetHistogram(
    grpc::CallbackServerContext* context,
    const v1::GetHistogramRequest* request,
    v1::GetHistogramResponse* response) {
  return Reply(Method::kGetHistogram, &Queries::GetHistogram, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetDistribution(
    grpc::CallbackServerContext* context,
    const v1::GetDistributionRequest* request,
    v1::GetDistributionResponse* response) {
  return Reply(Method::kGetDistribution, &Queries::GetDistribution, context,
               request, response);
}

grpc::ServerUnaryReactor* DiagnosticsService::GetScalar(
    grpc::CallbackServerContext* context, const v1::GetScalarRequest* request,
    v1::GetScalarResponse* response) {
  return Reply(Method::kGetScalar, &Queries::GetScalar, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::DiagnoseRun(
    grpc::CallbackServerContext* context, const v1::DiagnoseRunRequest* request,
    v1::DiagnoseRunResponse* response) {
  return Reply(Method::kDiagnoseRun, &Queries::DiagnoseRun, context, request,
               response);
}

grpc::ServerUnaryReactor* DiagnosticsService::ListEvents(
    grpc::CallbackServerContext* context, const v1::ListEventsRequest* request,
    v1::ListEventsResponse* response) {
  return Reply(Method::kListEvents, &Queries::ListEvents, context, request,
               response);
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>*
DiagnosticsService::WatchEvents(grpc::CallbackServerContext* context,
                                const v1::WatchEventsRequest* request) {
  CallRecord record(metrics_, Method::kWatchEvents);
  record.Received();
  const auto tenant = gate_.TenantOf(*context);
  auto run = tenant.ok()
                 ? queries_.RunToWatch(*tenant, *request)
                 : absl::StatusOr<std::shared_ptr<Run>>(tenant.status());
  if (run.ok()) {
    return new EventWatch(*std::move(run), request->after_event_id(), record);
  }
  const grpc::Status status = ToGrpcStatus(run.status());
  record.Finish(status.error_code());
  return new RefusedWatch(status);
}

}  // namespace firekeeper::server
