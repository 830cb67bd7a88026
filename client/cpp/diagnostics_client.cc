#include "client/cpp/diagnostics_client.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/channel.h"
#include "client/cpp/grpc_status.h"
#include "firekeeper/v1/diagnostics.grpc.pb.h"

namespace firekeeper::client {

namespace {

// Wire forms of grpc.health.v1: HealthCheckRequest{string service = 1} and
// HealthCheckResponse{ServingStatus status = 1}. Generating that proto here
// would clash with a trainer's own copy of it.
using HealthRequest = google::protobuf::StringValue;
using HealthResponse = google::protobuf::Int32Value;
constexpr const char* kHealthCheck = "/grpc.health.v1.Health/Check";
constexpr int kServing = 1;

// Pages beyond this many are a server that does not end its list.
constexpr int kMaxPages = 1'000'000;

}  // namespace

class DiagnosticsClient::Impl {
 public:
  Impl(const std::shared_ptr<grpc::Channel>& channel,
       ConnectionOptions connection, std::chrono::milliseconds timeout)
      : connection_(std::move(connection)),
        timeout_(timeout),
        stub_(v1::DiagnosticsService::NewStub(channel)),
        health_stub_(channel) {}

  void Prepare(grpc::ClientContext* context) const {
    context->set_deadline(std::chrono::system_clock::now() + timeout_);
    Authorize(connection_, context);
  }

  template <typename Request, typename Response>
  using Method = grpc::Status (v1::DiagnosticsService::Stub::*)(
      grpc::ClientContext*, const Request&, Response*);

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method,
                                const Request& request) {
    grpc::ClientContext context;
    Prepare(&context);
    Response response;
    const grpc::Status status =
        ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) return ToAbsl(status);
    return response;
  }

  // The first page with the entries of all others appended.
  template <typename Request, typename Response>
  absl::StatusOr<Response> CallPaged(Method<Request, Response> method,
                                     Request request) {
    Response all;
    for (int page = 0; page < kMaxPages; ++page) {
      absl::StatusOr<Response> response = Call(method, request);
      if (!response.ok()) return response.status();
      const std::string next = response->next_page_token();
      response->clear_next_page_token();
      // Appends repeated fields; the rest is the same on every page.
      all.MergeFrom(*response);
      if (next.empty()) return all;
      if (next == request.page_token()) break;
      request.set_page_token(next);
    }
    return absl::InternalError("the server repeats a page of its list");
  }

  absl::Status CheckHealth();
  absl::Status WatchEvents(
      const v1::WatchEventsRequest& request,
      const std::function<void(const v1::Event&)>& on_event) {
    grpc::ClientContext context;
    Authorize(connection_, &context);
    const auto reader = stub_->WatchEvents(&context, request);
    v1::WatchEventsResponse response;
    while (reader->Read(&response)) on_event(response.event());
    const grpc::Status status = reader->Finish();
    return status.ok() ? absl::OkStatus() : ToAbsl(status);
  }

 private:
  const ConnectionOptions connection_;
  const std::chrono::milliseconds timeout_;
  const std::unique_ptr<v1::DiagnosticsService::Stub> stub_;
  grpc::TemplatedGenericStub<HealthRequest, HealthResponse> health_stub_;
};

