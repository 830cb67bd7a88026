// A server that ends at any moment and comes back tells the same of every run.

#include "server/state/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/query/queries.h"
#include "server/state/rows/run_rows.h"
#include "server/store/commit_queue.h"
#include "tests/support/fault_seed.h"
#include "tests/support/memory_store.h"
#include "tests/support/message_builders.h"
#include "tests/support/run_builders.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::Batched;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kLayerName;
using ::firekeeper::testing::kRunId;
using ::firekeeper::testing::MakeGap;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::MemoryStore;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::SmallSettings;
using ::testing::HasSubstr;

constexpr const char* kTenant = "tenant";

// A registry whose changes reach a store, and what comes after a crash.
class KeptRegistry {
 public:
  explicit KeptRegistry(std::unique_ptr<MemoryStore> store,
                        const StateSettings& settings = SmallSettings())
      : settings_(settings), store_(std::move(store)) {
    Start();
  }

  // The process ends; a new one finds what was committed.
  void Crash() {
    registry_.reset();
    auto left = store_->Clone();
    queue_.reset();
    store_ = std::move(left);
    Start();
  }
  void Commit() {
    ASSERT_THAT(queue_->Flush(absl::Now() + absl::Seconds(10)), IsOk());
  }

  Registry& registry() { return *registry_; }
  MemoryStore& store() { return *store_; }
  [[nodiscard]] const RecoveryReport& report() const { return report_; }
  absl::Time& now() { return now_; }

 private:
  void Start() {
    queue_ = std::make_unique<CommitQueue>(
        *store_, CommitSettings{.interval = std::chrono::hours(1)},
        [](std::uint64_t) {}, [](const absl::Status&) {});
    registry_ = std::make_unique<Registry>(
        Limits(), settings_, [this] { return now_; }, queue_.get());
    const auto report = Recover(*store_, *registry_);
    ASSERT_THAT(report, IsOk());
    report_ = *report;
  }

  const StateSettings settings_;
  absl::Time now_ = AtSeconds(0);
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<Registry> registry_;
  RecoveryReport report_;
};

// Everything that queries say of a run, but what a restart must change: who is
// connected, and when something was last looked at.
std::string EverythingOf(Registry& registry, const std::string& run_id) {
  const Queries queries(registry, AtSeconds(0));
  std::string all;
  v1::GetRunRequest get_run;
  get_run.set_run_id(run_id);
  v1::GetRunResponse run;
  if (!queries.GetRun(kTenant, get_run, &run).ok()) return "no such run";
  for (v1::Attempt& attempt : *run.mutable_run()->mutable_attempts()) {
    attempt.clear_sources_connected();
  }
  run.mutable_run()->clear_last_seen();
  all += run.Utf8DebugString();

  v1::ListLayersRequest list_layers;
  list_layers.set_run_id(run_id);
  v1::ListLayersResponse layers;
  EXPECT_THAT(queries.ListLayers(kTenant, list_layers, &layers), IsOk());
  all += layers.Utf8DebugString();
  for (const v1::LayerReport& layer : layers.layers()) {
    v1::ListUnitsRequest list_units;
    list_units.set_run_id(run_id);
    list_units.set_layer(layer.layer().name());
    v1::ListUnitsResponse units;
    if (queries.ListUnits(kTenant, list_units, &units).ok()) {
      all += units.Utf8DebugString();
    }
    for (const v1::SignalReport& signal : layer.signals()) {
      v1::GetLayerHistoryRequest get_history;
      get_history.set_run_id(run_id);
      get_history.set_layer(layer.layer().name());
      get_history.set_signal(signal.signal());
      get_history.set_phase(signal.phase());
      v1::GetLayerHistoryResponse history;
      EXPECT_THAT(queries.GetLayerHistory(kTenant, get_history, &history),
                  IsOk());
      all += history.Utf8DebugString();
      v1::GetDistributionRequest get_distribution;
      get_distribution.set_run_id(run_id);
      get_distribution.set_layer(layer.layer().name());
      get_distribution.set_signal(signal.signal());
      get_distribution.set_phase(signal.phase());
      v1::GetDistributionResponse distribution;
      EXPECT_THAT(
          queries.GetDistribution(kTenant, get_distribution, &distribution),
          IsOk());
      all += distribution.Utf8DebugString();
    }
  }
  v1::DiagnoseRunRequest diagnose_run;
  diagnose_run.set_run_id(run_id);
  v1::DiagnoseRunResponse diagnosis;
  EXPECT_THAT(queries.DiagnoseRun(kTenant, diagnose_run, &diagnosis), IsOk());
  all += diagnosis.Utf8DebugString();
  v1::ListEventsRequest list_events;
  list_events.set_run_id(run_id);
  v1::ListEventsResponse events;
  EXPECT_THAT(queries.ListEvents(kTenant, list_events, &events), IsOk());
  return all + events.Utf8DebugString();
}

