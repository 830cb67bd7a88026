// firekeeperd as an object: everything assembled, started and stopped in the
// right order.

#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/base/call_once.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/ingest/ingest_service.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/query/diagnostics_service.h"
#include "server/query/queries.h"
#include "server/record/recorder.h"
#include "server/security/credentials.h"
#include "server/security/gate.h"
#include "server/security/listener.h"
#include "server/state/registry.h"
#include "server/store_keeper.h"
#include "server/telemetry/collector.h"
#include "server/telemetry/grpc_metrics.h"
#include "server/telemetry/http_server.h"
#include "server/telemetry/process_metrics.h"
#include "server/web/json_api.h"

namespace firekeeper::server {

// Thread-safe. The order of the members is that of their construction.
class Server {  // NOLINT(clang-analyzer-optin.performance.Padding)
 public:
  using Clock = std::chrono::system_clock;

  // Listens and serves when it returns; the port files are written then.
  // Requires: `logger` outlives the server. Fails with kPermissionDenied where
  // a credential cannot be used, kUnavailable where an address or port file
  // cannot be used, kResourceExhausted where the process may open too few
  // descriptors, kDataLoss where the data directory cannot be used, kInternal
  // otherwise.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Options& options, Logger& logger,
      const NowFunction& now = &absl::Now);
  // Shuts down without grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Server(Server&&) = delete;
  Server& operator=(Server&&) = delete;

  [[nodiscard]] std::uint32_t port() const { return listener_->port(); }
  [[nodiscard]] std::uint32_t http_port() const { return http_->port(); }
  // A channel that needs no port.
  [[nodiscard]] std::shared_ptr<grpc::Channel> InProcessChannel();
  [[nodiscard]] Registry& registry() { return registry_; }
  // All of /metrics.
  [[nodiscard]] std::string Metrics() const;

  // NOT_SERVING, then no new connections, then what is merged is committed and
  // every stream gets its last ack and UNAVAILABLE, which it has until
  // `deadline` to take; other calls have a second; HTTP ends last. Must not be
  // called from a signal handler. Later calls wait for the first.
  void Shutdown(Clock::time_point deadline);

 private:
  Server(Options options, Gate gate, Logger& logger, const NowFunction& now,
         std::unique_ptr<StoreKeeper> keeper);
  absl::Status Listen(const TlsMaterial& tls);
  absl::Status BuildGrpc(const TlsMaterial& tls);
  void Accept();
  absl::Status WritePortFiles();
  void RemovePortFiles() const;
  void Sweep(const std::stop_token& stop);
  void WaitForStreams(Clock::time_point deadline) const;
  void Flush(Clock::time_point deadline);
  void ShutdownOnce(Clock::time_point deadline);

  const Options options_;
  Logger& logger_;
  const Gate gate_;
  const std::unique_ptr<StoreKeeper> keeper_;
  Registry registry_;
  Recorder recorder_;
  GrpcMetrics grpc_metrics_;
  const ProcessMetrics process_metrics_;
  const Queries queries_;
  IngestService ingest_;
  DiagnosticsService diagnostics_;
  const JsonApi json_api_;
  const Collector collector_;
  std::atomic<bool> ready_{false};
  // Not null after Listen().
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> grpc_;
  std::jthread sweeper_;
  bool port_files_written_ = false;
  absl::once_flag shutdown_;
};

}  // namespace firekeeper::server
