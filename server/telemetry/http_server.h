// Serves what HttpRouter answers. cpp-httplib reads requests and writes
// answers; the listener, the threads and the bounds are ours.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/logging.h"
#include "server/security/credentials.h"
#include "server/security/gate.h"
#include "server/security/listener.h"
#include "server/telemetry/http_answers.h"

namespace firekeeper::server {

struct HttpSettings {
  std::string host;
  std::uint32_t port = 0;
  std::uint32_t threads = 4;
  // From accept to the last byte of the answer.
  std::chrono::seconds deadline{10};
  // Of one request, headers included.
  std::size_t max_request_bytes = std::size_t{64} << 10;
  // Connections that may wait for a thread; more are closed on arrival.
  std::size_t max_waiting = 64;
};

class HttpRouter;

// Gives each connection one request and the answer of an HttpRouter.
//
// Thread-safe.
class HttpServer {
 public:
  // Fails with kUnavailable where the address cannot be bound, and as
  // HttpCredentials(). Requires: `gate` and `logger` outlive the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Bind(
      const HttpSettings& settings, const TlsMaterial& tls, const Gate& gate,
      HttpAnswers answers, Logger& logger);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint32_t port() const { return listener_->port(); }
  void Start();
  // Answers what it has accepted, then returns. May be called again.
  void Stop();

 private:
  HttpServer(HttpSettings settings, std::unique_ptr<Listener> listener,
             std::shared_ptr<SSL_CTX> tls, std::unique_ptr<HttpRouter> router,
             Logger& logger);
  void Work();
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  }
  void Serve(Descriptor socket);

  const HttpSettings settings_;
  const std::unique_ptr<Listener> listener_;
  const std::shared_ptr<SSL_CTX> tls_;  // null: plaintext
  const std::unique_ptr<HttpRouter> router_;
  Logger& logger_;
  absl::Mutex mutex_;
  std::deque<Descriptor> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace firekeeper::server
