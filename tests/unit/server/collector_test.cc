#include "server/telemetry/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "server/ingest/session.h"
#include "server/telemetry/run_families.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::testing::Contains;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
namespace build = ::firekeeper::testing;

constexpr std::uint64_t kNoLimit = 1'000'000;

std::optional<std::string> LabelOf(const prometheus::ClientMetric& sample,
                                   const std::string& name) {
  for (const auto& label : sample.label) {
    if (label.name == name) return label.value;
  }
  return std::nullopt;
}

class CollectorTest : public ::testing::Test {
 protected:
  // A source that declares the layers and sends one snapshot of "fc1".
  void Stream(const std::string& run_id,
              const std::vector<std::string>& more_layers = {}) {
    v1::Open open = build::MakeOpen(run_id);
    for (const std::string& name : more_layers) {
      *open.add_layers() = build::MakeLayer(name, build::kUnits);
    }
    sessions_.push_back(std::make_unique<IngestSession>(
        registry_, "red", [](const std::string&) {}));
    Send(build::Opening(open));
    Send(build::Batched(1, {build::MakeTensorSnapshot(0)}));
  }

  void Send(const v1::StreamRequest& request) {
    std::vector<v1::StreamResponse> responses;
    ASSERT_THAT(sessions_.back()->OnMessage(request, request.ByteSizeLong(),
                                            &responses),
                IsOk());
  }

  std::vector<prometheus::MetricFamily> Collect(
      std::uint64_t budget = kNoLimit) {
    registry_.Sweep();
    return Collector(registry_.board(), registry_.memory(), budget,
                     [] {
                       return TransportGauges{.streams_open = 3,
                                              .connections_open = 2,
                                              .connections_refused = 1};
                     })
        .Collect();
  }

  static const prometheus::MetricFamily* Find(
      const std::vector<prometheus::MetricFamily>& families,
      const std::string& name) {
    const auto found =
        std::ranges::find(families, name, &prometheus::MetricFamily::name);
    return found == families.end() ? nullptr : &*found;
  }

  // The values of one label in a family.
  static std::vector<std::string> Values(
      const std::vector<prometheus::MetricFamily>& families,
      const std::string& family, const std::string& label) {
    std::vector<std::string> values;
    const auto* found = Find(families, family);
    if (found == nullptr) return values;
    for (const auto& sample : found->metric) {
      values.push_back(LabelOf(sample, label).value_or("(none)"));
    }
    return values;
  }

  // The value of the series with this label; -1 where there is none.
  static double ValueWith(const std::vector<prometheus::MetricFamily>& families,
                          const std::string& family, const std::string& label,
                          const std::string& value) {
    const auto* found = Find(families, family);
    if (found == nullptr) return -1.0;
    for (const auto& sample : found->metric) {
      if (LabelOf(sample, label) == value) return sample.gauge.value;
    }
    return -1.0;
  }

