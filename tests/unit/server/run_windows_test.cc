// When windows of a run close, and when a run ends and goes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "server/errors.h"
#include "server/state/run.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AcceptedAt;
using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::OpenOf;
using ::firekeeper::testing::RunNowhere;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A run of two ranks with windows [0,1) [1,2) [2,4) [4,8) [8,12) …
class RunWindowsTest : public ::testing::Test {
 protected:
  void OpenRank(std::uint32_t rank, std::uint32_t ranks = 2,
                const std::string& token = "a") {
    const auto result = run_.Open(
        OpenOf(token, rank, ranks),
        [this](const std::string& /*reason*/) { ++fenced_; }, now_);
    ASSERT_THAT(result, IsOk());
    handles_[rank] = result->handle;
    accepted_[rank] = result->accepted_seq;
  }

  void Send(std::uint32_t rank, std::int64_t step) {
    ASSERT_THAT(
        run_.FindLayer("fc1")->Merge({.attempt = handles_.at(rank).attempt,
                                      .source = rank,
                                      .signal = core::Signal::kActivation,
                                      .phase = core::Phase::kTrain,
                                      .step = step},
                                     FiringsOf({1, 0}, 2, step), now_),
        IsOk());
    ASSERT_THAT(run_.Accept(handles_.at(rank),
                            AcceptedAt(++accepted_.at(rank), step), now_),
                IsOk());
  }

  void Progress(std::uint32_t rank, std::int64_t through) {
    ASSERT_THAT(run_.SetProgress(handles_.at(rank), through, {}, now_), IsOk());
  }

  void Pass(std::int64_t seconds) { now_ += absl::Seconds(seconds); }

  // First steps of the windows that are open.
  std::vector<std::int64_t> Open() {
    std::vector<std::int64_t> starts;
    for (const SignalView& window : run_.FindLayer("fc1")->History(
             core::Signal::kActivation, core::Phase::kTrain)) {
      if (window.open) starts.push_back(window.digest.steps.first);
    }
    return starts;
  }

  MemoryBudget memory_{std::size_t{1} << 24U};
  absl::Time now_ = AtSeconds(0);
  server::Run run_{"tenant", "digits",     Limits(), SmallSettings(),
                   memory_,  RunNowhere(), now_};
  std::map<std::uint32_t, SourceHandle> handles_;
  std::map<std::uint32_t, std::uint64_t> accepted_;
  int fenced_ = 0;
};

TEST_F(RunWindowsTest, ClosesAWindowThatEverySourcePassed) {
  OpenRank(0);
  OpenRank(1);
  for (const std::int64_t step : {4, 7}) {
    Send(0, step);
    Send(1, step);
  }
  Progress(0, 7);
  EXPECT_THAT(Open(), ElementsAre(4));

  Progress(1, 7);

  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RunWindowsTest, ProgressInTheMiddleOfAWindowLeavesItOpen) {
  OpenRank(0, 1);
  Send(0, 4);

  Progress(0, 6);

  EXPECT_THAT(Open(), ElementsAre(4));
}

TEST_F(RunWindowsTest, ClosesWindowsTwoBehindTheSlowest) {
  OpenRank(0);
  OpenRank(1);
  for (const std::int64_t step : {4, 8, 12, 16}) Send(0, step);

  Send(1, 11);
  run_.Sweep(now_);
  EXPECT_THAT(Open(), ElementsAre(4, 8, 12, 16)) << "4 is one behind 8";
  Send(1, 12);
  run_.Sweep(now_);

  EXPECT_THAT(Open(), ElementsAre(8, 12, 16));
}

TEST_F(RunWindowsTest, ASourceAheadDoesNotCloseWhatASlowOneNeeds) {
  OpenRank(0);
  OpenRank(1);
  Send(1, 4);
  for (std::int64_t step = 4; step < 40; ++step) Send(0, step);

  Progress(0, 39);
  run_.Sweep(now_);

  EXPECT_EQ(Open().front(), 4);
}

TEST_F(RunWindowsTest, ASourceThatSentNothingHoldsWindows) {
  OpenRank(0);
  OpenRank(1);
  for (const std::int64_t step : {4, 8, 12, 16}) Send(0, step);

  Progress(0, 19);

  EXPECT_THAT(Open(), ElementsAre(4, 8, 12, 16));
}

TEST_F(RunWindowsTest, AnIdleSourceHoldsNothingAfterAMinute) {
  OpenRank(0);
  OpenRank(1);
  run_.Disconnect(handles_.at(1), now_);
  Send(0, 4);
  Pass(60);
  Progress(0, 7);
  EXPECT_THAT(Open(), ElementsAre(4)) << "live up to and including 60 s";

  Pass(1);
  Progress(0, 7);

  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RunWindowsTest, AMessageKeepsASourceLive) {
  OpenRank(0);
  OpenRank(1);
  Send(0, 4);
  Pass(50);
  ASSERT_THAT(run_.Receive(handles_.at(1), 1 << 20, now_), IsOk());
  Pass(50);

  Progress(0, 7);

  EXPECT_THAT(Open(), ElementsAre(4)) << "a long tensor is on its way";
}

TEST_F(RunWindowsTest, AStreamThatBrokeMayComeBackToOpenWindows) {
  OpenRank(0, 1);
  for (const std::int64_t step : {4, 8}) Send(0, step);

  run_.Disconnect(handles_.at(0), now_);

  EXPECT_THAT(Open(), ElementsAre(4, 8));
}

