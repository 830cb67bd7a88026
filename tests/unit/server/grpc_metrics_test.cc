#include "server/telemetry/grpc_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace firekeeper::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const GrpcMetrics& metrics) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, metrics.Collect());
  return text.str();
}

constexpr const char* kGetRun =
    R"({grpc_type="unary",grpc_service="firekeeper.v1.DiagnosticsService",grpc_method="GetRun")";

TEST(GrpcMetricsTest, CountsACallUnderTheNamesOfTheGoLibrary) {
  GrpcMetrics metrics;
  metrics.Started(Method::kGetRun);
  metrics.Received(Method::kGetRun);
  metrics.Handled(Method::kGetRun, grpc::StatusCode::NOT_FOUND,
                  std::chrono::milliseconds(30));

  EXPECT_THAT(TextOf(metrics),
              AllOf(HasSubstr(std::string("grpc_server_started_total") +
                              kGetRun + "} 1"),
                    HasSubstr(std::string("grpc_server_handled_total") +
                              kGetRun + ",grpc_code=\"NotFound\"} 1"),
                    HasSubstr(std::string("grpc_server_msg_received_total") +
                              kGetRun + "} 1"),
                    HasSubstr(std::string("grpc_server_msg_sent_total") +
                              kGetRun + "} 0")));
}

TEST(GrpcMetricsTest, MethodsThatWereNeverCalledHaveNoSeries) {
  GrpcMetrics metrics;
  metrics.Started(Method::kGetRun);

  EXPECT_THAT(TextOf(metrics), Not(HasSubstr("ListRuns")));
}

TEST(GrpcMetricsTest, BucketsAreCumulativeAndEndWithTheCount) {
  GrpcMetrics metrics;
  metrics.Started(Method::kGetRun);
  for (const double seconds : {0.001, 0.005, 0.3, 100.0}) {
    metrics.Handled(Method::kGetRun, grpc::StatusCode::OK,
                    std::chrono::duration<double>(seconds));
  }

  const std::string bucket =
      std::string("grpc_server_handling_seconds_bucket") + kGetRun;
  EXPECT_THAT(TextOf(metrics), AllOf(HasSubstr(bucket + ",le=\"0.005\"} 2"),
                                     HasSubstr(bucket + ",le=\"0.25\"} 2"),
                                     HasSubstr(bucket + ",le=\"0.5\"} 3"),
                                     HasSubstr(bucket + ",le=\"10\"} 3"),
                                     HasSubstr(bucket + ",le=\"+Inf\"} 4")));
}

TEST(GrpcMetricsTest, ARecordCountsOneCallFromStartToEnd) {
  GrpcMetrics metrics;
  CallRecord record(metrics, Method::kStream);
  record.Received();
  record.Sent();
  record.Finish(grpc::StatusCode::ABORTED);

  EXPECT_THAT(TextOf(metrics), AllOf(HasSubstr("grpc_type=\"bidi_stream\""),
                                     HasSubstr("grpc_code=\"Aborted\"} 1")));
}

TEST(GrpcMetricsTest, NoCountIsLostBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 10'000;
  GrpcMetrics metrics;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&metrics] {
        for (int call = 0; call < kCalls; ++call) {
          metrics.Started(Method::kReport);
        }
      });
    }
  }

  EXPECT_THAT(TextOf(metrics), HasSubstr("grpc_method=\"Report\"} 40000"));
}

}  // namespace
}  // namespace firekeeper::server
