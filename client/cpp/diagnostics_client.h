// Asks a server what became of the neurons: DiagnosticsService and the health
// service, with every page followed.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/connection.h"
#include "firekeeper/v1/diagnostics.pb.h"

namespace firekeeper::client {

// Names one signal of a layer.
struct SignalKey {
  std::string run_id{};
  std::string layer{};
  v1::Signal signal = v1::SIGNAL_ACTIVATION;
  v1::Phase phase = v1::PHASE_TRAIN;
};

// Thread-safe. Calls block, each page up to the timeout. They fail with what
// the server answered (FieldProblems() in grpc_status.h reads the details),
// kUnavailable where it cannot be reached and kDeadlineExceeded after the
// timeout.
class DiagnosticsClient {
 public:
  // Does not connect yet. Fails as MakeChannel() does.
  static absl::StatusOr<std::unique_ptr<DiagnosticsClient>> Create(
      const ConnectionOptions& connection, std::chrono::milliseconds timeout);
  ~DiagnosticsClient();
  DiagnosticsClient(const DiagnosticsClient&) = delete;
  DiagnosticsClient& operator=(const DiagnosticsClient&) = delete;

  // OK where the server says SERVING; kFailedPrecondition where it says
  // something else.
  absl::Status CheckHealth();
  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo();
  // Lists hold the entries of all pages and no page token.
  absl::StatusOr<v1::ListRunsResponse> ListRuns();
  absl::StatusOr<v1::Run> GetRun(const std::string& run_id);
  absl::StatusOr<v1::Run> EndRun(const std::string& run_id);
  absl::Status DeleteRun(const std::string& run_id);
  // Where the recording is on the server's machine.
  absl::StatusOr<std::string> StartRecording(const std::string& run_id);
  absl::StatusOr<std::string> StopRecording(const std::string& run_id);
  absl::StatusOr<v1::ListLayersResponse> ListLayers(const std::string& run_id);
  absl::StatusOr<v1::LayerReport> GetLayer(const std::string& run_id,
                                           const std::string& layer);
  absl::StatusOr<v1::GetLayerHistoryResponse> GetLayerHistory(
      const SignalKey& key);
  // Units in one of `states` (empty: all), as they are now or, where it is not
  // 0, as they were at this event of the layer.
  absl::StatusOr<v1::ListUnitsResponse> ListUnits(
      const std::string& run_id, const std::string& layer,
      const std::vector<v1::HealthState>& states,
      std::uint64_t at_event_id = 0);
  absl::StatusOr<v1::DiagnoseRunResponse> DiagnoseRun(
      const std::string& run_id);
  // Events of a layer (empty: all) that are at least as severe as `least`.
  absl::StatusOr<v1::ListEventsResponse> ListEvents(const std::string& run_id,
                                                    const std::string& layer,
                                                    v1::EventSeverity least);
  // Calls `on_event` from this thread for every event after `after_event_id`,
  // until the run has ended: OK then. No timeout.
  absl::Status WatchEvents(
      const std::string& run_id, std::uint64_t after_event_id,
      const std::function<void(const v1::Event&)>& on_event);

 private:
  class Impl;
  explicit DiagnosticsClient(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace firekeeper::client