TEST_F(RunWindowsTest, ClosesWindowsOfTenMinutes) {
  OpenRank(0, 1);
  Send(0, 4);
  Pass(600);
  ASSERT_THAT(run_.Receive(handles_.at(0), 0, now_), IsOk());
  run_.Sweep(now_);
  EXPECT_THAT(Open(), ElementsAre(4));

  Pass(1);
  run_.Sweep(now_);

  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RunWindowsTest, EndsWhenEverySourceClosed) {
  OpenRank(0);
  OpenRank(1);
  Send(0, 4);
  ASSERT_THAT(run_.CloseSource(handles_.at(0), now_), IsOk());
  EXPECT_EQ(run_.View(now_).state, RunState::kActive);
  EXPECT_THAT(Open(), ElementsAre(4));

  ASSERT_THAT(run_.CloseSource(handles_.at(1), now_), IsOk());

  EXPECT_EQ(run_.View(now_).state, RunState::kEnded);
  EXPECT_EQ(run_.View(now_).ended, now_);
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RunWindowsTest, DoesNotEndWhileASourceHasNotOpened) {
  OpenRank(0);

  ASSERT_THAT(run_.CloseSource(handles_.at(0), now_), IsOk());

  EXPECT_EQ(run_.View(now_).state, RunState::kActive);
}

TEST_F(RunWindowsTest, AClosedSourceHoldsNothing) {
  OpenRank(0);
  OpenRank(1);
  Send(0, 4);
  ASSERT_THAT(run_.CloseSource(handles_.at(1), now_), IsOk());

  Progress(0, 7);

  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RunWindowsTest, ANewAttemptRevivesAnEndedRun) {
  OpenRank(0, 1);
  Send(0, 4);
  ASSERT_THAT(run_.CloseSource(handles_.at(0), now_), IsOk());

  OpenRank(0, 1, "b");
  Send(0, 4);

  EXPECT_EQ(run_.View(now_).state, RunState::kActive);
  EXPECT_THAT(Open(), ElementsAre(4));
}

TEST_F(RunWindowsTest, EndClosesEveryWindowAndKeepsTheFirstEnd) {
  OpenRank(0, 1);
  Send(0, 4);

  run_.End(now_);
  Pass(5);
  run_.End(now_);

  EXPECT_THAT(Open(), IsEmpty());
  EXPECT_EQ(run_.View(now_).ended, AtSeconds(0));
}

TEST_F(RunWindowsTest, IsSilentOnceNobodyIsConnected) {
  OpenRank(0, 1);
  Pass(100);
  EXPECT_EQ(run_.View(now_).state, RunState::kActive) << "connected";
  run_.Disconnect(handles_.at(0), now_);

  EXPECT_EQ(run_.View(now_).state, RunState::kSilent) << "heard 100 s ago";
  EXPECT_EQ(run_.View(AtSeconds(60)).state, RunState::kActive);
}

TEST_F(RunWindowsTest, AnEndedRunLeavesTheMetricsAfterItsTtl) {
  OpenRank(0, 1);
  EXPECT_TRUE(run_.OnMetrics(AtSeconds(1'000'000)));
  run_.End(now_);

  EXPECT_TRUE(run_.OnMetrics(AtSeconds(300)));
  EXPECT_FALSE(run_.OnMetrics(AtSeconds(301)));
}

TEST_F(RunWindowsTest, ASilentRunLeavesTheMetricsAfterItsTtl) {
  OpenRank(0, 1);
  run_.Disconnect(handles_.at(0), now_);
  const absl::Duration ttl = absl::FromChrono(SmallSettings().silent_run_ttl);

  EXPECT_TRUE(run_.OnMetrics(now_ + ttl));
  EXPECT_FALSE(run_.OnMetrics(now_ + ttl + absl::Seconds(1)));
}

TEST_F(RunWindowsTest, AnEndedRunExpiresAfterItsTtl) {
  OpenRank(0, 1);
  run_.End(now_);

  EXPECT_FALSE(run_.RetireIfExpired(AtSeconds(3'600)));
  EXPECT_TRUE(run_.RetireIfExpired(AtSeconds(3'601)));
}

TEST_F(RunWindowsTest, ASilentRunExpiresAfterItsTtl) {
  OpenRank(0, 1);
  Pass(10);
  ASSERT_THAT(run_.Receive(handles_.at(0), 0, now_), IsOk());
  run_.Disconnect(handles_.at(0), now_);

  EXPECT_FALSE(run_.RetireIfExpired(AtSeconds(86'410)));
  EXPECT_TRUE(run_.RetireIfExpired(AtSeconds(86'411)));
}

TEST_F(RunWindowsTest, ARetiredRunRefusesEveryOpen) {
  ASSERT_TRUE(run_.RetireIfUnused());

  const auto result = run_.Open(OpenOf("a"), {}, now_);

  EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_EQ(ReasonOf(result.status()), "RUN_DELETED");
}

TEST_F(RunWindowsTest, ARunThatWasOpenedIsUsed) {
  OpenRank(0);

  EXPECT_FALSE(run_.RetireIfUnused());
}

TEST_F(RunWindowsTest, DeleteFencesEveryStreamOnce) {
  OpenRank(0);
  OpenRank(1);
  Send(0, 4);
  run_.Disconnect(handles_.at(1), now_);

  run_.Delete();
  run_.Delete();

  EXPECT_EQ(fenced_, 1);
  EXPECT_EQ(ReasonOf(run_.Receive(handles_.at(0), 0, now_)), "RUN_DELETED");
  EXPECT_EQ(memory_.used(), 0U);
}

}  // namespace
}  // namespace firekeeper::server