class RecoveryTest : public ::testing::Test {
 protected:
  std::string Everything() { return EverythingOf(kept_.registry(), kRunId); }

  void Open(v1::Open open = MakeOpen()) {
    driver_.reset();
    driver_ = std::make_unique<SessionDriver>(kept_.registry(), kTenant);
    ASSERT_THAT(driver_->Say(Opening(std::move(open))), IsOk());
    seq_ = driver_->answers().at(0).opened().accepted_seq();
  }
  void Send(std::int64_t step) {
    ASSERT_THAT(driver_->Send(++seq_, {MakeSummarySnapshot(step)}), IsOk());
  }
  void Progress(std::int64_t through) {
    ASSERT_THAT(driver_->Say(testing::Reporting(MakeProgress(through))),
                IsOk());
  }
  // Steps 0 to `last`, each with its progress.
  void Train(std::int64_t last) {
    for (std::int64_t step = 0; step <= last; ++step) {
      Send(step);
      Progress(step);
    }
  }
  void Crash() {
    driver_.reset();
    kept_.Crash();
  }

  KeptRegistry kept_{std::make_unique<MemoryStore>()};
  std::unique_ptr<SessionDriver> driver_;
  std::uint64_t seq_ = 0;
};

TEST_F(RecoveryTest, ARunIsAsItWas) {
  Open();
  Train(100);
  const std::string before = Everything();
  kept_.Commit();

  Crash();

  EXPECT_EQ(Everything(), before);
  EXPECT_EQ(kept_.report().runs, 1U);
  EXPECT_EQ(kept_.report().corrupt_rows, 0U);
}

TEST_F(RecoveryTest, HowValuesAreDistributedIsKept) {
  Open();
  for (std::int64_t step = 0; step <= 40; ++step) {
    ASSERT_THAT(driver_->Send(++seq_, {MakeTensorSnapshot(step)}), IsOk());
    Progress(step);
  }
  const auto values = [this] {
    return (*kept_.registry().Find({kTenant, kRunId}))
        ->FindLayer(kLayerName)
        ->Distribution({core::Phase::kTrain, core::Signal::kActivation}, 64)
        .values;
  };
  const std::uint64_t before = values();
  EXPECT_GT(before, 0U);
  kept_.Commit();

  Crash();

  EXPECT_EQ(values(), before);
}

TEST_F(RecoveryTest, AStepThatWasSampledAndNeverCameIsStillMissing) {
  Open();
  Train(3);
  v1::Progress progress = MakeProgress(3);
  progress.add_sampled_steps(17);
  ASSERT_THAT(driver_->Say(testing::Reporting(progress)), IsOk());
  kept_.Commit();
  Crash();
  Open();

  Send(60);
  Progress(60);

  v1::ListUnitsRequest request;
  request.set_run_id(kRunId);
  request.set_layer(kLayerName);
  v1::ListUnitsResponse response;
  ASSERT_THAT(Queries(kept_.registry(), AtSeconds(0))
                  .ListUnits(kTenant, request, &response),
              IsOk());
  ASSERT_EQ(response.units_size(), 4);
  EXPECT_THAT(response.units(3).reason(), HasSubstr("coverage 0 of 1"))
      << "the unit that never fired";
}

