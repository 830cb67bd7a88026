#include "server/telemetry/http_server.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "server/telemetry/http_connection.h"
#include "server/telemetry/http_router.h"

namespace firekeeper::server {

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Bind(
    const HttpSettings& settings, const TlsMaterial& tls, const Gate& gate,
    HttpAnswers answers, Logger& logger) {
  auto context = HttpCredentials(tls);
  if (!context.ok()) return context.status();
  auto listener = Listener::Bind(settings.host, settings.port,
                                 settings.threads + settings.max_waiting);
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<HttpServer>(new HttpServer(
      settings, *std::move(listener), *std::move(context),
      std::make_unique<HttpRouter>(gate, std::move(answers),
                                   std::max(1U, settings.threads - 1), logger),
      logger));
}

HttpServer::HttpServer(HttpSettings settings,
                       std::unique_ptr<Listener> listener,
                       std::shared_ptr<SSL_CTX> tls,
                       std::unique_ptr<HttpRouter> router, Logger& logger)
    : settings_(std::move(settings)),
      listener_(std::move(listener)),
      tls_(std::move(tls)),
      router_(std::move(router)),
      logger_(logger) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Start() {
  for (std::uint32_t i = 0; i < settings_.threads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
  listener_->Start([this](int /*listener*/, int socket) {
    const absl::MutexLock lock(&mutex_);
    waiting_.emplace_back(socket);
  });
}

void HttpServer::Stop() {
  listener_->Stop();
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void HttpServer::Work() {
  for (;;) {
    Descriptor next;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &HttpServer::HasWork));
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Serve(std::move(next));
  }
}

void HttpServer::Serve(Descriptor socket) {
  try {
    HttpConnection connection(
        std::move(socket), tls_.get(),
        std::chrono::steady_clock::now() + settings_.deadline,
        settings_.max_request_bytes);
    if (connection.Handshake()) router_->Converse(connection);
  } catch (const std::exception& error) {
    // What a client sent must not end the server.
    logger_.Warning("http_connection_failed",
                    {{"error", std::string(error.what())}});
  }
}

}  // namespace firekeeper::server
