// The process_* metrics that every Prometheus client library has.

#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace firekeeper::server {

// Reads /proc/self at every scrape; what cannot be read is left out.
//
// Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  ProcessMetrics();

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const double start_time_seconds_;
};

}  // namespace firekeeper::server
