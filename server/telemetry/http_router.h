// What is answered over HTTP: from one request on a stream to one answer.

#pragma once

#include <httplib.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "server/logging.h"
#include "server/security/gate.h"
#include "server/telemetry/http_answers.h"

namespace firekeeper::server {

// The library's server without its listener: it parses one request and writes
// one answer. GET and HEAD only; other methods get 405, other paths 404.
// /metrics and /api/v1/METHOD ask the gate (401 without a token); /healthz,
// /readyz, /runbooks/NAME and the files of the page at / and /page/NAME, which
// tell of no run, do not.
//
// Thread-safe.
class HttpRouter : private httplib::Server {
 public:
  // At most `max_queries` of /api/v1 are answered at a time, others get 503: a
  // slow one must not hold up /metrics and the probes. Requires: `gate` and
  // `logger` outlive the router.
  HttpRouter(const Gate& gate, HttpAnswers answers, std::uint32_t max_queries,
             Logger& logger);

  // Reads a request and writes its answer. What is no request ends without one.
  void Converse(httplib::Stream& stream);

 private:
  using Page = std::function<void(const httplib::Request&, httplib::Response&)>;

  [[nodiscard]] std::map<std::string, Page> Pages();
  void Route(const httplib::Request& request, httplib::Response& response);
  // The caller's; empty, with the answer given, where the gate has none.
  std::optional<std::string> TenantOf(const httplib::Request& request,
                                      httplib::Response& response) const;
  void Metrics(const httplib::Request& request, httplib::Response& response);
  void Api(const httplib::Request& request, httplib::Response& response);
  void Ready(httplib::Response& response);

  const Gate& gate_;
  const HttpAnswers answers_;
  const std::uint32_t max_queries_;
  std::atomic<std::uint32_t> queries_{0};
  Logger& logger_;
  const std::map<std::string, Page> pages_;
};

}  // namespace firekeeper::server
