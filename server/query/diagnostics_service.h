// DiagnosticsService over gRPC: gate, count, answer.

#pragma once

#include "firekeeper/v1/diagnostics.grpc.pb.h"
#include "server/query/queries.h"
#include "server/security/gate.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

// Thread-safe. Every method but WatchEvents is answered before it returns, and
// that one is answered by whoever makes the event: nothing waits, so no call
// holds a thread for longer than the answer takes.
class DiagnosticsService final
    : public v1::DiagnosticsService::CallbackService {
 public:
  // Requires: all outlive the service.
  DiagnosticsService(const Queries& queries, const Gate& gate,
                     GrpcMetrics& metrics);

  grpc::ServerUnaryReactor* GetServerInfo(
      grpc::CallbackServerContext* context,
      const v1::GetServerInfoRequest* request,
      v1::GetServerInfoResponse* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* response) override;
  grpc::ServerUnaryReactor* GetRun(grpc::CallbackServerContext* context,
                                   const v1::GetRunRequest* request,
                                   v1::GetRunResponse* response) override;
  grpc::ServerUnaryReactor* EndRun(grpc::CallbackServerContext* context,
                                   const v1::EndRunRequest* request,
                                   v1::EndRunResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRun(grpc::CallbackServerContext* context,
                                      const v1::DeleteRunRequest* request,
                                      v1::DeleteRunResponse* response) override;
  grpc::ServerUnaryReactor* StartRecording(
      grpc::CallbackServerContext* context,
      const v1::StartRecordingRequest* request,
      v1::StartRecordingResponse* response) override;
  grpc::ServerUnaryReactor* StopRecording(
      grpc::CallbackServerContext* context,
      const v1::StopRecordingRequest* request,
      v1::StopRecordingResponse* response) override;
  grpc::ServerUnaryReactor* ListLayers(
      grpc::CallbackServerContext* context,
      const v1::ListLayersRequest* request,
      v1::ListLayersResponse* response) override;
  grpc::ServerUnaryReactor* GetLayer(grpc::CallbackServerContext* context,
                                     const v1::GetLayerRequest* request,
                                     v1::GetLayerResponse* response) override;
  grpc::ServerUnaryReactor* GetLayerHistory(
      grpc::CallbackServerContext* context,
      const v1::GetLayerHistoryRequest* request,
      v1::GetLayerHistoryResponse* response) override;
  grpc::ServerUnaryReactor* ListUnits(grpc::CallbackServerContext* context,
                                      const v1::ListUnitsRequest* request,
                                      v1::ListUnitsResponse* response) override;
  grpc::ServerUnaryReactor* GetUnitMap(
      grpc::CallbackServerContext* context,
      const v1::GetUnitMapRequest* request,
      v1::GetUnitMapResponse* response) override;
  grpc::ServerUnaryReactor* GetHistogram(
      grpc::CallbackServerContext* context,
      const v1::GetHistogramRequest* request,
      v1::GetHistogramResponse* response) override;
  grpc::ServerUnaryReactor* GetDistribution(
      grpc::CallbackServerContext* context,
      const v1::GetDistributionRequest* request,
      v1::GetDistributionResponse* response) override;
  grpc::ServerUnaryReactor* GetScalar(grpc::CallbackServerContext* context,
                                      const v1::GetScalarRequest* request,
                                      v1::GetScalarResponse* response) override;
  grpc::ServerUnaryReactor* DiagnoseRun(
      grpc::CallbackServerContext* context,
      const v1::DiagnoseRunRequest* request,
      v1::DiagnoseRunResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(
      grpc::CallbackServerContext* context,
      const v1::ListEventsRequest* request,
      v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;

 private:
  template <typename Request, typename Response>
  using Answer = absl::Status (Queries::*)(const std::string&, const Request&,
                                           Response*) const;

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Reply(Method method,
                                  Answer<Request, Response> answer,
                                  grpc::CallbackServerContext* context,
                                  const Request* request, Response* response);

  const Queries& queries_;
  const Gate& gate_;
  GrpcMetrics& metrics_;
};

}  // namespace firekeeper::server
