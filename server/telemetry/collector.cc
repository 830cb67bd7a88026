#include "server/telemetry/collector.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "server/telemetry/families.h"
#include "server/telemetry/run_families.h"
#include "server/version.h"

namespace firekeeper::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct LayerEntry {
  const RunView* run = nullptr;
  const LayerPage* layer = nullptr;
  double badness = 0.0;
};

// Layers with an alarm come before all others, then those with most units that
// are dead, silent, not finite or unknown.
double Badness(const LayerPage& layer) {
  const auto count = [&](core::HealthState state) {
    return layer.view.units_by_state.at(static_cast<std::size_t>(state));
  };
  const auto bad = static_cast<double>(
      count(core::HealthState::kDead) + count(core::HealthState::kBornDead) +
      count(core::HealthState::kDeadOnSet) + count(core::HealthState::kSilent) +
      count(core::HealthState::kNonFinite) +
      count(core::HealthState::kUnknown));
  const double ratio = bad / static_cast<double>(std::max<core::Index>(
                                 layer.view.spec.unit_count, 1));
  const core::LayerAlarms& alarms = layer.alarms;
  const bool alarmed = alarms.dying || alarms.dead ||
                       alarms.collapse_suspected || alarms.collapsed ||
                       alarms.non_finite || alarms.no_data;
  return alarmed ? 1.0 + ratio : ratio;
}

// Takes series from the budget while they fit and counts those that do not.
class Budget {
 public:
  explicit Budget(std::uint64_t limit) : left_(limit) {}

  bool Take(std::uint64_t series) {
    if (series > left_) {
      Drop(series);
      return false;
    }
    left_ -= series;
    return true;
  }
  void Drop(std::uint64_t series) { dropped_ += series; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  std::uint64_t left_;
  std::uint64_t dropped_ = 0;
};

}  // namespace

Collector::Collector(const RunBoard& board, const MemoryBudget& memory,
                     std::uint64_t series_budget,
                     std::function<TransportGauges()> transport)
    : board_(board),
      memory_(memory),
      series_budget_(series_budget),
      transport_(std::move(transport)) {}

std::vector<MetricFamily> Collector::Collect() const {
  const std::shared_ptr<const RunPages> pages = board_.Read();
  Budget budget(series_budget_);
  RunFamilies families;
  std::vector<LayerEntry> layers;
  for (const auto& page : *pages) {
    const RunView& run = page->view;
    const bool is_shown = budget.Take(RunFamilies::SeriesOfRun(run));
    if (is_shown) families.AddRun(run);
    for (const LayerPage& layer : *page->layers) {
      // Alerts on a layer ask whether its run has ended.
      if (is_shown) {
        layers.push_back({&run, &layer, Badness(layer)});
      } else {
        budget.Drop(RunFamilies::SeriesOfLayer(layer));
      }
    }
  }
  // Stable: among equals the order of runs and layers decides, so that the
  // same layers are shown at every scrape.
  std::ranges::stable_sort(layers, std::ranges::greater(),
                           &LayerEntry::badness);
  std::erase_if(layers, [&budget](const LayerEntry& entry) {
    return !budget.Take(RunFamilies::SeriesOfLayer(*entry.layer));
  });
  std::vector<ShownLayer> shown;
  shown.reserve(layers.size());
  for (const LayerEntry& entry : layers) {
    shown.push_back({entry.run, entry.layer});
  }
  families.AddLayers(shown);
  std::vector<MetricFamily> all = families.Take();
  AddServer(budget.dropped(), &all);
  return all;
}

void Collector::AddServer(std::uint64_t dropped,
                          std::vector<MetricFamily>* families) const {
  const auto add = [&](const char* name, const char* help, MetricType type,
                       std::uint64_t value) {
    MetricFamily family = Family(name, help, type);
    AddSample(&family, {}, static_cast<double>(value));
    families->push_back(std::move(family));
  };
  MetricFamily build =
      Family("firekeeper_build_info", "1, with the version of the server.",
             MetricType::Gauge);
  AddSample(&build, {{"version", kVersion}}, 1.0);
  families->push_back(std::move(build));

  const TransportGauges transport = transport_();
  add("firekeeper_state_bytes", "Memory of all windows and reducers.",
      MetricType::Gauge, memory_.used());
  add("firekeeper_state_limit_bytes",
      "Memory that windows and reducers may take together.", MetricType::Gauge,
      memory_.limit());
  add("firekeeper_streams_open", "Ingest streams that are open.",
      MetricType::Gauge, transport.streams_open);
  add("firekeeper_connections_open", "gRPC connections that are open.",
      MetricType::Gauge, transport.connections_open);
  add("firekeeper_connections_refused_total",
      "gRPC connections closed on arrival because of the limit.",
      MetricType::Counter, transport.connections_refused);
  add("firekeeper_series_dropped",
      "Series that this scrape leaves out because of the budget.",
      MetricType::Gauge, dropped);
}

}  // namespace firekeeper::server
