// What is told over HTTP, as whoever tells it provides it.

#pragma once

#include <functional>
#include <map>
#include <string>

namespace firekeeper::server {

// Of a query: names and values, decoded.
using HttpParameters = std::multimap<std::string, std::string>;

struct HttpReply {
  int status = 200;
  std::string body;  // JSON
};

// Called from several threads at once. A throwing answer becomes status 500.
struct HttpAnswers {
  std::function<std::string()> metrics;  // Prometheus text format
  std::function<bool()> ready;
  // GET /api/v1/METHOD by a caller that the gate let in.
  std::function<HttpReply(const std::string& tenant, const std::string& method,
                          const HttpParameters& parameters)>
      api;
};

}  // namespace firekeeper::server
