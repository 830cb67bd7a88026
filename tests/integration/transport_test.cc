// What the port of the server does: TLS, limits and compression, over real
// sockets.

#include <grpcpp/generic/generic_stub.h>

#include <thread>

#include "tests/integration/loopback.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/test_certificates.h"

namespace firekeeper::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

using grpc::StatusCode;

class TransportTest : public ServerFixture {
 protected:
  static grpc::Status AskInfo(const std::shared_ptr<grpc::Channel>& channel) {
    v1::GetServerInfoResponse info;
    return v1::DiagnosticsService::NewStub(channel)->GetServerInfo(Call().get(),
                                                                   {}, &info);
  }

  // Calls a method that we have no generated code for with an empty message;
  // `answer` receives the serialized response.
  static grpc::Status CallByName(const std::shared_ptr<grpc::Channel>& channel,
                                 const std::string& method,
                                 std::string* answer) {
    const auto context = Call();
    grpc::CompletionQueue queue;
    const grpc::Slice empty;
    const auto call = grpc::GenericStub(channel).PrepareUnaryCall(
        context.get(), method, grpc::ByteBuffer(&empty, 1), &queue);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice slice;
    if (status.ok() && response.DumpToSingleSlice(&slice).ok()) {
      answer->assign(slice.begin(), slice.end());
    }
    return status;
  }

  static grpc::Status CallReflection(
      const std::shared_ptr<grpc::Channel>& channel) {
    std::string ignored;
    return CallByName(channel,
                      "/grpc.reflection.v1alpha.ServerReflection/"
                      "ServerReflectionInfo",
                      &ignored);
  }

  static std::size_t ResidentBytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * 4'096;
  }
};

TEST_F(TransportTest, AnswersOnItsPort) {
  StartServer();

  EXPECT_TRUE(AskInfo(NewChannel()).ok());
}

TEST_F(TransportTest, ASecondServerOnThePortFails) {
  StartServer();
  server::Options options = options_;
  options.port = server_->port();

  EXPECT_THAT(server::Server::Start(options, logger_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(std::to_string(server_->port()))));
}

TEST_F(TransportTest, PortFilesHoldThePortsWhileTheServerRuns) {
  const std::filesystem::path folder = ::testing::TempDir();
  options_.port_file = (folder / "transport_test_port").string();
  options_.http_port_file = (folder / "transport_test_http_port").string();
  StartServer();

  std::uint32_t port = 0;
  std::uint32_t http_port = 0;
  std::ifstream(options_.port_file) >> port;
  std::ifstream(options_.http_port_file) >> http_port;
  EXPECT_EQ(port, server_->port());
  EXPECT_EQ(http_port, server_->http_port());

  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(options_.port_file));
  EXPECT_FALSE(std::filesystem::exists(options_.http_port_file));
}

TEST_F(TransportTest, ConnectionsBeyondTheLimitAreClosedAndOthersGoOn) {
  options_.limits.max_connections = 2;
  StartServer();
  const auto first = NewChannel();
  const auto second = NewChannel();
  ASSERT_TRUE(AskInfo(first).ok());
  ASSERT_TRUE(AskInfo(second).ok());

  EXPECT_THAT(AskInfo(NewChannel()).error_code(), StatusCode::UNAVAILABLE);

  EXPECT_TRUE(AskInfo(first).ok());
  EXPECT_THAT(server_->Metrics(), HasSubstr("firekeeper_connections_open 2"));
}