TEST_F(RecoveryTest, WhatWasNotCommittedIsGone) {
  Open();
  Send(0);
  kept_.Commit();
  const std::string before = Everything();
  Send(1);

  Crash();

  EXPECT_EQ(Everything(), before);
}

TEST_F(RecoveryTest, ASourceGoesOnAfterWhatIsSafe) {
  Open();
  Train(3);
  kept_.Commit();
  Send(4);
  Crash();

  Open();

  EXPECT_EQ(driver_->answers().at(0).opened().accepted_seq(), 4U);
  EXPECT_EQ(driver_->answers().at(0).opened().durable_seq(), 4U);
  EXPECT_EQ(driver_->answers().at(0).opened().durability(),
            v1::DURABILITY_COMMITTED);
}

TEST_F(RecoveryTest, WhatAnEarlierAttemptLeftBehindStaysWithdrawn) {
  Open();
  Send(0);
  kept_.Commit();
  // The contribution was in the last group that was committed, the marks of its
  // signal would have been in the next.
  WriteBatch next_group;
  next_group.EraseRange(Table::kTrack, 1, "", "");
  ASSERT_THAT(kept_.store().Commit(next_group), IsOk());
  Crash();
  v1::Open next = MakeOpen();
  next.set_launch_token("next");
  Open(next);
  Send(8);
  kept_.Commit();
  const std::string before = Everything();

  Crash();

  EXPECT_EQ(Everything(), before);
}

TEST_F(RecoveryTest, ASourceThatComesBackHearsNoLessThanBefore) {
  Open();
  Train(3);
  kept_.Commit();
  Send(4);

  Open();

  EXPECT_EQ(driver_->answers().at(0).opened().accepted_seq(), 5U);
  EXPECT_EQ(driver_->answers().at(0).opened().durable_seq(), 4U);
}

TEST_F(RecoveryTest, WhatIsSentAgainCountsOnce) {
  Open();
  Train(3);
  kept_.Commit();
  const std::string before = Everything();
  Crash();
  v1::Open other = MakeOpen();
  other.set_instance_id(other.instance_id() + 1);
  Open(other);

  Train(3);

  v1::GetRunResponse run;
  v1::GetRunRequest request;
  request.set_run_id(kRunId);
  ASSERT_THAT(
      Queries(kept_.registry(), AtSeconds(0)).GetRun(kTenant, request, &run),
      IsOk());
  EXPECT_EQ(run.run().counters().snapshots_accepted(), 4U);
  EXPECT_EQ(run.run().counters().snapshots_duplicate(), 4U);
}

TEST_F(RecoveryTest, WhatIsSentAgainIntoAnOpenWindowIsADuplicate) {
  Open();
  Train(8);
  Send(9);
  kept_.Commit();
  Crash();
  v1::Open other = MakeOpen();
  other.set_instance_id(other.instance_id() + 1);
  Open(other);

  ASSERT_THAT(driver_->Send(1, {MakeSummarySnapshot(9)}), IsOk());
  EXPECT_THAT(driver_->rejects(), ::testing::IsEmpty());
  v1::Snapshot changed = MakeSummarySnapshot(8);
  changed.set_step(9);
  ASSERT_THAT(driver_->Send(2, {changed}), IsOk());
  EXPECT_THAT(driver_->rejects(), ::testing::SizeIs(1));
}

TEST_F(RecoveryTest, AClosedWindowThatNobodyFilledStaysClosed) {
  Open();
  for (const std::int64_t step : {0, 1, 2, 3, 4, 12, 16, 20}) Send(step);
  v1::Progress progress = MakeProgress(20);
  progress.clear_sampled_steps();
  ASSERT_THAT(driver_->Say(testing::Reporting(progress)), IsOk());
  kept_.Commit();
  Crash();
  Open();

  Send(9);

  const auto run = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(run, IsOk());
  const auto history =
      (*run)
          ->FindLayer(kLayerName)
          ->History(core::Signal::kActivation, core::Phase::kTrain);
  const auto late = std::ranges::find_if(history, [](const SignalView& window) {
    return window.digest.steps.first == 8;
  });
  ASSERT_NE(late, history.end());
  EXPECT_FALSE(late->open);
}

