#include "server/telemetry/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/integration/loopback.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::ConnectTo;
using ::firekeeper::testing::Exchange;
using ::firekeeper::testing::IsClosed;
using ::firekeeper::testing::IsOk;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Says what was asked.
HttpReply Echo(const std::string& tenant, const std::string& method,
               const HttpParameters& parameters) {
  std::string text = tenant + " asks " + method;
  for (const auto& [name, value] : parameters) {
    text.append(" ").append(name).append("=").append(value);
  }
  return {.status = method == "None" ? 404 : 200, .body = text};
}

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(const Gate& gate = Gate()) {
    gate_ = gate;
    auto server = HttpServer::Bind(settings_, TlsMaterial(), gate_,
                                   {.metrics = [this] { return metrics_(); },
                                    .ready = [this] { return ready_.load(); },
                                    .api = api_},
                                   logger_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    server_->Start();
  }

  std::string Ask(const std::string& line, const std::string& headers = "") {
    return Exchange(server_->port(),
                    line + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  }

  HttpSettings settings_{.host = "127.0.0.1"};
  Gate gate_;
  std::ostringstream log_;
  Logger logger_{LogFormat::kText, LogLevel::kInfo, log_};
  std::function<std::string()> metrics_ = [] { return "up 1\n"; };
  std::atomic<bool> ready_{true};
  std::function<HttpReply(const std::string&, const std::string&,
                          const HttpParameters&)>
      api_ = &Echo;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesMetricsInTheTextFormat) {
  Start();

  EXPECT_THAT(
      Ask("GET /metrics"),
      AllOf(StartsWith("HTTP/1.1 200 "),
            HasSubstr("Content-Type: text/plain; version=0.0.4"),
            HasSubstr("Connection: close"), EndsWith("\r\n\r\nup 1\n")));
}

TEST_F(HttpServerTest, HeadAnswersWithoutABody) {
  Start();

  EXPECT_THAT(Ask("HEAD /metrics"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, ReadinessFollowsTheServerAndHealthDoesNot) {
  Start();
  EXPECT_THAT(Ask("GET /readyz"), StartsWith("HTTP/1.1 200 "));

  ready_ = false;

  EXPECT_THAT(Ask("GET /readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, OtherPathsAndMethodsAreRefused) {
  Start();

  EXPECT_THAT(Ask("GET /page/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("GET /page/../main.js"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("GET /metrics/../etc/passwd"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("POST /nothing"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(
      Ask("POST /metrics", "Content-Length: 0\r\n"),
      AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD")));
  EXPECT_THAT(Ask("DELETE /metrics"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask("GET /metrics", "Range: bytes=0-,0-,0-\r\n"),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, ServesThePageWithoutATokenAndAllowsItNoOtherSource) {
  Start(*Gate::Parse("alpha red\n"));

  EXPECT_THAT(Ask("GET /"),
              AllOf(StartsWith("HTTP/1.1 200 "),
                    HasSubstr("Content-Type: text/html; charset=utf-8"),
                    HasSubstr("Content-Security-Policy: default-src 'none'; "
                              "script-src 'self';"),
                    HasSubstr("<title>")));
  EXPECT_THAT(Ask("GET /page/main.js"),
              AllOf(StartsWith("HTTP/1.1 200 "),
                    HasSubstr("Content-Type: text/javascript")));
  EXPECT_THAT(Ask("GET /page/uPlot.esm.js"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET /page/uPlot.min.css"),
              HasSubstr("Content-Type: text/css"));
}

TEST_F(HttpServerTest, MetricsNeedATokenWhereTokensAreOn) {
  Start(*Gate::Parse("alpha red\n"));

  EXPECT_THAT(Ask("GET /metrics"), AllOf(StartsWith("HTTP/1.1 401 "),
                                         HasSubstr("WWW-Authenticate: Bearer"),
                                         Not(HasSubstr("up 1"))));
  EXPECT_THAT(Ask("GET /metrics", "Authorization: Bearer wrong\r\n"),
              StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Ask("GET /metrics", "Authorization: Bearer alpha\r\n"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Ask("GET /readyz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, TheApiIsGivenMethodAndDecodedParameters) {
  Start();

  EXPECT_THAT(Ask("GET /api/v1/GetRun?runId=team%2Frun+1&states=A&states=B"),
              AllOf(StartsWith("HTTP/1.1 200 "),
                    HasSubstr("Content-Type: application/json"),
                    EndsWith("default asks GetRun runId=team/run 1 states=A "
                             "states=B")));
  EXPECT_THAT(Ask("GET /api/v1/None"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, WhoeverAsksForJsonIsRefusedInJson) {
  Start(*Gate::Parse("alpha red\n"));

  EXPECT_THAT(
      Ask("GET /api/v1/ListRuns"),
      AllOf(StartsWith("HTTP/1.1 401 "),
            HasSubstr("Content-Type: application/json"),
            EndsWith(R"({"error":{"code":401,"status":"UNAUTHENTICATED",)"
                     R"("message":"a known token is needed"}})")));
  EXPECT_THAT(Ask("POST /api/v1/GetRun", "Content-Length: 0\r\n"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr(R"("code":405)")));
}

TEST_F(HttpServerTest, SlowQueriesLeaveAThreadToMetricsAndProbes) {
  settings_.threads = 2;
  absl::Notification asked;
  absl::Notification answer;
  api_ = [&](const std::string&, const std::string&, const HttpParameters&) {
    asked.Notify();
    answer.WaitForNotification();
    return HttpReply{.body = "late"};
  };
  Start();
  const auto slow = ConnectTo(server_->port());
  const std::string request =
      "GET /api/v1/DiagnoseRun HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(send(slow.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  asked.WaitForNotification();

  EXPECT_THAT(Ask("GET /api/v1/ListRuns"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Ask("GET /metrics"), StartsWith("HTTP/1.1 200 "));

  answer.Notify();
  EXPECT_THAT(testing::ReadToEnd(slow.get()), EndsWith("late"));
}

TEST_F(HttpServerTest, TheApiKnowsTheTenantOfTheToken) {
  Start(*Gate::Parse("alpha red\n"));

  EXPECT_THAT(Ask("GET /api/v1/ListRuns"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(
      Ask("GET /api/v1/ListRuns", "Authorization: Bearer alpha\r\n"),
      AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("red asks ListRuns")));
}

TEST_F(HttpServerTest, AThrowingAnswerIsAnErrorAndTheNextOneIsNot) {
  std::atomic<bool> fail{true};
  metrics_ = [&fail]() -> std::string {
    if (fail) throw std::runtime_error("inner secret");
    return "up 1\n";
  };
  Start();

  EXPECT_THAT(Ask("GET /metrics"), AllOf(StartsWith("HTTP/1.1 500 "),
                                         Not(HasSubstr("inner secret"))));
  fail = false;
  EXPECT_THAT(Ask("GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, AnEndlessHeaderIsCutOff) {
  settings_.max_request_bytes = 8'192;
  Start();
  const Descriptor client = ConnectTo(server_->port());
  const std::string begin = "GET /metrics HTTP/1.1\r\n";
  send(client.get(), begin.data(), begin.size(), MSG_NOSIGNAL);
  const std::string header = "X-Filler: 0123456789\r\n";

  ssize_t sent = 0;
  for (int i = 0; i < 100'000 && sent >= 0; ++i) {
    sent = send(client.get(), header.data(), header.size(), MSG_NOSIGNAL);
  }

  EXPECT_EQ(sent, -1) << "the server went on reading";
  EXPECT_THAT(Ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, SlowClientsLoseTheirConnectionAtTheDeadline) {
  settings_.deadline = std::chrono::seconds(1);
  settings_.threads = 1;
  Start();
  const Descriptor slow = ConnectTo(server_->port());
  send(slow.get(), "G", 1, MSG_NOSIGNAL);

  EXPECT_THAT(Ask("GET /healthz"), StartsWith("HTTP/1.1 200 "))
      << "must be served once the slow one is cut off";
  EXPECT_TRUE(IsClosed(slow.get(), 20'000));
}

TEST_F(HttpServerTest, GarbageIsAnsweredOrClosedAndHarmsNobody) {
  Start();
  for (const std::string& garbage :
       {std::string("\0\0\0\0\r\n\r\n", 8), std::string("GET\r\n\r\n"),
        std::string("GET /%zz HTTP/1.1\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) +
            "\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n" + std::string(20'000, 'a') + "\r\n\r\n"}) {
    EXPECT_THAT(Exchange(server_->port(), garbage), Not(HasSubstr("200 OK")));
  }

  EXPECT_THAT(Ask("GET /metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, StopAnswersWhatItAcceptedAndMayBeCalledAgain) {
  Start();
  server_->Stop();
  server_->Stop();

  EXPECT_LT(ConnectTo(server_->port()).get(), 0);
}

}  // namespace
}  // namespace firekeeper::server