  static double Gauge(const std::vector<prometheus::MetricFamily>& families,
                      const std::string& name) {
    const auto* found = Find(families, name);
    return found == nullptr || found->metric.size() != 1
               ? -1.0
               : found->metric.front().gauge.value;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  Registry registry_{Limits(), StateSettings(), [this] { return now_; }};
  std::vector<std::unique_ptr<IngestSession>> sessions_;
};

TEST_F(CollectorTest, AServerWithoutRunsStillTellsOfItself) {
  const auto families = Collect();

  EXPECT_EQ(Gauge(families, "firekeeper_streams_open"), 3.0);
  EXPECT_EQ(Gauge(families, "firekeeper_connections_open"), 2.0);
  EXPECT_EQ(Gauge(families, "firekeeper_series_dropped"), 0.0);
  EXPECT_EQ(Gauge(families, "firekeeper_build_info"), 1.0);
  EXPECT_EQ(Gauge(families, "firekeeper_state_bytes"), 0.0);
  EXPECT_EQ(Gauge(families, "firekeeper_state_limit_bytes"),
            static_cast<double>(Limits().max_state_bytes));
  EXPECT_EQ(Find(families, "firekeeper_run_info"), nullptr);
}

TEST_F(CollectorTest, ARunShowsItsFacts) {
  Stream("digits");

  const auto families = Collect();

  EXPECT_EQ(Gauge(families, "firekeeper_run_info"), 1.0);
  EXPECT_EQ(Gauge(families, "firekeeper_run_last_seen_timestamp_seconds"),
            1'000'000.0);
  EXPECT_EQ(Gauge(families, "firekeeper_run_step"), 0.0);
  EXPECT_EQ(Gauge(families, "firekeeper_run_sources_connected"), 1.0);
  EXPECT_EQ(Gauge(families, "firekeeper_run_sources_declared"), 1.0);
  EXPECT_EQ(Gauge(families, "firekeeper_layer_units"), build::kUnits);
  EXPECT_THAT(Values(families, "firekeeper_run_snapshots_total", "outcome"),
              UnorderedElementsAre("accepted", "duplicate", "conflicting",
                                   "copy", "rejected", "gap"));
  EXPECT_THAT(
      Values(families, "firekeeper_layer_units_by_state", "state"),
      UnorderedElementsAre("unobserved", "unknown", "silent", "dead", "alive",
                           "non_finite", "dead_on_set", "born_dead", "dying",
                           "rare", "dormant", "saturated", "linearised",
                           "constant", "gradient_starved"));
  EXPECT_EQ(Gauge(families, "firekeeper_layer_deaths_total"), 0.0);
  EXPECT_EQ(Gauge(families, "firekeeper_layer_revivals_total"), 0.0);
  EXPECT_EQ(Gauge(families, "firekeeper_layer_units_proven"), 0.0);
  EXPECT_THAT(
      Values(families, "firekeeper_layer_signal_mean_absolute", "signal"),
      UnorderedElementsAre("activation"));
}

TEST_F(CollectorTest, AnAlarmIsASeriesFromTheStartAndOneWhileItHolds) {
  Stream("digits");
  v1::Snapshot nan = build::MakeTensorSnapshot(0);
  nan.mutable_tensor()->set_data(
      std::string(nan.tensor().data().size(), '\xff'));
  const auto before = Collect();
  EXPECT_THAT(Values(before, "firekeeper_layer_alarm", "alarm"),
              UnorderedElementsAre("dying", "dead", "collapse_suspected",
                                   "collapsed", "non_finite", "no_data"));
  EXPECT_EQ(ValueWith(before, "firekeeper_layer_alarm", "alarm", "non_finite"),
            0.0);

  nan.set_step(1);
  Send(build::Batched(2, {nan}));
  Send(build::Reporting(build::MakeProgress(1)));

  EXPECT_EQ(
      ValueWith(Collect(), "firekeeper_layer_alarm", "alarm", "non_finite"),
      1.0);
}

TEST_F(CollectorTest, ARunThatSaidGoodbyeHasEnded) {
  Stream("digits");
  EXPECT_EQ(Gauge(Collect(), "firekeeper_run_ended"), 0.0);

  registry_.Find({.tenant = "red", .run_id = "digits"}).value()->End(now_);

  EXPECT_EQ(Gauge(Collect(), "firekeeper_run_ended"), 1.0);
}

TEST_F(CollectorTest, LabelsAreTheAgreedOnesAndNeverPrometheusOwn) {
  Stream("digits");

  for (const auto& family : Collect()) {
    if (!family.name.starts_with("firekeeper_run_") &&
        !family.name.starts_with("firekeeper_layer_")) {
      continue;
    }
    EXPECT_FALSE(family.help.empty()) << family.name;
    for (const auto& sample : family.metric) {
      EXPECT_EQ(LabelOf(sample, "tenant"), "red") << family.name;
      EXPECT_EQ(LabelOf(sample, "run"), "digits") << family.name;
      EXPECT_EQ(LabelOf(sample, "job"), std::nullopt) << family.name;
      EXPECT_EQ(LabelOf(sample, "instance"), std::nullopt) << family.name;
      EXPECT_EQ(LabelOf(sample, "unit"), std::nullopt) << family.name;
    }
  }
}

TEST_F(CollectorTest, ScalarsAreNamedSeries) {
  Stream("digits");
  v1::Progress progress = build::MakeProgress(0);
  v1::Scalar* scalar = progress.add_scalars();
  scalar->set_name("loss");
  scalar->set_value(0.5);
  Send(build::Reporting(progress));

  const auto families = Collect();

  EXPECT_EQ(Gauge(families, "firekeeper_run_scalar"), 0.5);
  EXPECT_THAT(Values(families, "firekeeper_run_scalar", "name"),
              UnorderedElementsAre("loss"));
}

TEST_F(CollectorTest, CountersEndInTotalAndGaugesDoNot) {
  Stream("digits");

  for (const auto& family : Collect()) {
    EXPECT_EQ(family.type == prometheus::MetricType::Counter,
              family.name.ends_with("_total"))
        << family.name;
  }
}

TEST_F(CollectorTest, AnEndedRunLeavesAfterItsTtl) {
  Stream("digits");
  const auto run = registry_.Find({.tenant = "red", .run_id = "digits"});
  ASSERT_THAT(run, IsOk());
  (*run)->End(now_);

  now_ += absl::FromChrono(StateSettings().ended_metrics_ttl);
  EXPECT_NE(Find(Collect(), "firekeeper_run_info"), nullptr);

  now_ += absl::Seconds(1);
  EXPECT_EQ(Find(Collect(), "firekeeper_run_info"), nullptr);
}

TEST_F(CollectorTest, OutOfBudgetSeriesAreLeftOutAndCounted) {
  Stream("digits", {"fc2", "fc3"});
  const auto all = Collect();
  std::size_t series = 0;
  for (const auto& family : all) series += family.metric.size();
  constexpr std::size_t kServerSeries = 7;

  const auto none = Collect(0);
  EXPECT_EQ(Find(none, "firekeeper_run_info"), nullptr);
  EXPECT_EQ(Gauge(none, "firekeeper_series_dropped"),
            static_cast<double>(series - kServerSeries));

  const auto exact = Collect(series - kServerSeries);
  EXPECT_EQ(Gauge(exact, "firekeeper_series_dropped"), 0.0);
  const auto one_less = Collect(series - kServerSeries - 1);
  EXPECT_GT(Gauge(one_less, "firekeeper_series_dropped"), 0.0);
  EXPECT_NE(Find(one_less, "firekeeper_run_info"), nullptr)
      << "runs come before layers";
}

TEST_F(CollectorTest, ALayerWithAnAlarmComesBeforeASilentOne) {
  Stream("digits", {"zeros", "nan"});
  v1::Snapshot zeros = build::MakeTensorSnapshot(0);
  zeros.set_layer("zeros");
  zeros.mutable_tensor()->set_data(
      std::string(zeros.tensor().data().size(), '\0'));
  v1::Snapshot nan = zeros;
  nan.set_layer("nan");
  nan.mutable_tensor()->set_data(
      std::string(nan.tensor().data().size(), '\xff'));
  Send(build::Batched(2, {zeros, nan}));
  Send(build::Reporting(build::MakeProgress(0)));
  registry_.Sweep();
  const auto page = registry_.board().Read()->front();
  const auto layer = std::ranges::find_if(
      *page->layers,
      [](const LayerPage& each) { return each.view.spec.name == "nan"; });
  ASSERT_NE(layer, page->layers->end());

  const auto families = Collect(RunFamilies::SeriesOfRun(page->view) +
                                RunFamilies::SeriesOfLayer(*layer));

  EXPECT_THAT(Values(families, "firekeeper_layer_units", "layer"),
              UnorderedElementsAre("nan"));
}

TEST_F(CollectorTest, TheWorstLayersStayInTheBudget) {
  // "fc1" is observed and fires; a layer of zeros is silent.
  Stream("digits", {"zeros", "unobserved"});
  v1::Snapshot zeros = build::MakeTensorSnapshot(0);
  zeros.set_layer("zeros");
  zeros.mutable_tensor()->set_data(
      std::string(zeros.tensor().data().size(), '\0'));
  Send(build::Batched(2, {zeros}));
  Send(build::Reporting(build::MakeProgress(0)));
  const auto run = registry_.Find({.tenant = "red", .run_id = "digits"});
  ASSERT_THAT(run, IsOk());
  (*run)->End(now_);
  registry_.Sweep();
  const auto pages = registry_.board().Read();
  ASSERT_EQ(pages->size(), 1U);
  const RunPage& page = *pages->front();
  const auto silent = std::ranges::find_if(
      *page.layers,
      [](const LayerPage& layer) { return layer.view.spec.name == "zeros"; });
  ASSERT_NE(silent, page.layers->end());

  const auto families = Collect(RunFamilies::SeriesOfRun(page.view) +
                                RunFamilies::SeriesOfLayer(*silent));

  EXPECT_THAT(Values(families, "firekeeper_layer_units", "layer"),
              Contains("zeros"));
  EXPECT_THAT(Values(families, "firekeeper_layer_units", "layer"),
              Not(Contains("fc1")));
}

}  // namespace
}  // namespace firekeeper::server
