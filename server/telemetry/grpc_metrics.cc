#include "server/telemetry/grpc_metrics.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "server/telemetry/families.h"

namespace firekeeper::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct MethodName {
  const char* type;
  const char* service;
  const char* method;
};

constexpr const char* kIngest = "firekeeper.v1.IngestService";
constexpr const char* kDiagnostics = "firekeeper.v1.DiagnosticsService";

// In the order of Method.
constexpr std::array<MethodName, kMethodCount> kNames{{
    {"bidi_stream", kIngest, "Stream"},
    {"unary", kIngest, "Report"},
    {"unary", kDiagnostics, "GetServerInfo"},
    {"unary", kDiagnostics, "ListRuns"},
    {"unary", kDiagnostics, "GetRun"},
    {"unary", kDiagnostics, "EndRun"},
    {"unary", kDiagnostics, "DeleteRun"},
    {"unary", kDiagnostics, "StartRecording"},
    {"unary", kDiagnostics, "StopRecording"},
    {"unary", kDiagnostics, "ListLayers"},
    {"unary", kDiagnostics, "GetLayer"},
    {"unary", kDiagnostics, "GetLayerHistory"},
    {"unary", kDiagnostics, "ListUnits"},
    {"unary", kDiagnostics, "GetUnitMap"},
    {"unary", kDiagnostics, "GetHistogram"},
    {"unary", kDiagnostics, "GetDistribution"},
    {"unary", kDiagnostics, "GetScalar"},
    {"unary", kDiagnostics, "DiagnoseRun"},
    {"unary", kDiagnostics, "ListEvents"},
    {"server_stream", kDiagnostics, "WatchEvents"},
}};

// As the Go library spells them.
constexpr std::array<const char*, 17> kCodes{"OK",
                                             "Canceled",
                                             "Unknown",
                                             "InvalidArgument",
                                             "DeadlineExceeded",
                                             "NotFound",
                                             "AlreadyExists",
                                             "PermissionDenied",
                                             "ResourceExhausted",
                                             "FailedPrecondition",
                                             "Aborted",
                                             "OutOfRange",
                                             "Unimplemented",
                                             "Internal",
                                             "Unavailable",
                                             "DataLoss",
                                             "Unauthenticated"};

Labels LabelsOf(Method method) {
  const MethodName& name = kNames.at(static_cast<std::size_t>(method));
  return {{"grpc_type", name.type},
          {"grpc_service", name.service},
          {"grpc_method", name.method}};
}

std::vector<MetricFamily> EmptyFamilies() {
  return {Family("grpc_server_started_total", "RPCs started on the server.",
                 MetricType::Counter),
          Family("grpc_server_handled_total",
                 "RPCs completed on the server, by status code.",
                 MetricType::Counter),
          Family("grpc_server_msg_received_total",
                 "Messages received from clients.", MetricType::Counter),
          Family("grpc_server_msg_sent_total", "Messages sent to clients.",
                 MetricType::Counter),
          Family("grpc_server_handling_seconds",
                 "Time from the start of an RPC to its end.",
                 MetricType::Histogram)};
}

}  // namespace

GrpcMetrics::Counts& GrpcMetrics::Of(Method method) {
  return counts_.at(static_cast<std::size_t>(method));
}

void GrpcMetrics::Started(Method method) {
  Of(method).started.fetch_add(1, std::memory_order_relaxed);
}

void GrpcMetrics::Received(Method method) {
  Of(method).received.fetch_add(1, std::memory_order_relaxed);
}

void GrpcMetrics::Sent(Method method) {
  Of(method).sent.fetch_add(1, std::memory_order_relaxed);
}

void GrpcMetrics::Handled(Method method, grpc::StatusCode code,
                          std::chrono::duration<double> took) {
  const auto code_index = static_cast<std::size_t>(code);
  assert(code_index < kCodeCount);
  Counts& counts = Of(method);
  counts.handled.at(code_index).fetch_add(1, std::memory_order_relaxed);
  const auto* const bound = std::ranges::lower_bound(kBounds, took.count());
  counts.took.at(static_cast<std::size_t>(bound - kBounds.begin()))
      .fetch_add(1, std::memory_order_relaxed);
  counts.took_seconds.fetch_add(took.count(), std::memory_order_relaxed);
}

std::vector<MetricFamily> GrpcMetrics::Collect() const {
  std::vector<MetricFamily> families = EmptyFamilies();
  for (std::size_t i = 0; i < kMethodCount; ++i) {
    if (counts_.at(i).started.load(std::memory_order_relaxed) == 0) continue;
    AddMethod(static_cast<Method>(i), &families);
  }
  return families;
}

void GrpcMetrics::AddMethod(Method method,
                            std::vector<MetricFamily>* families) const {
  const Counts& counts = counts_.at(static_cast<std::size_t>(method));
  const Labels labels = LabelsOf(method);
  const auto read = [](const Count& count) {
    return static_cast<double>(count.load(std::memory_order_relaxed));
  };
  AddSample(&families->at(0), labels, read(counts.started));
  for (std::size_t code = 0; code < kCodeCount; ++code) {
    const double handled = read(counts.handled.at(code));
    if (handled == 0.0) continue;
    Labels with_code = labels;
    with_code.push_back({"grpc_code", kCodes.at(code)});
    AddSample(&families->at(1), std::move(with_code), handled);
  }
  AddSample(&families->at(2), labels, read(counts.received));
  AddSample(&families->at(3), labels, read(counts.sent));

  prometheus::ClientMetric& sample = families->at(4).metric.emplace_back();
  sample.label = labels;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    below += counts.took.at(i).load(std::memory_order_relaxed);
    sample.histogram.bucket.push_back(
        {.cumulative_count = below, .upper_bound = kBounds.at(i)});
  }
  // The serializer adds the bucket of +Inf from the count.
  sample.histogram.sample_count =
      below + counts.took.back().load(std::memory_order_relaxed);
  sample.histogram.sample_sum =
      counts.took_seconds.load(std::memory_order_relaxed);
}

CallRecord::CallRecord(GrpcMetrics& metrics, Method method)
    : metrics_(metrics),
      method_(method),
      started_(std::chrono::steady_clock::now()) {
  metrics_.Started(method_);
}

void CallRecord::Finish(grpc::StatusCode code) {
  metrics_.Handled(method_, code, std::chrono::steady_clock::now() - started_);
}

}  // namespace firekeeper::server
