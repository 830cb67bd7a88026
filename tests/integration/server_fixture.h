// A whole server in this process, with a clock of the test's and no fixed port.

#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "firekeeper/v1/diagnostics.grpc.pb.h"
#include "firekeeper/v1/ingest.grpc.pb.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/server.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::testing {

// Thread-safe.
class FakeClock {
 public:
  absl::Time Now() const {
    const absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    const absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1'000'000);
};

MATCHER_P2(HasCode, code, message, "has the given code and message") {
  *result_listener << arg.error_code() << ": " << arg.error_message();
  return arg.error_code() == code &&
         ::testing::ExplainMatchResult(message, arg.error_message(),
                                       result_listener);
}

class ServerFixture : public ::testing::Test {
 protected:
  using Stream =
      grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>;

  ServerFixture() {
    options_.port = 0;
    options_.http_port = 0;
  }
  void TearDown() override {
    server_.reset();
    if (!token_file_.empty()) std::filesystem::remove(token_file_);
  }

  void StartServer() {
    auto server = server::Server::Start(options_, logger_,
                                        [this] { return clock_.Now(); });
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    Connect(server_->InProcessChannel());
  }

  void Connect(const std::shared_ptr<grpc::Channel>& channel) {
    ingest_ = v1::IngestService::NewStub(channel);
    diagnostics_ = v1::DiagnosticsService::NewStub(channel);
  }

  // A connection of its own over a real socket: gRPC would share one, and the
  // in-process transport neither buffers nor shuts down like a socket.
  std::shared_ptr<grpc::Channel> NewChannel(
      const std::shared_ptr<grpc::ChannelCredentials>& credentials =
          grpc::InsecureChannelCredentials()) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(server_->port()), credentials, arguments);
  }

  // To be called before StartServer().
  void UseTokens(const std::string& content) {
    token_file_ =
        (std::filesystem::path(::testing::TempDir()) /
         (std::string("tokens_") +
          ::testing::UnitTest::GetInstance()->current_test_info()->name()))
            .string();
    std::ofstream(token_file_) << content;
    options_.token_file = token_file_;
  }

  // A call that fails instead of hanging.
  static std::unique_ptr<grpc::ClientContext> Call(
      const std::string& token = "") {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(30));
    if (!token.empty()) {
      context->AddMetadata("authorization", "Bearer " + token);
    }
    return context;
  }

  // Everything that came until the server ended the stream.
  static std::vector<v1::StreamResponse> ReadAll(Stream& stream) {
    std::vector<v1::StreamResponse> responses;
    v1::StreamResponse response;
    while (stream.Read(&response)) responses.push_back(response);
    return responses;
  }

  // Opens a stream and reads Opened.
  std::unique_ptr<Stream> OpenStream(grpc::ClientContext& context,
                                     const v1::Open& open) {
    auto stream = ingest_->Stream(&context);
    EXPECT_TRUE(stream->Write(Opening(open)));
    v1::StreamResponse response;
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(response.has_opened()) << response.ShortDebugString();
    return stream;
  }

  // A run with one snapshot of step 0, its stream closed.
  void StreamRun(const v1::Open& open, const std::string& token = "") {
    const auto context = Call(token);
    const auto stream = OpenStream(*context, open);
    EXPECT_TRUE(stream->Write(Batched(1, {MakeTensorSnapshot(0)})));
    EXPECT_TRUE(stream->Write(Closing(1)));
    ReadAll(*stream);
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  FakeClock clock_;
  std::ostringstream log_;
  server::Logger logger_{server::LogFormat::kText, server::LogLevel::kInfo,
                         log_};
  server::Options options_;
  std::string token_file_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<v1::IngestService::Stub> ingest_;
  std::unique_ptr<v1::DiagnosticsService::Stub> diagnostics_;
};

}  // namespace firekeeper::testing
