// The families of runs, layers and signals.

#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "server/state/views.h"
#include "server/telemetry/families.h"

namespace firekeeper::server {

// A layer of a run that /metrics tells of.
struct ShownLayer {
  const RunView* run = nullptr;
  const LayerPage* page = nullptr;
};

// Thread-compatible.
class RunFamilies {
 public:
  RunFamilies();

  // Series that AddRun() and AddLayers() will add.
  [[nodiscard]] static std::size_t SeriesOfRun(const RunView& run);
  [[nodiscard]] static std::size_t SeriesOfLayer(const LayerPage& layer);

  void AddRun(const RunView& run);
  // The window statistics are those of phase TRAIN: a label for the phase would
  // multiply the series for the sake of what is seldom streamed.
  // Once, with all layers: family by family, so that what a scrape reads and
  // frees one after the other lies one after the other.
  void AddLayers(const std::vector<ShownLayer>& layers);

  // Families that hold a series. The object is empty then.
  [[nodiscard]] std::vector<prometheus::MetricFamily> Take();

 private:
  void AddStates(const std::vector<ShownLayer>& layers,
                 const std::vector<Labels>& labels);
  void AddAlarms(const std::vector<ShownLayer>& layers,
                 const std::vector<Labels>& labels);
  void AddSignals(const std::vector<ShownLayer>& layers,
                  const std::vector<Labels>& labels);

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