absl::Status DiagnosticsClient::Impl::CheckHealth() {
  grpc::ClientContext context;
  Prepare(&context);
  grpc::CompletionQueue queue;
  HealthResponse response;
  grpc::Status status;
  const auto call = health_stub_.PrepareUnaryCall(&context, kHealthCheck,
                                                  HealthRequest(), &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  (void)queue.Next(&tag, &ok);  // the deadline ends it
  if (!status.ok()) return ToAbsl(status);
  if (response.value() == kServing) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the server is not serving (health status ", response.value(), ")"));
}

DiagnosticsClient::DiagnosticsClient(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
DiagnosticsClient::~DiagnosticsClient() = default;

absl::StatusOr<std::unique_ptr<DiagnosticsClient>> DiagnosticsClient::Create(
    const ConnectionOptions& connection, std::chrono::milliseconds timeout) {
  auto channel = MakeChannel(connection);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<DiagnosticsClient>(new DiagnosticsClient(
      std::make_unique<Impl>(*channel, connection, timeout)));
}

absl::Status DiagnosticsClient::CheckHealth() { return impl_->CheckHealth(); }

absl::StatusOr<v1::GetServerInfoResponse> DiagnosticsClient::GetServerInfo() {
  return impl_->Call(&v1::DiagnosticsService::Stub::GetServerInfo,
                     v1::GetServerInfoRequest());
}

absl::StatusOr<v1::ListRunsResponse> DiagnosticsClient::ListRuns() {
  return impl_->CallPaged(&v1::DiagnosticsService::Stub::ListRuns,
                          v1::ListRunsRequest());
}

absl::StatusOr<v1::Run> DiagnosticsClient::GetRun(const std::string& run_id) {
  v1::GetRunRequest request;
  request.set_run_id(run_id);
  auto response = impl_->Call(&v1::DiagnosticsService::Stub::GetRun, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_run());
}

absl::StatusOr<v1::Run> DiagnosticsClient::EndRun(const std::string& run_id) {
  v1::EndRunRequest request;
  request.set_run_id(run_id);
  auto response = impl_->Call(&v1::DiagnosticsService::Stub::EndRun, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_run());
}

absl::Status DiagnosticsClient::DeleteRun(const std::string& run_id) {
  v1::DeleteRunRequest request;
  request.set_run_id(run_id);
  return impl_->Call(&v1::DiagnosticsService::Stub::DeleteRun, request)
      .status();
}

absl::StatusOr<std::string> DiagnosticsClient::StartRecording(
    const std::string& run_id) {
  v1::StartRecordingRequest request;
  request.set_run_id(run_id);
  auto response =
      impl_->Call(&v1::DiagnosticsService::Stub::StartRecording, request);
  if (!response.ok()) return response.status();
  return response->path();
}

absl::StatusOr<std::string> DiagnosticsClient::StopRecording(
    const std::string& run_id) {
  v1::StopRecordingRequest request;
  request.set_run_id(run_id);
  auto response =
      impl_->Call(&v1::DiagnosticsService::Stub::StopRecording, request);
  if (!response.ok()) return response.status();
  return response->path();
}

absl::StatusOr<v1::ListLayersResponse> DiagnosticsClient::ListLayers(
    const std::string& run_id) {
  v1::ListLayersRequest request;
  request.set_run_id(run_id);
  return impl_->CallPaged(&v1::DiagnosticsService::Stub::ListLayers, request);
}

absl::StatusOr<v1::LayerReport> DiagnosticsClient::GetLayer(
    const std::string& run_id, const std::string& layer) {
  v1::GetLayerRequest request;
  request.set_run_id(run_id);
  request.set_layer(layer);
  auto response = impl_->Call(&v1::DiagnosticsService::Stub::GetLayer, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_layer());
}

absl::StatusOr<v1::GetLayerHistoryResponse> DiagnosticsClient::GetLayerHistory(
    const SignalKey& key) {
  v1::GetLayerHistoryRequest request;
  request.set_run_id(key.run_id);
  request.set_layer(key.layer);
  request.set_signal(key.signal);
  request.set_phase(key.phase);
  return impl_->CallPaged(&v1::DiagnosticsService::Stub::GetLayerHistory,
                          request);
}

absl::StatusOr<v1::ListUnitsResponse> DiagnosticsClient::ListUnits(
    const std::string& run_id, const std::string& layer,
    const std::vector<v1::HealthState>& states, std::uint64_t at_event_id) {
  v1::ListUnitsRequest request;
  request.set_run_id(run_id);
  request.set_layer(layer);
  request.set_at_event_id(at_event_id);
  for (const v1::HealthState state : states) request.add_states(state);
  return impl_->CallPaged(&v1::DiagnosticsService::Stub::ListUnits, request);
}

absl::StatusOr<v1::DiagnoseRunResponse> DiagnosticsClient::DiagnoseRun(
    const std::string& run_id) {
  v1::DiagnoseRunRequest request;
  request.set_run_id(run_id);
  return impl_->Call(&v1::DiagnosticsService::Stub::DiagnoseRun, request);
}

absl::StatusOr<v1::ListEventsResponse> DiagnosticsClient::ListEvents(
    const std::string& run_id, const std::string& layer,
    v1::EventSeverity least) {
  v1::ListEventsRequest request;
  request.set_run_id(run_id);
  request.set_layer(layer);
  request.set_min_severity(least);
  return impl_->CallPaged(&v1::DiagnosticsService::Stub::ListEvents, request);
}

absl::Status DiagnosticsClient::WatchEvents(
    const std::string& run_id, std::uint64_t after_event_id,
    const std::function<void(const v1::Event&)>& on_event) {
  v1::WatchEventsRequest request;
  request.set_run_id(run_id);
  request.set_after_event_id(after_event_id);
  return impl_->WatchEvents(request, on_event);
}

}  // namespace firekeeper::client