TEST_F(RecoveryTest, ASignalThatBeginsAfterARestartFindsItsWindowsClosed) {
  Open();
  Send(11);
  // Idle: nothing holds the windows open.
  kept_.now() += absl::Seconds(301);
  kept_.registry().Sweep();
  kept_.Commit();
  Crash();
  Open();
  v1::Snapshot late = MakeSummarySnapshot(0);
  late.set_phase(v1::PHASE_EVAL);

  ASSERT_THAT(driver_->Send(++seq_, {late}), IsOk());

  const auto run = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(run, IsOk());
  const auto history =
      (*run)
          ->FindLayer(kLayerName)
          ->History(core::Signal::kActivation, core::Phase::kEval);
  ASSERT_THAT(history, ::testing::SizeIs(1));
  EXPECT_FALSE(history[0].open);
}

TEST_F(RecoveryTest, ARunThatEndedIsLookedAtAgain) {
  Open();
  Train(100);
  ASSERT_THAT(driver_->Say(Closing(seq_)), IsOk());
  kept_.registry().Sweep();
  kept_.Commit();
  Crash();

  kept_.registry().Sweep();

  const auto run = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(run, IsOk());
  const RunView view = (*run)->View(kept_.now());
  EXPECT_EQ(view.assessed, kept_.now());
  EXPECT_GT(view.glance.dead.total, 0U);
}

TEST_F(RecoveryTest, ASupersededTokenStaysFenced) {
  Open();
  Train(3);
  v1::Open second = MakeOpen();
  second.set_launch_token("second");
  second.set_instance_id(99);
  Open(second);
  kept_.Commit();
  Crash();

  SessionDriver zombie(kept_.registry(), kTenant);

  EXPECT_THAT(zombie.Say(Opening(MakeOpen())),
              testing::StatusIs(absl::StatusCode::kAborted, ::testing::_));
}

TEST_F(RecoveryTest, AnEndedRunStaysEnded) {
  Open();
  Train(20);
  ASSERT_THAT(driver_->Say(Closing(seq_)), IsOk());
  kept_.Commit();
  const std::string before = Everything();

  Crash();

  EXPECT_EQ(Everything(), before);
  EXPECT_THAT(before, HasSubstr("RUN_STATE_ENDED"));
}

TEST_F(RecoveryTest, ARunWhoseTimeInMemoryIsOverComesBackWhenAskedFor) {
  Open();
  Train(20);
  ASSERT_THAT(driver_->Say(Closing(seq_)), IsOk());
  kept_.Commit();
  const std::string before = Everything();
  driver_.reset();
  kept_.now() += absl::Hours(2);

  kept_.registry().Sweep();

  EXPECT_THAT(kept_.registry().All(), ::testing::IsEmpty());
  EXPECT_EQ(Everything(), before);
}

TEST_F(RecoveryTest, ADeletedRunIsGone) {
  Open();
  Train(20);
  ASSERT_THAT(kept_.registry().Delete({kTenant, kRunId}), IsOk());
  kept_.Commit();

  Crash();

  EXPECT_EQ(Everything(), "no such run");
  EXPECT_THAT(*kept_.store().Runs(), ::testing::IsEmpty());
}

TEST_F(RecoveryTest, WhoeverStillHoldsADeletedRunBringsNothingBack) {
  Open();
  Train(20);
  const auto run = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(run, IsOk());
  ASSERT_THAT(kept_.registry().Delete({kTenant, kRunId}), IsOk());

  (*run)->End(kept_.now());
  (*run)->Assess(kept_.now());

  kept_.Commit();
  EXPECT_THAT(*kept_.store().Runs(), ::testing::IsEmpty());
}

