// Counts of gRPC calls under the names that go-grpc-prometheus made usual, so
// that existing dashboards work.

#pragma once

#include <grpcpp/support/status.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace firekeeper::server {

// Every method that is counted. Health and reflection are not: they are
// gRPC's own.
enum class Method : std::uint8_t {
  kStream,
  kReport,
  kGetServerInfo,
  kListRuns,
  kGetRun,
  kEndRun,
  kDeleteRun,
  kStartRecording,
  kStopRecording,
  kListLayers,
  kGetLayer,
  kGetLayerHistory,
  kListUnits,
  kGetUnitMap,
  kGetHistogram,
  kGetDistribution,
  kGetScalar,
  kDiagnoseRun,
  kListEvents,
  kWatchEvents,
};
inline constexpr std::size_t kMethodCount = 20;

// A few relaxed atomic additions a call; nothing is allocated or locked.
//
// Thread-safe. The sums of one scrape may differ by calls in flight.
class GrpcMetrics final : public prometheus::Collectable {
 public:
  GrpcMetrics() = default;

  void Started(Method method);
  void Received(Method method);
  void Sent(Method method);
  void Handled(Method method, grpc::StatusCode code,
               std::chrono::duration<double> took);

  // Methods that were never called have no series.
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  static constexpr std::size_t kCodeCount = 17;
  // Upper bounds in seconds, those of the Go library.
  static constexpr std::array<double, 11> kBounds{
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};
  using Count = std::atomic<std::uint64_t>;

  // Cache lines of their own: every stream counts every message.
  struct alignas(64) Counts {
    Count started{0};
    Count received{0};
    Count sent{0};
    std::array<Count, kCodeCount> handled{};
    std::array<Count, kBounds.size() + 1> took{};  // the last is +Inf
    std::atomic<double> took_seconds{0.0};
  };

  Counts& Of(Method method);
  void AddMethod(Method method,
                 std::vector<prometheus::MetricFamily>* families) const;

  std::array<Counts, kMethodCount> counts_;
};

// One call: counts its start now and its end in Finish(), which must be called
// once.
class CallRecord {
 public:
  // Requires: `metrics` outlives the record.
  CallRecord(GrpcMetrics& metrics, Method method);
  void Received() { metrics_.Received(method_); }
  void Sent() { metrics_.Sent(method_); }
  void Finish(grpc::StatusCode code);

 private:
  GrpcMetrics& metrics_;
  Method method_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace firekeeper::server
