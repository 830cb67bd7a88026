#include "server/telemetry/http_router.h"

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "server/telemetry/runbooks.h"

namespace firekeeper::server {
namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr const char* kJsonType = "application/json";
// Followed by a method.
constexpr std::string_view kApiPath = "/api/v1/";

void Answer(httplib::Response& response, int status, const char* text) {
  response.status = status;
  response.set_content(text, kTextType);
}

}  // namespace

HttpRouter::HttpRouter(const Gate& gate, HttpAnswers answers, Logger& logger)
    : gate_(gate),
      answers_(std::move(answers)),
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
  return pages;
}

void HttpRouter::Converse(httplib::Stream& stream) {
  bool closed = false;
  process_request(stream, /*close_connection=*/true, closed, nullptr);
}

void HttpRouter::Route(const httplib::Request& request,
                       httplib::Response& response) {
  const auto page =
      pages_.find(request.path.starts_with(kApiPath) ? std::string(kApiPath)
                                                     : request.path);
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
    logger_.Error("http_answer_failed", {{"path", request.path},
                                         {"error", std::string(error.what())}});
    Answer(response, 500, "internal error\n");
  }
}

std::optional<std::string> HttpRouter::TenantOf(
    const httplib::Request& request, httplib::Response& response) const {
  auto tenant = gate_.TenantOf(request.get_header_value("Authorization"));
  if (tenant.ok()) return *std::move(tenant);
  response.set_header("WWW-Authenticate", "Bearer");
  Answer(response, 401, "a known token is needed\n");
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