// Units of the layer at an event, or what the query was refused with.
absl::StatusOr<v1::ListUnitsResponse> UnitsAt(Registry& registry,
                                              std::uint64_t event_id) {
  v1::ListUnitsRequest request;
  request.set_run_id(kRunId);
  request.set_layer(kLayerName);
  request.set_at_event_id(event_id);
  v1::ListUnitsResponse response;
  const absl::Status listed =
      Queries(registry, AtSeconds(0)).ListUnits(kTenant, request, &response);
  if (!listed.ok()) return listed;
  return response;
}

TEST_F(RecoveryTest, WhatUnitsWereAtAnEventIsKept) {
  Open();
  Train(100);
  kept_.registry().Sweep();
  const auto events =
      (*kept_.registry().Find({kTenant, kRunId}))->events().After(0, 100);
  ASSERT_THAT(events, ::testing::Not(::testing::IsEmpty()));
  // Unit 3.
  ASSERT_EQ(events.front().kind, core::EventKind::kUnitsDied);

  const auto then = UnitsAt(kept_.registry(), 1);
  ASSERT_THAT(then, IsOk());
  for (std::int64_t step = 101; step <= 200; ++step) Send(step);
  kept_.Commit();
  Crash();

  const auto now = UnitsAt(kept_.registry(), 1);
  ASSERT_THAT(now, IsOk());
  EXPECT_EQ(now->Utf8DebugString(), then->Utf8DebugString());
  ASSERT_EQ(now->units_size(), 4);
  EXPECT_EQ(now->total_size(), 4U);
  EXPECT_EQ(now->units(3).state(), v1::HEALTH_STATE_DEAD);
  EXPECT_EQ(now->units(1).state(), v1::HEALTH_STATE_ALIVE);
  EXPECT_LE(now->units(1).last_firing_step(), 100);
}

TEST_F(RecoveryTest, AnEventThatIsNotThereHasNoUnits) {
  Open();
  Train(3);

  EXPECT_THAT(
      UnitsAt(kept_.registry(), 7),
      testing::StatusIs(absl::StatusCode::kNotFound, HasSubstr("no event 7")));
}

TEST_F(RecoveryTest, AGapIsRemembered) {
  Open();
  Send(0);
  ASSERT_THAT(driver_->Say(testing::Declaring(MakeGap(2, 5))), IsOk());
  kept_.Commit();
  Crash();

  Open();

  EXPECT_EQ(driver_->answers().at(0).opened().accepted_seq(), 5U);
}

TEST_F(RecoveryTest, ARunThatNobodySawForLongIsDeleted) {
  Open();
  Train(20);
  ASSERT_THAT(driver_->Say(Closing(seq_)), IsOk());
  driver_.reset();
  kept_.now() += absl::Hours(2);
  kept_.registry().Sweep();
  EXPECT_THAT(kept_.registry().Retain(0), ::testing::IsEmpty());

  kept_.now() += absl::Hours(24 * 91);

  EXPECT_THAT(kept_.registry().Retain(0), ::testing::SizeIs(1));
  kept_.Commit();
  EXPECT_THAT(*kept_.store().Runs(), ::testing::IsEmpty());
}

class ClockJumpTest : public RecoveryTest,
                      public ::testing::WithParamInterface<absl::Duration> {};

TEST_P(ClockJumpTest, CountsTheSameAndSurvivesARestart) {
  Open();
  Train(40);
  kept_.now() += GetParam();
  kept_.registry().Sweep();

  for (std::int64_t step = 41; step < 80; ++step) {
    Send(step);
    Progress(step);
  }

  v1::GetRunRequest request;
  request.set_run_id(kRunId);
  v1::GetRunResponse run;
  ASSERT_THAT(
      Queries(kept_.registry(), AtSeconds(0)).GetRun(kTenant, request, &run),
      IsOk());
  EXPECT_EQ(run.run().counters().snapshots_accepted(), 80U);
  const std::string before = Everything();
  kept_.Commit();
  Crash();
  EXPECT_EQ(Everything(), before);
}

