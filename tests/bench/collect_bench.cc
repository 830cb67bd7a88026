// How long a scrape takes to put its families together, beside prometheus-cpp's
// own gauge families filled with the same series:
//
//   collect_bench [RUNS LAYERS]      default: 100 runs of 100 layers

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "server/process.h"
#include "server/state/memory_budget.h"
#include "server/state/run_board.h"
#include "server/telemetry/collector.h"
#include "tests/bench/measure.h"

namespace firekeeper {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

constexpr int kRounds = 9;
constexpr std::uint64_t kUnits = 4'096;
constexpr std::uint64_t kNoBudget = std::uint64_t{1} << 40U;

// Of the second of two in a row: a server does nothing else between two
// scrapes, so neither pays for the heap that the other has left behind.
template <typename Work>
double SecondTimeOf(const Work& work) {
  work();
  return bench::SecondsOf(work);
}

server::LayerPage MakeLayer(std::int64_t number) {
  server::LayerPage page;
  page.view.spec.name = "encoder.layer." + std::to_string(number) + ".mlp.act";
  page.view.spec.unit_count = kUnits;
  page.view.units_by_state.at(
      static_cast<std::size_t>(core::HealthState::kAlive)) = kUnits;
  page.expected_born_dead = 0.0;
  for (const core::Signal signal :
       {core::Signal::kActivation, core::Signal::kOutputGradient,
        core::Signal::kWeight, core::Signal::kWeightGradient,
        core::Signal::kWeightUpdate}) {
    page.view.signals.push_back({.signal = signal,
                                 .phase = core::Phase::kTrain,
                                 .digest = {},
                                 .coverage = {}});
  }
  return page;
}

server::RunPages MakePages(std::int64_t runs, std::int64_t layers) {
  server::RunPages pages;
  for (std::int64_t run = 0; run < runs; ++run) {
    auto page = std::make_shared<server::RunPage>();
    page->view.tenant = "default";
    page->view.run_id = "pretrain/2026-11/run-" + std::to_string(run);
    page->view.scalars = {{"loss", 1.0}, {"learning_rate", 0.001}};
    server::LayerPages all;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      all.push_back(MakeLayer(layer));
    }
    page->layers = std::make_shared<const server::LayerPages>(std::move(all));
    pages.push_back(std::move(page));
  }
  return pages;
}

// What a server would do whose gauges are prometheus-cpp's: every series is
// there once, has its value set, and is collected.
Families CollectGauges(const Families& series) {
  prometheus::Registry registry;
  for (const prometheus::MetricFamily& from : series) {
    auto& family =
        prometheus::BuildGauge().Name(from.name).Help(from.help).Register(
            registry);
    for (const prometheus::ClientMetric& sample : from.metric) {
      std::map<std::string, std::string> labels;
      for (const auto& label : sample.label) {
        labels.emplace(label.name, label.value);
      }
      family.Add(labels).Set(sample.gauge.value + sample.counter.value);
    }
  }
  return registry.Collect();
}

void Compare(std::int64_t runs, std::int64_t layers) {
  server::RunBoard board;
  board.Post(MakePages(runs, layers));
  const server::MemoryBudget memory(1);
  const server::Collector collector(board, memory, kNoBudget,
                                    [] { return server::TransportGauges{}; });
  const Families series = collector.Collect();
  std::size_t count = 0;
  for (const prometheus::MetricFamily& family : series) {
    count += family.metric.size();
  }
  std::vector<double> ours;
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(SecondTimeOf([&] { return collector.Collect(); }));
    ratios.push_back(SecondTimeOf([&] { return CollectGauges(series); }) /
                     ours.back());
  }
  std::printf("%lld runs x %lld layers, %zu series\n",
              static_cast<long long>(runs), static_cast<long long>(layers),
              count);
  std::printf(
      "gauge families of prometheus-cpp / collect: %.1f (%.1f to %.1f)\n",
      bench::Median(ratios), *std::ranges::min_element(ratios),
      *std::ranges::max_element(ratios));
  bench::PrintMeasure("collect", ratios);
  std::printf("collect: %.1f ms\n", bench::Median(ours) * 1e3);
}

std::int64_t Number(const char* text) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 1) {
    std::fprintf(stderr, "collect_bench: %s is no positive number\n", text);
    std::abort();
  }
  return value;
}

void Main(std::span<char*> arguments) {
  server::TuneMalloc();
  const bool given = arguments.size() == 3;
  Compare(given ? Number(arguments[1]) : 100,
          given ? Number(arguments[2]) : 100);
}

}  // namespace
}  // namespace firekeeper

int main(int argc, char** argv) {
  firekeeper::Main({argv, static_cast<std::size_t>(argc)});
}
