// What is told over HTTP, as whoever tells it provides it.

#pragma once

#include <functional>
#include <string>

namespace firekeeper::server {

// Called from several threads at once. A throwing answer becomes status 500.
struct HttpAnswers {
  std::function<std::string()> metrics;  // Prometheus text format
  std::function<bool()> ready;
};

}  // namespace firekeeper::server