INSTANTIATE_TEST_SUITE_P(Jump, ClockJumpTest,
                         ::testing::Values(absl::Hours(1), absl::Hours(-1),
                                           absl::Hours(24), absl::Hours(-24)));

// Up to two days either way.
std::vector<absl::Duration> RandomJumps() {
  constexpr int kMost = 2 * 24 * 3'600;
  std::mt19937 random(1 + testing::FaultSeed());
  std::uniform_int_distribution<int> seconds(-kMost, kMost);
  std::vector<absl::Duration> jumps(10);
  for (absl::Duration& jump : jumps) jump = absl::Seconds(seconds(random));
  return jumps;
}

INSTANTIATE_TEST_SUITE_P(RandomJump, ClockJumpTest,
                         ::testing::ValuesIn(RandomJumps()));

// Key of a row that holds the window or contributions of step 4.
std::string AnyKey(MemoryStore& store, Table table, std::uint64_t run) {
  std::string found;
  std::vector<std::string> corrupt;
  EXPECT_THAT(store.Read(
                  table, run, {}, {},
                  [&found](const RowView& row) { found = row.key; }, &corrupt),
              IsOk());
  return found;
}

TEST_F(RecoveryTest, WhoeverStillHoldsADeletedRunPutsNoRowOfIt) {
  Open();
  Send(11);
  kept_.Commit();
  const std::uint64_t number = kept_.store().Runs()->at(0);
  const auto run = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(run, IsOk());
  driver_.reset();
  ASSERT_THAT(kept_.registry().Delete({kTenant, kRunId}), IsOk());

  // Long idle: windows are due.
  (*run)->Sweep(kept_.now() + absl::Hours(1));
  kept_.Commit();

  EXPECT_EQ(AnyKey(kept_.store(), Table::kMark, number), "");
}

class DamagedRowTest : public RecoveryTest,
                       public ::testing::WithParamInterface<Table> {};

TEST_P(DamagedRowTest, CostsWhatItToldAndIsCounted) {
  Open();
  Train(100);
  Send(101);
  kept_.Commit();
  ASSERT_THAT(Everything(), HasSubstr("HEALTH_STATE_DEAD"));
  const std::uint64_t run = kept_.store().Runs()->at(0);
  const std::string key = AnyKey(kept_.store(), GetParam(), run);
  ASSERT_TRUE(
      kept_.store().Damage({.table = GetParam(), .run = run, .key = key}));

  Crash();

  EXPECT_GE(kept_.report().corrupt_rows + kept_.report().lost_runs, 1U);
  EXPECT_THAT(Everything(), ::testing::Not(HasSubstr("HEALTH_STATE_DEAD")));
}

TEST_P(DamagedRowTest, IsNotForgottenByAProcessThatEndsBeforeItsFirstCommit) {
  Open();
  Train(100);
  Send(101);
  kept_.Commit();
  const std::uint64_t run = kept_.store().Runs()->at(0);
  const std::string key = AnyKey(kept_.store(), GetParam(), run);
  ASSERT_TRUE(
      kept_.store().Damage({.table = GetParam(), .run = run, .key = key}));
  Crash();

  Crash();

  EXPECT_GE(kept_.report().corrupt_rows + kept_.report().lost_runs, 1U);
  EXPECT_THAT(Everything(), ::testing::Not(HasSubstr("HEALTH_STATE_DEAD")));
}

INSTANTIATE_TEST_SUITE_P(Table, DamagedRowTest,
                         ::testing::Values(Table::kRun, Table::kTrack,
                                           Table::kUnits, Table::kWindow,
                                           Table::kArchive),
                         [](const auto& row) {
                           return "Table" +
                                  std::to_string(static_cast<int>(row.param));
                         });

