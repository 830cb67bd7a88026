// A DiagnosticsService that answers from a table: what the command line is
// tested against.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "firekeeper/v1/diagnostics.grpc.pb.h"
#include "firekeeper/v1/errors.pb.h"

namespace firekeeper::testing {

// Fill in what it knows before the server starts. Lists come in pages of two.
class FakeDiagnosticsService final : public v1::DiagnosticsService::Service {
 public:
  std::vector<v1::Run> runs;
  std::map<std::string, std::vector<v1::LayerReport>> layers;  // by run
  std::vector<v1::UnitVerdict> units;
  v1::DiagnoseRunResponse diagnosis;  // of every run
  std::vector<v1::Event> events;      // of every run

  grpc::Status GetServerInfo(grpc::ServerContext*,
                             const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* response) override {
    response->set_version("1.2.3");
    response->mutable_limits()->set_max_message_bytes(4 << 20);
    return grpc::Status::OK;
  }

  grpc::Status ListRuns(grpc::ServerContext*,
                        const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override {
    response->set_next_page_token(
        Page(runs, request->page_token(), response->mutable_runs()));
    return grpc::Status::OK;
  }

  grpc::Status GetRun(grpc::ServerContext*, const v1::GetRunRequest* request,
                      v1::GetRunResponse* response) override {
    if (request->run_id() == "bad name") return BadRequest();
    const auto run =
        std::find_if(runs.begin(), runs.end(), [request](const v1::Run& r) {
          return r.run_id() == request->run_id();
        });
    if (run == runs.end()) return {grpc::StatusCode::NOT_FOUND, "no such run"};
    *response->mutable_run() = *run;
    return grpc::Status::OK;
  }

  grpc::Status ListLayers(grpc::ServerContext*,
                          const v1::ListLayersRequest* request,
                          v1::ListLayersResponse* response) override {
    const auto found = layers.find(request->run_id());
    if (found == layers.end()) {
      return {grpc::StatusCode::NOT_FOUND, "no such run"};
    }
    response->set_next_page_token(
        Page(found->second, request->page_token(), response->mutable_layers()));
    return grpc::Status::OK;
  }

  grpc::Status ListUnits(grpc::ServerContext*,
                         const v1::ListUnitsRequest* request,
                         v1::ListUnitsResponse* response) override {
    std::vector<v1::UnitVerdict> matching;
    for (const v1::UnitVerdict& unit : units) {
      const auto& states = request->states();
      if (states.empty() || std::find(states.begin(), states.end(),
                                      unit.state()) != states.end()) {
        matching.push_back(unit);
      }
    }
    response->set_total_size(matching.size());
    response->mutable_certificate()->set_alpha(0.01);
    response->set_next_page_token(
        Page(matching, request->page_token(), response->mutable_units()));
    return grpc::Status::OK;
  }

  grpc::Status DiagnoseRun(grpc::ServerContext*,
                           const v1::DiagnoseRunRequest* /*request*/,
                           v1::DiagnoseRunResponse* response) override {
    *response = diagnosis;
    return grpc::Status::OK;
  }

  grpc::Status ListEvents(grpc::ServerContext*,
                          const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    std::vector<v1::Event> matching;
    for (const v1::Event& event : events) {
      if (event.severity() >= request->min_severity()) {
        matching.push_back(event);
      }
    }
    response->set_next_page_token(
        Page(matching, request->page_token(), response->mutable_events()));
    return grpc::Status::OK;
  }

  grpc::Status WatchEvents(
      grpc::ServerContext*, const v1::WatchEventsRequest* request,
      grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    for (const v1::Event& event : events) {
      v1::WatchEventsResponse response;
      *response.mutable_event() = event;
      if (event.event_id() > request->after_event_id()) writer->Write(response);
    }
    return grpc::Status::OK;
  }

 private:
  template <typename Entry, typename Field>
  static std::string Page(const std::vector<Entry>& all,
                          const std::string& token, Field* field) {
    const std::size_t begin = token.empty() ? 0 : std::stoul(token);
    const std::size_t end = std::min(all.size(), begin + 2);
    for (std::size_t i = begin; i < end; ++i) *field->Add() = all[i];
    return end < all.size() ? std::to_string(end) : std::string();
  }

  static grpc::Status BadRequest() {
    v1::BadRequest detail;
    auto& violation = *detail.add_field_violations();
    violation.set_field("run_id");
    violation.set_description("has a blank");
    v1::Status status;
    auto& any = *status.add_details();
    any.set_type_url("type.googleapis.com/google.rpc.BadRequest");
    any.set_value(detail.SerializeAsString());
    return {grpc::StatusCode::INVALID_ARGUMENT, "malformed",
            status.SerializeAsString()};
  }
};

}  // namespace firekeeper::testing