TEST_F(TransportTest, AClosedConnectionGivesItsPlaceBack) {
  options_.limits.max_connections = 1;
  StartServer();

  for (int i = 0; i < 10; ++i) {
    const auto channel = NewChannel();
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(20);
    // gRPC closes the old connection on its own thread.
    while (!AskInfo(NewChannel()).ok()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << i;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

TEST_F(TransportTest, AMessageBeyondTheLimitIsRefused) {
  StartServer();
  Connect(NewChannel());
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen("digits");
  v1::Snapshot snapshot = MakeTensorSnapshot(0);
  snapshot.mutable_tensor()->mutable_data()->resize(
      options_.limits.max_message_bytes);
  *request.add_batches() = Batched(1, {snapshot}).batch();
  v1::ReportResponse response;

  EXPECT_THAT(ingest_->Report(Call().get(), request, &response),
              HasCode(StatusCode::RESOURCE_EXHAUSTED, HasSubstr("4194304")));
}

TEST_F(TransportTest, ACompressedMessageIsRefusedWithoutBeingInflated) {
  constexpr std::size_t kInflated = std::size_t{64} << 20;
  StartServer();
  Connect(NewChannel());
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen("digits");
  request.mutable_open()->set_remedy_of(std::string(kInflated, 'a'));
  const auto context = Call();
  context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::ReportResponse response;
  // The client serializes its message once more; a server that inflated it
  // would take as much again.
  const std::size_t before = ResidentBytes();
  std::size_t most = 0;
  std::jthread watcher([&most](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      most = std::max(most, ResidentBytes());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });

  const grpc::Status status =
      ingest_->Report(context.get(), request, &response);

  watcher.request_stop();
  watcher.join();
  EXPECT_THAT(status.error_code(),
              AnyOf(StatusCode::UNIMPLEMENTED, StatusCode::INTERNAL));
  EXPECT_LT(most - before, kInflated + kInflated / 2);
  EXPECT_TRUE(AskInfo(NewChannel()).ok());
}

TEST_F(TransportTest, HealthIsOpenAlsoWhereTokensAreOn) {
  UseTokens("alpha red\n");
  StartServer();
  const auto channel = NewChannel();

  EXPECT_THAT(AskInfo(channel),
              HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("token")));
  std::string answer;
  const grpc::Status status =
      CallByName(channel, "/grpc.health.v1.Health/Check", &answer);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answer, "\x08\x01") << "field 1, SERVING";
}

TEST_F(TransportTest, ReflectionIsServedOnlyWhereNoTokenIsNeeded) {
  StartServer();
  EXPECT_NE(CallReflection(NewChannel()).error_code(),
            StatusCode::UNIMPLEMENTED);

  server_.reset();
  UseTokens("alpha red\n");
  StartServer();
  EXPECT_EQ(CallReflection(NewChannel()).error_code(),
            StatusCode::UNIMPLEMENTED);

  server_.reset();
  options_.reflection = true;
  StartServer();
  EXPECT_NE(CallReflection(NewChannel()).error_code(),
            StatusCode::UNIMPLEMENTED);
}

TEST_F(TransportTest, TlsServersRefusePlaintextAndServeTls) {
  const TestCertificates certificates;
  options_.tls_cert = certificates.server_cert();
  options_.tls_key = certificates.server_key();
  StartServer();

  EXPECT_EQ(AskInfo(NewChannel()).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(AskInfo(NewChannel(certificates.ClientCredentials(false))).ok());
  EXPECT_EQ(Exchange(server_->http_port(), "GET /healthz HTTP/1.1\r\n\r\n"),
            "");
}

TEST_F(TransportTest, MutualTlsNeedsACertificateOfTheClient) {
  const TestCertificates certificates;
  options_.tls_cert = certificates.server_cert();
  options_.tls_key = certificates.server_key();
  options_.client_ca = certificates.ca();
  StartServer();

  EXPECT_EQ(
      AskInfo(NewChannel(certificates.ClientCredentials(false))).error_code(),
      StatusCode::UNAVAILABLE);
  EXPECT_TRUE(AskInfo(NewChannel(certificates.ClientCredentials(true))).ok());
}

TEST_F(TransportTest, CredentialsThatCannotBeUsedAreAStartUpError) {
  const TestCertificates certificates;
  options_.tls_cert = certificates.server_cert();
  options_.tls_key = "no/such/key.pem";
  EXPECT_THAT(server::Server::Start(options_, logger_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("no/such/key.pem")));

  options_.tls_key = certificates.other_key();
  EXPECT_THAT(server::Server::Start(options_, logger_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("does not belong")));

  options_.tls_key = certificates.server_cert();
  EXPECT_THAT(server::Server::Start(options_, logger_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("no PEM"), HasSubstr("key"))));
}

}  // namespace
}  // namespace firekeeper::testing