TEST_F(RecoveryTest, ADamagedMarkIsCounted) {
  Open();
  Train(3);
  kept_.Commit();
  const std::uint64_t run = kept_.store().Runs()->at(0);
  const std::string key = AnyKey(kept_.store(), Table::kMark, run);
  ASSERT_TRUE(kept_.store().Damage({Table::kMark, run, key}));

  Crash();

  EXPECT_EQ(kept_.report().corrupt_rows, 1U);
}

TEST_F(RecoveryTest, ANewLayerTakesNoRowsOfOneWhoseDeclarationWasLost) {
  const auto open_with = [](std::initializer_list<const char*> names) {
    v1::Open open = MakeOpen();
    open.clear_layers();
    for (const char* name : names) {
      *open.add_layers() = testing::MakeLayer(name, testing::kUnits);
    }
    return open;
  };
  Open(open_with({"first", "second"}));
  kept_.Commit();
  const std::uint64_t run = kept_.store().Runs()->at(0);
  for (const std::uint32_t layer : {0U, 1U}) {
    ASSERT_TRUE(kept_.store().Damage(
        {.table = Table::kRun, .run = run, .key = LayerKey(layer)}));
  }
  Crash();

  Open(open_with({"first", "second"}));

  const auto found = kept_.registry().Find({kTenant, kRunId});
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)->FindLayer("first")->number(), 2U);
  EXPECT_EQ((*found)->FindLayer("second")->number(), 3U);
}

TEST_F(RecoveryTest, ADamagedContributionIsMissingData) {
  Open();
  Train(103);
  // Alone in its window.
  Send(104);
  kept_.Commit();
  ASSERT_THAT(Everything(), HasSubstr("HEALTH_STATE_DEAD"));
  const std::uint64_t run = kept_.store().Runs()->at(0);
  const std::string key = AnyKey(kept_.store(), Table::kJournal, run);
  ASSERT_TRUE(kept_.store().Damage({Table::kJournal, run, key}));

  Crash();
  Open();
  Send(108);
  Progress(111);

  EXPECT_THAT(Everything(), ::testing::Not(HasSubstr("HEALTH_STATE_DEAD")));
}

TEST_F(RecoveryTest, AWindowThatLostAContributionStaysMissingData) {
  Open();
  Train(104);
  Send(105);
  kept_.Commit();
  const std::uint64_t run = kept_.store().Runs()->at(0);
  const std::string key = AnyKey(kept_.store(), Table::kJournal, run);
  ASSERT_TRUE(kept_.store().Damage({Table::kJournal, run, key}));
  Crash();
  Open();
  Send(106);
  kept_.Commit();

  // It is written down, and the row is gone.
  Crash();
  EXPECT_EQ(kept_.report().corrupt_rows, 0U);
  Open();
  Send(107);
  Progress(111);

  EXPECT_THAT(Everything(), ::testing::Not(HasSubstr("HEALTH_STATE_DEAD")));
}

TEST_F(RecoveryTest, AnAlarmThatEndedWithoutAnEventIsNotBack) {
  const auto non_finite = [this] {
    kept_.registry().Sweep();
    const auto pages = kept_.registry().board().Read();
    return pages->front()->layers->front().alarms.non_finite;
  };
  Open();
  v1::Snapshot nan = MakeTensorSnapshot(0);
  nan.mutable_tensor()->set_data(
      std::string(nan.tensor().data().size(), '\xff'));
  ASSERT_THAT(driver_->Send(++seq_, {nan}), IsOk());
  Progress(0);
  ASSERT_TRUE(non_finite());
  for (std::int64_t step = 1; step < 200 && non_finite(); ++step) {
    Send(step);
    Progress(step);
  }
  ASSERT_FALSE(non_finite());
  kept_.Commit();

  Crash();

  EXPECT_FALSE(non_finite());
}

// A run of three sources with everything that can happen to it, by chance.
class RandomRun {
 public:
  RandomRun(KeptRegistry& kept, unsigned seed) : kept_(kept), chance_(seed) {}

