#include "server/telemetry/http_router.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/telemetry/embedded_texts.h"

namespace firekeeper::server {
namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr const char* kJsonType = "application/json";
// Followed by a method.
constexpr std::string_view kApiPath = "/api/v1/";

// The page loads nothing from anywhere else and runs no script but its own,
// whatever a run or a layer calls itself.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
    "'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";
constexpr std::string_view kIndex = "index.html";

const char* TypeOf(std::string_view file) {
  if (file.ends_with(".html")) return "text/html; charset=utf-8";
  if (file.ends_with(".css")) return "text/css; charset=utf-8";
  if (file.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

void Answer(httplib::Response& response, int status, const char* text) {
  response.status = status;
  response.set_content(text, kTextType);
}

struct Refusal {
  int status;
  const char* name;  // of the gRPC status that goes with it
  const char* text;
};
constexpr Refusal kNotFound{404, "NOT_FOUND", "not found"};
constexpr Refusal kOnlyReads{405, "UNIMPLEMENTED", "only GET and HEAD"};
constexpr Refusal kNoRanges{400, "INVALID_ARGUMENT", "ranges are not served"};
constexpr Refusal kNoToken{401, "UNAUTHENTICATED", "a known token is needed"};
constexpr Refusal kBusy{503, "UNAVAILABLE",
                        "too many queries at a time; ask again"};
constexpr Refusal kInternal{500, "INTERNAL", "internal error"};

bool IsApi(const httplib::Request& request) {
  return request.path.starts_with(kApiPath);
}

// Whoever asks for JSON is refused in JSON.
void Refuse(const httplib::Request& request, httplib::Response& response,
            const Refusal& refusal) {
  response.status = refusal.status;
  if (!IsApi(request)) {
    response.set_content(std::string(refusal.text) + "\n", kTextType);
    return;
  }
  response.set_content(
      absl::StrCat(R"({"error":{"code":)", refusal.status, R"(,"status":")",
                   refusal.name, R"(","message":")", refusal.text, R"("}})"),
      kJsonType);
}

// Gives back what a query has taken.
class Admission {
 public:
  explicit Admission(std::atomic<std::uint32_t>& taken) : taken_(taken) {}
  ~Admission() { --taken_; }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

 private:
  std::atomic<std::uint32_t>& taken_;
};

}  // namespace

HttpRouter::HttpRouter(const Gate& gate, HttpAnswers answers,
                       std::uint32_t max_queries, Logger& logger)
    : gate_(gate),
      answers_(std::move(answers)),
      max_queries_(max_queries),
      logger_(logger),
      pages_(Pages()) {
  // Everything is answered here, before the library reads a body.
  set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        Route(request, response);
        return HandlerResponse::Handled;
      });
  set_default_headers(
      {{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
}

std::map<std::string, HttpRouter::Page> HttpRouter::Pages() {
  std::map<std::string, Page> pages{
      {"/metrics", [this](const auto& request,
                          auto& response) { Metrics(request, response); }},
      {std::string(kApiPath),
       [this](const auto& request, auto& response) { Api(request, response); }},
      {"/healthz", [](const auto& /*request*/,
                      auto& response) { Answer(response, 200, "ok\n"); }},
      {"/readyz",
       [this](const auto& /*request*/, auto& response) { Ready(response); }}};
  for (const auto& [name, text] : Runbooks()) {
    pages.emplace("/runbooks/" + std::string(name),
                  [&text = text](const auto& /*request*/, auto& response) {
                    // What browsers show; text/markdown they save.
                    response.set_content(text.data(), text.size(), kTextType);
                  });
  }
  for (const auto& [name, text] : PageFiles()) {
    pages.emplace(name == kIndex ? "/" : "/page/" + std::string(name),
                  [type = TypeOf(name), &text = text](const auto& /*request*/,
                                                      auto& response) {
                    response.set_header("Content-Security-Policy", kPagePolicy);
                    response.set_header("Referrer-Policy", "no-referrer");
                    response.set_content(text.data(), text.size(), type);
                  });
  }
  return pages;
}

void HttpRouter::Converse(httplib::Stream& stream) {
  bool closed = false;
  process_request(stream, /*close_connection=*/true, closed, nullptr);
}

void HttpRouter::Route(const httplib::Request& request,
                       httplib::Response& response) {
  const auto page =
      pages_.find(IsApi(request) ? std::string(kApiPath) : request.path);
  if (page == pages_.end()) return Refuse(request, response, kNotFound);
  if (request.method != "GET" && request.method != "HEAD") {
    response.set_header("Allow", "GET, HEAD");
    return Refuse(request, response, kOnlyReads);
  }
  // A thousand overlapping ranges would multiply the answer.
  if (request.has_header("Range")) {
    return Refuse(request, response, kNoRanges);
  }
  try {
    page->second(request, response);
  } catch (const std::exception& error) {
    logger_.Error("http_answer_failed", {{"path", request.path},
                                         {"error", std::string(error.what())}});
    Refuse(request, response, kInternal);
  }
}

std::optional<std::string> HttpRouter::TenantOf(
    const httplib::Request& request, httplib::Response& response) const {
  auto tenant = gate_.TenantOf(request.get_header_value("Authorization"));
  if (tenant.ok()) return *std::move(tenant);
  response.set_header("WWW-Authenticate", "Bearer");
  Refuse(request, response, kNoToken);
  return std::nullopt;
}

void HttpRouter::Metrics(const httplib::Request& request,
                         httplib::Response& response) {
  if (!TenantOf(request, response)) return;
  response.set_content(answers_.metrics(), kMetricsType);
}

void HttpRouter::Api(const httplib::Request& request,
                     httplib::Response& response) {
  const auto tenant = TenantOf(request, response);
  if (!tenant) return;
  const std::uint32_t taken = queries_++;
  const Admission admission(queries_);
  if (taken >= max_queries_) return Refuse(request, response, kBusy);
  const HttpReply reply = answers_.api(
      *tenant, request.path.substr(kApiPath.size()), request.params);
  response.status = reply.status;
  response.set_content(reply.body, kJsonType);
}

void HttpRouter::Ready(httplib::Response& response) {
  if (answers_.ready()) return Answer(response, 200, "ready\n");
  Answer(response, 503, "shutting down\n");
}

}  // namespace firekeeper::server
