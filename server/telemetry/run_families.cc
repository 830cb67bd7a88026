#include "server/telemetry/run_families.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "server/state/run_assessment.h"
#include "server/telemetry/families.h"

namespace firekeeper::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// A family with one series for each run, layer or signal.
template <typename View>
struct Row {
  const char* name;
  const char* help;
  MetricType type;
  double (*read)(const View&);
};

double ToDouble(std::uint64_t count) { return static_cast<double>(count); }

constexpr std::array<Row<RunView>, 9> kRunRows{{
    {"firekeeper_run_info", "1 for every run that is shown.", MetricType::Gauge,
     [](const RunView&) { return 1.0; }},
    {"firekeeper_run_last_seen_timestamp_seconds",
     "When anything of the run last arrived, in Unix time.", MetricType::Gauge,
     [](const RunView& run) {
       return absl::ToDoubleSeconds(run.last_seen - absl::UnixEpoch());
     }},
    {"firekeeper_run_ended",
     "1 once the run has said that it ended: silence is no alarm then.",
     MetricType::Gauge,
     [](const RunView& run) {
       return run.state == RunState::kEnded ? 1.0 : 0.0;
     }},
    {"firekeeper_run_step",
     "Greatest step of any snapshot of the newest attempt; -1 before the "
     "first.",
     MetricType::Gauge,
     [](const RunView& run) { return static_cast<double>(run.last_step); }},
    {"firekeeper_run_sources_connected",
     "Sources of the newest attempt with an open stream.", MetricType::Gauge,
     [](const RunView& run) {
       return run.attempts.empty()
                  ? 0.0
                  : ToDouble(run.attempts.back().sources_connected);
     }},
    {"firekeeper_run_sources_declared", "Sources of the newest attempt.",
     MetricType::Gauge,
     [](const RunView& run) {
       return run.attempts.empty() ? 0.0
                                   : ToDouble(run.attempts.back().source_count);
     }},
    {"firekeeper_run_assessed_timestamp_seconds",
     "When the diagnosis and the events of the run were last brought up to "
     "date, in Unix time; 0 before the first time.",
     MetricType::Gauge,
     [](const RunView& run) {
       return run.assessed == absl::InfinitePast()
                  ? 0.0
                  : absl::ToDoubleSeconds(run.assessed - absl::UnixEpoch());
     }},
    {"firekeeper_run_payload_bytes_total", "Snapshot payload received.",
     MetricType::Counter,
     [](const RunView& run) { return ToDouble(run.counters.payload_bytes); }},
    {"firekeeper_run_fenced_total",
     "Streams that a newer attempt or stream of their source ended.",
     MetricType::Counter,
     [](const RunView& run) { return ToDouble(run.counters.fenced); }},
}};

struct Outcome {
  const char* name;
  std::uint64_t RunCounters::*count;
};
constexpr std::array<Outcome, 6> kOutcomes{
    {{"accepted", &RunCounters::accepted},
     {"duplicate", &RunCounters::duplicate},
     {"conflicting", &RunCounters::conflicting},
     {"copy", &RunCounters::copies},
     {"rejected", &RunCounters::rejected},
     {"gap", &RunCounters::gap}}};

struct Alarm {
  const char* name;
  bool core::LayerAlarms::*holds;
};
constexpr std::array<Alarm, 6> kAlarms{
    {{"dying", &core::LayerAlarms::dying},
     {"dead", &core::LayerAlarms::dead},
     {"collapse_suspected", &core::LayerAlarms::collapse_suspected},
     {"collapsed", &core::LayerAlarms::collapsed},
     {"non_finite", &core::LayerAlarms::non_finite},
     {"no_data", &core::LayerAlarms::no_data}}};

constexpr std::array<Row<LayerView>, 8> kLayerRows{{
    {"firekeeper_layer_units", "Units of the layer.", MetricType::Gauge,
     [](const LayerView& layer) {
       return static_cast<double>(layer.spec.unit_count);
     }},
    {"firekeeper_layer_order",
     "Place of the layer in the network, 0 for the first.", MetricType::Gauge,
     [](const LayerView& layer) {
       return static_cast<double>(layer.spec.order);
     }},
    {"firekeeper_layer_coverage_shards_received",
     "Data shards that contributed to the newest closed window, of the worst "
     "unit range.",
     MetricType::Gauge,
     [](const LayerView& layer) {
       return ToDouble(layer.coverage.shards_received);
     }},
    {"firekeeper_layer_coverage_shards_expected",
     "Data shards that the sources of the layer declared.", MetricType::Gauge,
     [](const LayerView& layer) {
       return ToDouble(layer.coverage.shards_expected);
     }},
    {"firekeeper_layer_units_proven",
     "Units whose weights and inputs prove that they cannot fire.",
     MetricType::Gauge,
     [](const LayerView& layer) { return ToDouble(layer.proven_units); }},
    {"firekeeper_layer_deaths_total", "Deaths of the layer's units.",
     MetricType::Counter,
     [](const LayerView& layer) { return ToDouble(layer.deaths_total); }},
    {"firekeeper_layer_revivals_total",
     "Firings of units of the layer that were dead.", MetricType::Counter,
     [](const LayerView& layer) { return ToDouble(layer.revivals_total); }},
    {"firekeeper_layer_evaluated_step",
     "Last step that the states of the units rest on; -1 before the first.",
     MetricType::Gauge,
     [](const LayerView& layer) {
       return static_cast<double>(layer.evaluated_through_step);
     }},
}};