  void Act() {
    kept_.now() += absl::Milliseconds(100);
    const auto source = static_cast<std::uint32_t>(chance_() % kSources);
    switch (chance_() % 12) {
      case 0:
        drivers_.erase(source);
        return;
      case 1:
        if (chance_() % 8 == 0) BeginAttempt();
        return;
      case 2:
        kept_.registry().Sweep();
        return;
      case 3:
        if (Driver* driver = Connected(source)) {
          Say(driver,
              testing::Declaring(MakeGap(driver->seq + 1, driver->seq + 2)));
          driver->seq += 2;
        }
        return;
      case 4:
      case 5:
        if (Driver* driver = Connected(source)) {
          v1::Progress progress = MakeProgress(driver->step - 1);
          // Of a step that may never come.
          if (chance_() % 2 == 0) progress.add_sampled_steps(driver->step + 5);
          Say(driver, testing::Reporting(progress));
        }
        return;
      default:
        Send(source);
    }
  }

  // The streams end with the process.
  void HangUp() { drivers_.clear(); }

 private:
  static constexpr std::uint32_t kSources = 3;

  struct Driver {
    std::unique_ptr<SessionDriver> session;
    std::uint64_t seq = 0;
    std::int64_t step = 0;
  };

  static void Say(Driver* driver, const v1::StreamRequest& request) {
    // What is refused is refused on both sides of a crash.
    driver->session->Say(request).IgnoreError();
  }

  Driver* Connected(std::uint32_t source) {
    const auto found = drivers_.find(source);
    if (found != drivers_.end()) return &found->second;
    v1::Open open = MakeOpen();
    open.set_launch_token("life-" + std::to_string(attempt_));
    open.set_resume_step(resume_step_);
    open.set_source(source);
    open.set_source_count(kSources);
    open.set_instance_id(100U * attempt_ + source + 1);
    Driver driver{
        .session = std::make_unique<SessionDriver>(kept_.registry(), kTenant)};
    EXPECT_THAT(driver.session->Say(Opening(open)), IsOk());
    driver.seq = driver.session->answers().at(0).opened().accepted_seq();
    driver.step = std::max(resume_step_, steps_[source]);
    return &drivers_.emplace(source, std::move(driver)).first->second;
  }

  void Send(std::uint32_t source) {
    Driver* driver = Connected(source);
    v1::Snapshot snapshot = chance_() % 2 == 0
                                ? MakeTensorSnapshot(driver->step)
                                : MakeSummarySnapshot(driver->step);
    if (chance_() % 6 == 0) snapshot.set_phase(v1::PHASE_PROBE);
    Say(driver, Batched(++driver->seq, {snapshot}));
    // Some steps are sent again, some come late, most go on.
    driver->step += static_cast<std::int64_t>(chance_() % 3);
    if (chance_() % 20 == 0) {
      driver->step = std::max(resume_step_, driver->step - 9);
    }
    steps_[source] = driver->step;
  }

  void BeginAttempt() {
    drivers_.clear();
    ++attempt_;
    std::int64_t least = resume_step_;
    for (const auto& [source, step] : steps_) least = std::max(least, step);
    resume_step_ = std::max<std::int64_t>(0, least - 7);
    steps_.clear();
  }

  KeptRegistry& kept_;
  std::mt19937 chance_;
  unsigned attempt_ = 1;
  std::int64_t resume_step_ = 0;
  std::map<std::uint32_t, std::int64_t> steps_;
  std::map<std::uint32_t, Driver> drivers_;
};

class RandomCrashTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomCrashTest, EverythingIsAsItWasAndGoesOn) {
  KeptRegistry kept(std::make_unique<MemoryStore>());
  RandomRun run(kept, GetParam());
  for (int crash = 0; crash < 8; ++crash) {
    for (int act = 0; act < 60; ++act) run.Act();
    run.HangUp();
    const std::string before = EverythingOf(kept.registry(), kRunId);
    kept.Commit();

    kept.Crash();

    ASSERT_EQ(EverythingOf(kept.registry(), kRunId), before)
        << "after crash " << crash;
    ASSERT_EQ(kept.report().corrupt_rows, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Seed, RandomCrashTest, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace firekeeper::server
