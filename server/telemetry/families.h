// Small pieces that families are built from.

#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace firekeeper::server {

using Labels = std::vector<prometheus::ClientMetric::Label>;

inline prometheus::MetricFamily Family(std::string name, std::string help,
                                       prometheus::MetricType type) {
  return {.name = std::move(name),
          .help = std::move(help),
          .type = type,
          .metric = {}};
}

// One sample of a gauge or counter family.
inline void AddSample(prometheus::MetricFamily* family, Labels labels,
                      double value) {
  prometheus::ClientMetric& sample = family->metric.emplace_back();
  sample.label = std::move(labels);
  if (family->type == prometheus::MetricType::Counter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

}  // namespace firekeeper::server
