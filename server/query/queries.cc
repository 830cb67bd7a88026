#include "server/query/queries.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/reduce.h"
#include "server/errors.h"
#include "server/ingest/codec.h"
#include "server/ingest/limits_codec.h"
#include "server/query/paging.h"
#include "server/query/view_codec.h"
#include "server/version.h"

namespace firekeeper::server {
namespace {

constexpr std::uint32_t kDefaultBins = 64;
constexpr std::uint32_t kFewestBins = 2;
constexpr std::uint32_t kMostBins = 1024;

struct SeriesKey {
  core::Signal signal{};
  core::Phase phase{};
};

template <typename Request>
absl::StatusOr<SeriesKey> SeriesOf(const Request& request) {
  if (!v1::Signal_IsValid(request.signal()) ||
      request.signal() == v1::SIGNAL_UNSPECIFIED) {
    return FieldError("signal", absl::StrCat(static_cast<int>(request.signal()),
                                             " is no signal"));
  }
  if (!v1::Phase_IsValid(request.phase())) {
    return FieldError("phase", absl::StrCat(static_cast<int>(request.phase()),
                                            " is no phase"));
  }
  const bool unset = request.phase() == v1::PHASE_UNSPECIFIED;
  return SeriesKey{.signal = static_cast<core::Signal>(request.signal()),
                   .phase = unset ? core::Phase::kTrain
                                  : static_cast<core::Phase>(request.phase())};
}

absl::Status NoRecorder() {
  return Refusal(absl::StatusCode::kFailedPrecondition, "NO_PLACE",
                 "this server records nothing");
}

}  // namespace

Queries::Queries(Registry& registry, absl::Time started)
    : registry_(registry), started_(started) {}

absl::StatusOr<std::shared_ptr<Run>> Queries::FindRun(
    const std::string& tenant, const std::string& run_id) const {
  absl::Status status = CheckName("run_id", run_id, registry_.limits());
  if (!status.ok()) return status;
  return registry_.Find({.tenant = tenant, .run_id = run_id});
}

absl::StatusOr<Queries::Place> Queries::FindLayer(
    const std::string& tenant, const std::string& run_id,
    const std::string& layer) const {
  auto run = FindRun(tenant, run_id);
  if (!run.ok()) return run.status();
  absl::Status status = CheckName("layer", layer, registry_.limits());
  if (!status.ok()) return status;
  std::shared_ptr<LayerState> found = (*run)->FindLayer(layer);
  if (!found) {
    return Refusal(
        absl::StatusCode::kNotFound, "LAYER_NOT_FOUND",
        absl::StrCat("run \"", run_id, "\" has no layer \"", layer, "\""));
  }
  return Place{.run = *std::move(run), .layer = std::move(found)};
}

absl::StatusOr<std::size_t> Queries::PageLimit(std::int32_t page_size) const {
  return PageSize(page_size, registry_.limits().max_page_size);
}

absl::Status Queries::GetServerInfo(const std::string& tenant,
                                    const v1::GetServerInfoRequest& /*request*/,
                                    v1::GetServerInfoResponse* response) const {
  response->set_version(kVersion);
  response->set_durability(registry_.journal().keeps()
                               ? v1::DURABILITY_COMMITTED
                               : v1::DURABILITY_NONE);
  *response->mutable_limits() =
      LimitsToProto(registry_.limits(), registry_.settings());
  response->set_tenant(tenant);
  *response->mutable_started() = ToTimestamp(started_);
  response->set_kernel_target(std::string(core::KernelTarget()));
  response->set_diagnosis_available(true);
  return absl::OkStatus();
}

absl::Status Queries::ListRuns(const std::string& tenant,
                               const v1::ListRunsRequest& request,
                               v1::ListRunsResponse* response) const {
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const std::string query = QueryOf("runs", tenant);
  const auto after = PagePosition(request.page_token(), query);
  if (!after.ok()) return after.status();
  // One more than the page tells whether there is another.
  auto runs = registry_.List(tenant, *after, *limit + 1);
  if (runs.size() > *limit) {
    runs.resize(*limit);
    response->set_next_page_token(PageToken(query, runs.back()->run_id()));
  }
  for (const auto& run : runs) {
    const RunView view = run->View(registry_.Now());
    ToProto(view, response->add_runs());
    ToProto(view, response->add_glances());
  }
  return absl::OkStatus();
}

absl::Status Queries::GetRun(const std::string& tenant,
                             const v1::GetRunRequest& request,
                             v1::GetRunResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  ToProto((*run)->View(registry_.Now()), response->mutable_run());
  return absl::OkStatus();
}

absl::Status Queries::EndRun(const std::string& tenant,
                             const v1::EndRunRequest& request,
                             v1::EndRunResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  const absl::Time now = registry_.Now();
  (*run)->End(now);
  ToProto((*run)->View(now), response->mutable_run());
  return absl::OkStatus();
}

absl::Status Queries::DeleteRun(const std::string& tenant,
                                const v1::DeleteRunRequest& request,
                                v1::DeleteRunResponse* /*response*/) const {
  absl::Status status =
      CheckName("run_id", request.run_id(), registry_.limits());
  if (!status.ok()) return status;
  return registry_.Delete({.tenant = tenant, .run_id = request.run_id()});
}

absl::Status Queries::StartRecording(
    const std::string& tenant, const v1::StartRecordingRequest& request,
    v1::StartRecordingResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  RunRecorder* const recorder = registry_.recorder();
  if (recorder == nullptr) return NoRecorder();
  const auto recording = recorder->Start(**run);
  if (!recording.ok()) return recording.status();
  response->set_path(recording->path);
  return absl::OkStatus();
}

absl::Status Queries::StopRecording(const std::string& tenant,
                                    const v1::StopRecordingRequest& request,
                                    v1::StopRecordingResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  RunRecorder* const recorder = registry_.recorder();
  if (recorder == nullptr) return NoRecorder();
  const auto recording = recorder->Stop(**run, registry_.Now());
  if (!recording.ok()) return recording.status();
  response->set_path(recording->path);
  return absl::OkStatus();
}

absl::Status Queries::GetLayer(const std::string& tenant,
                               const v1::GetLayerRequest& request,
                               v1::GetLayerResponse* response) const {
  const auto place = FindLayer(tenant, request.run_id(), request.layer());
  if (!place.ok()) return place.status();
  ToProto(place->layer->View(place->run->UnitCount()),
          response->mutable_layer());
  return absl::OkStatus();
}

absl::Status Queries::GetLayerHistory(
    const std::string& tenant, const v1::GetLayerHistoryRequest& request,
    v1::GetLayerHistoryResponse* response) const {
  const auto place = FindLayer(tenant, request.run_id(), request.layer());
  if (!place.ok()) return place.status();
  const auto series = SeriesOf(request);
  if (!series.ok()) return series.status();
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const std::string query = QueryOf(
      "history", tenant, request.run_id(), request.layer(),
      static_cast<int>(series->signal), static_cast<int>(series->phase));
  // The first step of the next window: old windows may be gone by then.
  const auto from = NumericPosition(request.page_token(), query);
  if (!from.ok()) return from.status();

  for (const SignalView& window :
       place->layer->History(series->signal, series->phase)) {
    if (static_cast<std::uint64_t>(window.digest.steps.first) < *from) continue;
    if (static_cast<std::size_t>(response->windows_size()) == *limit) {
      response->set_next_page_token(
          PageToken(query, absl::StrCat(window.digest.steps.first)));
      break;
    }
    ToProto(window, response->add_windows());
  }
  return absl::OkStatus();
}

absl::Status Queries::GetDistribution(
    const std::string& tenant, const v1::GetDistributionRequest& request,
    v1::GetDistributionResponse* response) const {
  const auto place = FindLayer(tenant, request.run_id(), request.layer());
  if (!place.ok()) return place.status();
  const auto series = SeriesOf(request);
  if (!series.ok()) return series.status();
  const std::uint32_t bins =
      request.max_bins() == 0 ? kDefaultBins : request.max_bins();
  if (bins < kFewestBins || bins > kMostBins) {
    return FieldError("max_bins", absl::StrCat("is ", bins, "; must be 0 or ",
                                               kFewestBins, " to ", kMostBins));
  }
  ToProto(place->layer->Distribution({series->phase, series->signal}, bins),
          response);
  return absl::OkStatus();
}

absl::Status Queries::GetScalar(const std::string& tenant,
                                const v1::GetScalarRequest& request,
                                v1::GetScalarResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  absl::Status named = CheckName("name", request.name(), registry_.limits());
  if (!named.ok()) return named;
  for (const auto& [step, value] : (*run)->ScalarHistory(request.name())) {
    response->add_steps(step);
    response->add_values(value);
  }
  return absl::OkStatus();
}

}  // namespace firekeeper::server
