// The families of runs, layers and signals, filled one run or layer at a time.

#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "server/state/views.h"

namespace firekeeper::server {

// Thread-compatible.
class RunFamilies {
 public:
  RunFamilies();

  // Series that AddRun() and AddLayer() will add.
  [[nodiscard]] static std::size_t SeriesOfRun(const RunView& run);
  [[nodiscard]] static std::size_t SeriesOfLayer(const LayerPage& layer);

  void AddRun(const RunView& run);
  // The window statistics are those of phase TRAIN: a label for the phase would
  // multiply the series for the sake of what is seldom streamed.
  void AddLayer(const RunView& run, const LayerPage& page);

  // Families that hold a series. The object is empty then.
  [[nodiscard]] std::vector<prometheus::MetricFamily> Take();

 private:
  std::vector<prometheus::MetricFamily> run_;
  prometheus::MetricFamily scalar_;
  prometheus::MetricFamily finding_;
  prometheus::MetricFamily snapshots_;
  std::vector<prometheus::MetricFamily> layer_;
  prometheus::MetricFamily states_;
  prometheus::MetricFamily alarms_;
  prometheus::MetricFamily expected_;
  prometheus::MetricFamily without_data_;
  std::vector<prometheus::MetricFamily> signal_;
};

}  // namespace firekeeper::server
