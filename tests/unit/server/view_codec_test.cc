#include "server/query/view_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace firekeeper::server {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(ToTimestampTest, KeepsNanosecondsAlsoBeforeTheEpoch) {
  const auto after = ToTimestamp(absl::FromUnixNanos(1'500'000'001));
  EXPECT_EQ(after.seconds(), 1);
  EXPECT_EQ(after.nanos(), 500'000'001);

  const auto before = ToTimestamp(absl::FromUnixNanos(-1));
  EXPECT_EQ(before.seconds(), -1);
  EXPECT_EQ(before.nanos(), 999'999'999);
}

TEST(ViewCodecTest, ARunKeepsEverythingThatTheViewHolds) {
  RunView view;
  view.tenant = "red";
  view.run_id = "digits";
  view.state = RunState::kSilent;
  view.labels = {{"user", "ada"}};
  view.remedy_of = "digits-0";
  view.attempts.resize(2);
  view.attempts[1] = {.number = 2,
                      .resume_step = 100,
                      .source_count = 4,
                      .sources_opened = 3,
                      .sources_connected = 1,
                      .started = absl::FromUnixSeconds(9),
                      .superseded = true};
  view.first_seen = absl::FromUnixSeconds(7);
  view.last_seen = absl::FromUnixSeconds(8);
  view.last_step = 42;
  view.layer_count = 2;
  view.unit_count = 20;
  view.scalars = {{"loss", std::nan("")}};
  view.counters = {.accepted = 1,
                   .duplicate = 2,
                   .conflicting = 3,
                   .copies = 4,
                   .rejected = 5,
                   .gap = 6,
                   .fenced = 7,
                   .payload_bytes = 8};

  v1::Run run;
  ToProto(view, &run);

  EXPECT_EQ(run.tenant(), "red");
  EXPECT_EQ(run.run_id(), "digits");
  EXPECT_EQ(run.state(), v1::RUN_STATE_SILENT);
  EXPECT_THAT(run.labels(), UnorderedElementsAre(Pair("user", "ada")));
  EXPECT_EQ(run.remedy_of(), "digits-0");
  ASSERT_EQ(run.attempts_size(), 2);
  EXPECT_EQ(run.attempts(1).number(), 2U);
  EXPECT_EQ(run.attempts(1).resume_step(), 100);
  EXPECT_EQ(run.attempts(1).source_count(), 4U);
  EXPECT_EQ(run.attempts(1).sources_opened(), 3U);
  EXPECT_EQ(run.attempts(1).sources_connected(), 1U);
  EXPECT_EQ(run.attempts(1).started().seconds(), 9);
  EXPECT_TRUE(run.attempts(1).superseded());
  EXPECT_EQ(run.first_seen().seconds(), 7);
  EXPECT_EQ(run.last_seen().seconds(), 8);
  EXPECT_EQ(run.last_step(), 42);
  EXPECT_EQ(run.layer_count(), 2U);
  EXPECT_EQ(run.unit_count(), 20U);
  EXPECT_TRUE(std::isnan(run.scalars().at("loss")));
  EXPECT_EQ(run.counters().snapshots_accepted(), 1U);
  EXPECT_EQ(run.counters().snapshots_duplicate(), 2U);
  EXPECT_EQ(run.counters().snapshots_conflicting(), 3U);
  EXPECT_EQ(run.counters().snapshots_copies(), 4U);
  EXPECT_EQ(run.counters().snapshots_rejected(), 5U);
  EXPECT_EQ(run.counters().snapshots_gap(), 6U);
  EXPECT_EQ(run.counters().fenced(), 7U);
  EXPECT_EQ(run.counters().payload_bytes(), 8U);
}

TEST(ViewCodecTest, ALayerListsOnlyTheStatesThatUnitsAreIn) {
  LayerView view;
  view.spec.name = "fc1";
  view.spec.unit_count = 5;
  view.spec.activation.kind = core::Activation::kGelu;
  view.observable = true;
  view.health_signal = core::Signal::kActivation;
  view.units_by_state[static_cast<std::size_t>(core::HealthState::kDead)] = 2;
  view.units_by_state[static_cast<std::size_t>(core::HealthState::kAlive)] = 3;
  view.units_that_hold = view.units_by_state;
  view.first_death_by_step = 128;

  v1::LayerReport report;
  ToProto(view, &report);

  EXPECT_EQ(report.layer().name(), "fc1");
  EXPECT_EQ(report.layer().unit_count(), 5U);
  EXPECT_EQ(report.layer().activation(), v1::ACTIVATION_GELU);
  EXPECT_EQ(report.observability(), v1::OBSERVABILITY_OBSERVABLE);
  EXPECT_EQ(report.health_signal(), v1::SIGNAL_ACTIVATION);
  ASSERT_EQ(report.units_by_state_size(), 2);
  EXPECT_EQ(report.units_by_state(0).state(), v1::HEALTH_STATE_DEAD);
  EXPECT_EQ(report.units_by_state(0).units(), 2U);
  EXPECT_EQ(report.units_by_state(1).state(), v1::HEALTH_STATE_ALIVE);
  EXPECT_EQ(report.units_by_state(1).units(), 3U);
  EXPECT_FALSE(report.has_first_death_after_step());
  EXPECT_EQ(report.first_death_by_step(), 128);
}

TEST(ViewCodecTest, AnUnobservableLayerNamesNoHealthSignal) {
  LayerView view;
  view.health_signal = core::Signal::kActivation;
  view.reason = "neither ACTIVATION nor PRE_ACTIVATION was streamed";

  v1::LayerReport report;
  ToProto(view, &report);

  EXPECT_EQ(report.observability(), v1::OBSERVABILITY_NOT_OBSERVABLE);
  EXPECT_EQ(report.health_signal(), v1::SIGNAL_UNSPECIFIED);
  EXPECT_EQ(report.reason(), view.reason);
}

TEST(ViewCodecTest, WhatASignalDoesNotDefineStaysAbsent) {
  v1::SignalReport absent;
  ToProto(SignalView{}, &absent);
  EXPECT_FALSE(absent.has_firing_ratio());
  EXPECT_FALSE(absent.has_zero_ratio());

  SignalView view;
  view.signal = core::Signal::kWeight;
  view.phase = core::Phase::kEval;
  view.digest.steps = {.first = 4, .end = 8};
  view.digest.firing_ratio = 0.0;
  view.digest.zero_ratio = 0.25;
  view.digest.min = -std::numeric_limits<double>::infinity();
  view.coverage.shards_received = 1;
  view.coverage.shards_expected = 2;
  v1::SignalReport report;
  ToProto(view, &report);

  EXPECT_TRUE(report.has_firing_ratio()) << "a ratio of 0 is a fact";
  EXPECT_EQ(report.zero_ratio(), 0.25);
  EXPECT_EQ(report.signal(), v1::SIGNAL_WEIGHT);
  EXPECT_EQ(report.phase(), v1::PHASE_EVAL);
  EXPECT_EQ(report.window_first_step(), 4);
  EXPECT_EQ(report.window_end_step(), 8);
  EXPECT_TRUE(std::isinf(report.min()));
  EXPECT_EQ(report.coverage().shards_received(), 1U);
  EXPECT_EQ(report.coverage().shards_expected(), 2U);
}

TEST(ViewCodecTest, AUnitThatNeverFiredHasNoLastFiring) {
  UnitView view;
  view.unit = 7;
  view.health.state = core::HealthState::kSilent;
  view.first_seen_step = 0;

  v1::UnitVerdict verdict;
  ToProto(view, &verdict);

  EXPECT_EQ(verdict.unit(), 7U);
  EXPECT_EQ(verdict.state(), v1::HEALTH_STATE_SILENT);
  EXPECT_FALSE(verdict.has_last_firing_step());
  EXPECT_TRUE(verdict.has_first_seen_step()) << "step 0 is a step";
  EXPECT_FALSE(verdict.has_certified_step());
}

TEST(ViewCodecTest, AVerdictSaysWhatElseHoldsAndWhy) {
  UnitView view;
  view.health.state = core::HealthState::kBornDead;
  view.health.also = {core::HealthState::kDead, core::HealthState::kConstant};
  view.health.deaths = 2;
  view.health.revivals = 1;
  view.health.last_death = core::DeathInterval{.after = 7, .by = 31};
  view.health.origin = core::DeathOrigin::kBornDead;
  view.health.dormancy_score = 0.0;
  view.permanent = true;
  view.p0 = 1e-4;
  view.pc0 = 1e-3;
  view.horizon_clusters = 5;

  v1::UnitVerdict verdict;
  ToProto(view, &verdict);

  EXPECT_THAT(
      verdict.also(),
      ::testing::ElementsAre(v1::HEALTH_STATE_DEAD, v1::HEALTH_STATE_CONSTANT));
  EXPECT_EQ(verdict.deaths(), 2U);
  EXPECT_EQ(verdict.revivals(), 1U);
  EXPECT_EQ(verdict.died_after_step(), 7);
  EXPECT_EQ(verdict.died_by_step(), 31);
  EXPECT_EQ(verdict.death_origin(), v1::DEATH_ORIGIN_BORN_DEAD);
  EXPECT_EQ(verdict.permanence(), v1::PERMANENCE_PERMANENT);
  EXPECT_TRUE(verdict.has_dormancy_score()) << "a score of 0 is a fact";
  EXPECT_EQ(verdict.p0(), 1e-4);
  EXPECT_EQ(verdict.pc0(), 1e-3);
  EXPECT_EQ(verdict.clusters(), 5U);
  EXPECT_EQ(verdict.saturation(), v1::SATURATION_UNSPECIFIED);
}

TEST(ViewCodecTest, AUnitThatNeverDiedHasNoDeath) {
  v1::UnitVerdict verdict;
  ToProto(UnitView{}, &verdict);

  EXPECT_FALSE(verdict.has_died_by_step());
  EXPECT_EQ(verdict.permanence(), v1::PERMANENCE_UNSPECIFIED);
  EXPECT_FALSE(verdict.has_dormancy_score());
}

TEST(ViewCodecTest, EveryDetailKeepsItsName) {
  const auto named = [](core::DeathOrigin origin) {
    UnitView view;
    view.health.origin = origin;
    v1::UnitVerdict verdict;
    ToProto(view, &verdict);
    return verdict.death_origin();
  };
  EXPECT_EQ(named(core::DeathOrigin::kDied), v1::DEATH_ORIGIN_DIED);
  EXPECT_EQ(named(core::DeathOrigin::kBornDeadOrDiedEarly),
            v1::DEATH_ORIGIN_BORN_DEAD_OR_DIED_EARLY);
  EXPECT_EQ(named(core::DeathOrigin::kLeftCensored),
            v1::DEATH_ORIGIN_LEFT_CENSORED);

  UnitView view;
  view.health.saturation = core::Saturation::kHigh;
  view.health.starvation = core::Starvation::kVanishing;
  view.health.proven_step = 127;
  v1::UnitVerdict verdict;
  ToProto(view, &verdict);
  EXPECT_EQ(verdict.saturation(), v1::SATURATION_HIGH);
  EXPECT_EQ(verdict.starvation(), v1::STARVATION_VANISHING);
  EXPECT_EQ(verdict.proven_step(), 127);
}

TEST(ViewCodecTest, TheLifeOfALayerIsCounted) {
  LayerView view;
  view.life = {.deaths = 5,
               .revivals = 2,
               .born_silent_units = 1,
               .flapping_units = 1,
               .dead_before_units = 4,
               .still_dead_units = 3,
               .half_life_steps = 128};
  view.collapsed = true;
  view.proven_units = 6;
  view.units_that_hold[static_cast<std::size_t>(core::HealthState::kRare)] = 9;

  v1::LayerReport report;
  ToProto(view, &report);

  EXPECT_EQ(report.life().deaths(), 5U);
  EXPECT_EQ(report.life().revivals(), 2U);
  EXPECT_EQ(report.life().dead_before_units(), 4U);
  EXPECT_EQ(report.life().still_dead_units(), 3U);
  EXPECT_EQ(report.life().half_life_steps(), 128);
  EXPECT_TRUE(report.collapsed());
  EXPECT_EQ(report.proven_units(), 6U);
  ASSERT_EQ(report.units_by_state_size(), 1);
  EXPECT_EQ(report.units_by_state(0).units(), 0U);
  EXPECT_EQ(report.units_by_state(0).holds(), 9U);
}

TEST(ViewCodecTest, EveryHealthStateKeepsItsName) {
  for (std::size_t state = 1; state < kHealthStateCount; ++state) {
    UnitView view;
    view.health.state = static_cast<core::HealthState>(state);
    v1::UnitVerdict verdict;
    ToProto(view, &verdict);

    std::string name = v1::HealthState_Name(verdict.state());
    std::ranges::transform(name, name.begin(), [](unsigned char c) {
      return static_cast<char>(std::tolower(c));
    });
    EXPECT_EQ(name,
              std::string("health_state_") + core::Name(view.health.state));
  }
}

}  // namespace
}  // namespace firekeeper::server