constexpr std::array<Row<SignalView>, 5> kSignalRows{{
    {"firekeeper_layer_signal_mean_absolute",
     "Mean of |value| over the newest window.", MetricType::Gauge,
     [](const SignalView& signal) { return signal.digest.mean_absolute; }},
    {"firekeeper_layer_signal_root_mean_square",
     "Root of the mean square over the newest window.", MetricType::Gauge,
     [](const SignalView& signal) { return signal.digest.root_mean_square; }},
    {"firekeeper_layer_signal_observations",
     "Observations of the best observed unit in the newest window.",
     MetricType::Gauge,
     [](const SignalView& signal) {
       return ToDouble(signal.digest.observations);
     }},
    {"firekeeper_layer_signal_units_never_fired",
     "Units that were observed and never fired in the newest window.",
     MetricType::Gauge,
     [](const SignalView& signal) {
       return ToDouble(signal.digest.units_never_fired);
     }},
    {"firekeeper_layer_signal_non_finite",
     "NaN and infinite entries in the newest window.", MetricType::Gauge,
     [](const SignalView& signal) {
       return ToDouble(signal.digest.non_finite);
     }},
}};

template <typename Rows>
std::vector<MetricFamily> FamiliesOf(const Rows& rows) {
  std::vector<MetricFamily> families;
  families.reserve(rows.size());
  for (const auto& row : rows) {
    families.push_back(Family(row.name, row.help, row.type));
  }
  return families;
}

template <typename Rows, typename View>
void AddRows(const Rows& rows, const View& view, const Labels& labels,
             std::vector<MetricFamily>* families) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    AddSample(&families->at(i), labels, rows.at(i).read(view));
  }
}

Labels LabelsOf(const RunView& run) {
  return {{"tenant", run.tenant}, {"run", run.run_id}};
}

// Room for exactly these: a scrape makes hundreds of thousands.
Labels With(const Labels& labels, const char* name, std::string value) {
  Labels all;
  all.reserve(labels.size() + 1);
  all.insert(all.end(), labels.begin(), labels.end());
  all.push_back({name, std::move(value)});
  return all;
}

const char* Name(core::Signal signal) {
  switch (signal) {
    case core::Signal::kActivation:
      return "activation";
    case core::Signal::kPreActivation:
      return "pre_activation";
    case core::Signal::kOutputGradient:
      return "output_gradient";
    case core::Signal::kWeight:
      return "weight";
    case core::Signal::kBias:
      return "bias";
    case core::Signal::kWeightGradient:
      return "weight_gradient";
    case core::Signal::kWeightUpdate:
      return "weight_update";
    case core::Signal::kInput:
      return "input";
    case core::Signal::kTarget:
      return "target";
  }
  return "unknown";
}

bool IsShown(const SignalView& signal) {
  return signal.phase == core::Phase::kTrain;
}

// A sample of each layer.
template <typename Read>
void AddEach(const std::vector<ShownLayer>& layers,
             const std::vector<Labels>& labels, MetricFamily* family,
             const Read& read) {
  family->metric.reserve(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    AddSample(family, labels[i], read(*layers[i].page));
  }
}

}  // namespace

RunFamilies::RunFamilies()
    : run_(FamiliesOf(kRunRows)),
      scalar_(Family("firekeeper_run_scalar",
                     "Newest value of a number of the whole run, such as loss.",
                     MetricType::Gauge)),
      finding_(Family("firekeeper_run_finding",
                      "Score of a cause that the diagnosis found, 0 to 1.",
                      MetricType::Gauge)),
      snapshots_(Family("firekeeper_run_snapshots_total",
                        "Snapshots by what became of them.",
                        MetricType::Counter)),
      layer_(FamiliesOf(kLayerRows)),
      states_(Family(
          "firekeeper_layer_units_by_state",
          "Units of the layer by the first of the health states that hold.",
          MetricType::Gauge)),
      alarms_(Family("firekeeper_layer_alarm",
                     "1 while an event of the layer was told and is not over.",
                     MetricType::Gauge)),
      expected_(Family(
          "firekeeper_layer_born_dead_units_expected",
          "Units that depth and how alike the inputs are explain as born dead; "
          "absent where that was not measured.",
          MetricType::Gauge)),
      without_data_(Family("firekeeper_layer_windows_without_data",
                           "Windows that the run closed after the last one in "
                           "which anything of the layer came.",
                           MetricType::Gauge)),
      signal_(FamiliesOf(kSignalRows)) {}

