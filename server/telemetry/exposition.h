// Families as Prometheus reads them.

#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace firekeeper::server {

// The text exposition format, version 0.0.4.
[[nodiscard]] std::string ExpositionText(
    const std::vector<prometheus::MetricFamily>& families);

}  // namespace firekeeper::server
