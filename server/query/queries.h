// The answers of DiagnosticsService, free of gRPC: whoever serves them over
// another transport gets the same.

#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "firekeeper/v1/diagnostics.pb.h"
#include "server/state/registry.h"

namespace firekeeper::server {

// Every answer is about the runs of `tenant` only; what belongs to another is
// NOT_FOUND. Fails with INVALID_ARGUMENT, naming the field, for a malformed
// request. A failed call may leave `response` half filled.
//
// Thread-safe.
class Queries {
 public:
  // Requires: `registry` outlives the queries.
  Queries(Registry& registry, absl::Time started);

  absl::Status GetServerInfo(const std::string& tenant,
                             const v1::GetServerInfoRequest& request,
                             v1::GetServerInfoResponse* response) const;
  absl::Status ListRuns(const std::string& tenant,
                        const v1::ListRunsRequest& request,
                        v1::ListRunsResponse* response) const;
  absl::Status GetRun(const std::string& tenant,
                      const v1::GetRunRequest& request,
                      v1::GetRunResponse* response) const;
  absl::Status EndRun(const std::string& tenant,
                      const v1::EndRunRequest& request,
                      v1::EndRunResponse* response) const;
  absl::Status DeleteRun(const std::string& tenant,
                         const v1::DeleteRunRequest& request,
                         v1::DeleteRunResponse* response) const;
  absl::Status StartRecording(const std::string& tenant,
                              const v1::StartRecordingRequest& request,
                              v1::StartRecordingResponse* response) const;
  absl::Status StopRecording(const std::string& tenant,
                             const v1::StopRecordingRequest& request,
                             v1::StopRecordingResponse* response) const;
  absl::Status ListLayers(const std::string& tenant,
                          const v1::ListLayersRequest& request,
                          v1::ListLayersResponse* response) const;
  absl::Status GetLayer(const std::string& tenant,
                        const v1::GetLayerRequest& request,
                        v1::GetLayerResponse* response) const;
  absl::Status GetLayerHistory(const std::string& tenant,
                               const v1::GetLayerHistoryRequest& request,
                               v1::GetLayerHistoryResponse* response) const;
  absl::Status ListUnits(const std::string& tenant,
                         const v1::ListUnitsRequest& request,
                         v1::ListUnitsResponse* response) const;
  absl::Status GetUnitMap(const std::string& tenant,
                          const v1::GetUnitMapRequest& request,
                          v1::GetUnitMapResponse* response) const;
  absl::Status GetHistogram(const std::string& tenant,
                            const v1::GetHistogramRequest& request,
                            v1::GetHistogramResponse* response) const;
  absl::Status GetDistribution(const std::string& tenant,
                               const v1::GetDistributionRequest& request,
                               v1::GetDistributionResponse* response) const;
  absl::Status GetScalar(const std::string& tenant,
                         const v1::GetScalarRequest& request,
                         v1::GetScalarResponse* response) const;
  absl::Status DiagnoseRun(const std::string& tenant,
                           const v1::DiagnoseRunRequest& request,
                           v1::DiagnoseRunResponse* response) const;
  absl::Status ListEvents(const std::string& tenant,
                          const v1::ListEventsRequest& request,
                          v1::ListEventsResponse* response) const;
  // The run of `request`, assessed as of now: its log is what is watched.
  absl::StatusOr<std::shared_ptr<Run>> RunToWatch(
      const std::string& tenant, const v1::WatchEventsRequest& request) const;

 private:
  struct Place {
    std::shared_ptr<Run> run;
    std::shared_ptr<LayerState> layer;
  };

  absl::StatusOr<std::shared_ptr<Run>> FindRun(const std::string& tenant,
                                               const std::string& run_id) const;
  absl::StatusOr<Place> FindLayer(const std::string& tenant,
                                  const std::string& run_id,
                                  const std::string& layer) const;
  // ListUnits() of an event.
  absl::Status ListUnitsAtEvent(const Place& place,
                                const v1::ListUnitsRequest& request,
                                const std::vector<core::HealthState>& states,
                                const std::string& query,
                                v1::ListUnitsResponse* response) const;
  // Whether the event is one of the layer, and can have kept units.
  absl::Status CheckEvent(const Place& place,
                          const v1::ListUnitsRequest& request) const;
  absl::StatusOr<std::size_t> PageLimit(std::int32_t page_size) const;
  // Fills remedy_outcome where there is a run or attempt to compare with.
  void CompareWithBefore(const std::string& tenant, const Run& run,
                         v1::DiagnoseRunResponse* response) const;

  Registry& registry_;
  const absl::Time started_;
};

}  // namespace firekeeper::server