std::size_t RunFamilies::SeriesOfRun(const RunView& run) {
  return kRunRows.size() + kOutcomes.size() + run.scalars.size() +
         run.findings.size();
}

std::size_t RunFamilies::SeriesOfLayer(const LayerPage& layer) {
  const auto signals = static_cast<std::size_t>(
      std::ranges::count_if(layer.view.signals, IsShown));
  return kLayerRows.size() + (kHealthStateCount - 1) + kAlarms.size() + 1 +
         (layer.expected_born_dead ? 1 : 0) + signals * kSignalRows.size();
}

void RunFamilies::AddRun(const RunView& run) {
  const Labels labels = LabelsOf(run);
  AddRows(kRunRows, run, labels, &run_);
  for (const auto& [name, value] : run.scalars) {
    AddSample(&scalar_, With(labels, "name", name), value);
  }
  for (const FindingView& finding : run.findings) {
    AddSample(&finding_,
              With(With(labels, "cause", core::Name(finding.cause)), "severity",
                   core::Name(SeverityOf(finding.cause))),
              finding.score);
  }
  for (const Outcome& outcome : kOutcomes) {
    AddSample(&snapshots_, With(labels, "outcome", outcome.name),
              ToDouble(run.counters.*outcome.count));
  }
}

void RunFamilies::AddLayers(const std::vector<ShownLayer>& layers) {
  std::vector<Labels> labels;
  labels.reserve(layers.size());
  for (const ShownLayer& layer : layers) {
    labels.push_back(
        With(LabelsOf(*layer.run), "layer", layer.page->view.spec.name));
  }
  for (std::size_t row = 0; row < kLayerRows.size(); ++row) {
    AddEach(layers, labels, &layer_[row], [row](const LayerPage& page) {
      return kLayerRows.at(row).read(page.view);
    });
  }
  AddStates(layers, labels);
  AddAlarms(layers, labels);
  AddEach(layers, labels, &without_data_, [](const LayerPage& page) {
    return ToDouble(page.alarms.windows_without_data);
  });
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& expected = layers[i].page->expected_born_dead;
    if (expected) AddSample(&expected_, labels[i], *expected);
  }
  AddSignals(layers, labels);
}

void RunFamilies::AddStates(const std::vector<ShownLayer>& layers,
                            const std::vector<Labels>& labels) {
  states_.metric.reserve(layers.size() * (kHealthStateCount - 1));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    // Every state, also with no unit: an alert must see the zero.
    for (std::size_t state = 1; state < kHealthStateCount; ++state) {
      AddSample(&states_,
                With(labels[i], "state",
                     core::Name(static_cast<core::HealthState>(state))),
                ToDouble(layers[i].page->view.units_by_state.at(state)));
    }
  }
}

void RunFamilies::AddAlarms(const std::vector<ShownLayer>& layers,
                            const std::vector<Labels>& labels) {
  alarms_.metric.reserve(layers.size() * kAlarms.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const Alarm& alarm : kAlarms) {
      AddSample(&alarms_, With(labels[i], "alarm", alarm.name),
                layers[i].page->alarms.*alarm.holds ? 1.0 : 0.0);
    }
  }
}

void RunFamilies::AddSignals(const std::vector<ShownLayer>& layers,
                             const std::vector<Labels>& labels) {
  std::vector<std::pair<const SignalView*, std::size_t>> shown;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const SignalView& signal : layers[i].page->view.signals) {
      if (IsShown(signal)) shown.emplace_back(&signal, i);
    }
  }
  for (std::size_t row = 0; row < kSignalRows.size(); ++row) {
    signal_[row].metric.reserve(shown.size());
    for (const auto& [signal, layer] : shown) {
      AddSample(&signal_[row],
                With(labels[layer], "signal", Name(signal->signal)),
                kSignalRows.at(row).read(*signal));
    }
  }
}

std::vector<MetricFamily> RunFamilies::Take() {
  std::vector<MetricFamily> families;
  const auto move_all = [&families](std::vector<MetricFamily>& from) {
    std::ranges::move(from, std::back_inserter(families));
  };
  move_all(run_);
  families.push_back(std::move(scalar_));
  families.push_back(std::move(finding_));
  families.push_back(std::move(snapshots_));
  move_all(layer_);
  families.push_back(std::move(states_));
  families.push_back(std::move(alarms_));
  families.push_back(std::move(expected_));
  families.push_back(std::move(without_data_));
  move_all(signal_);
  std::erase_if(families, [](const MetricFamily& family) {
    return family.metric.empty();
  });
  *this = RunFamilies();
  return families;
}

}  // namespace firekeeper::server
