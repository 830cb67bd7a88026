#include "server/telemetry/http_server.h"

#include <httplib.h>

#include <exception>
#include <map>
#include <utility>

#include "server/telemetry/http_connection.h"

namespace firekeeper::server {
namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kTextType = "text/plain; charset=utf-8";

void Answer(httplib::Response& response, int status, const char* text) {
  response.status = status;
  response.set_content(text, kTextType);
}

}  // namespace

// The library's server without its listener: it parses one request and writes
// one answer.
class HttpServer::Router : public httplib::Server {
 public:
  Router(const Gate& gate, HttpAnswers answers, Logger& logger)
      : gate_(gate), answers_(std::move(answers)), logger_(logger) {
    // Everything is answered here, before the library reads a body.
    set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          Route(request, response);
          return HandlerResponse::Handled;
        });
    set_default_headers(
        {{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
  }

  void Converse(httplib::Stream& stream) {
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed, nullptr);
  }

 private:
  using Page = std::function<void(const httplib::Request&, httplib::Response&)>;

  void Route(const httplib::Request& request, httplib::Response& response) {
    const auto page = pages_.find(request.path);
    if (page == pages_.end()) return Answer(response, 404, "not found\n");
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      return Answer(response, 405, "only GET and HEAD\n");
    }
    // A thousand overlapping ranges would multiply the answer.
    if (request.has_header("Range")) {
      return Answer(response, 400, "ranges are not served\n");
    }
    try {
      page->second(request, response);
    } catch (const std::exception& error) {
      logger_.Error(
          "http_answer_failed",
          {{"path", request.path}, {"error", std::string(error.what())}});
      Answer(response, 500, "internal error\n");
    }
  }

  void Metrics(const httplib::Request& request, httplib::Response& response) {
    const auto tenant =
        gate_.TenantOf(request.get_header_value("Authorization"));
    if (!tenant.ok()) {
      response.set_header("WWW-Authenticate", "Bearer");
      return Answer(response, 401, "a known token is needed\n");
    }
    response.set_content(answers_.metrics(), kMetricsType);
  }

  void Ready(httplib::Response& response) {
    if (answers_.ready()) return Answer(response, 200, "ready\n");
    Answer(response, 503, "shutting down\n");
  }

  const Gate& gate_;
  const HttpAnswers answers_;
  Logger& logger_;
  const std::map<std::string, Page> pages_{
      {"/metrics", [this](const auto& request,
                          auto& response) { Metrics(request, response); }},
      {"/healthz", [](const auto& /*request*/,
                      auto& response) { Answer(response, 200, "ok\n"); }},
      {"/readyz",
       [this](const auto& /*request*/, auto& response) { Ready(response); }}};
};

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
      std::make_unique<Router>(gate, std::move(answers), logger), logger));
}

HttpServer::HttpServer(HttpSettings settings,
                       std::unique_ptr<Listener> listener,
                       std::shared_ptr<SSL_CTX> tls,
                       std::unique_ptr<Router> router, Logger& logger)
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
