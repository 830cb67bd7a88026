// SignalTrack where an attempt resumes from a checkpoint.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/signal_track.h"
#include "tests/support/state_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AllColumns;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;

constexpr std::int64_t kNoAge = std::numeric_limits<std::int64_t>::min();

// A track of two units, windows [0,1) [1,2) [2,4) [4,8) [8,12) …, of which two
// closed ones are retained.
class TrackAttemptTest : public ::testing::Test {
 protected:
  absl::StatusOr<MergeOutcome> Add(
      std::int64_t step, std::initializer_list<std::uint64_t> fired = {1, 0}) {
    return track_.Add({.step = step}, FiringsOf(fired, 3, step), false, 0);
  }

  void Train(std::int64_t first, std::int64_t end,
             std::initializer_list<std::uint64_t> fired = {1, 0}) {
    for (std::int64_t step = first; step < end; ++step) {
      ASSERT_THAT(Add(step, fired), IsOk());
    }
  }

  void ExpectShards(std::uint32_t shards) {
    track_.SetExpectedShards({{.first = 0,
                               .count = 2,
                               .shards_received = 0,
                               .shards_expected = shards}});
  }

  // First steps of the windows that verdicts rest on.
  std::vector<std::int64_t> Starts() {
    evidence_ = track_.Evidence(&windows_);
    std::vector<std::int64_t> starts;
    for (const WindowEvidence& window : windows_) {
      starts.push_back(window.steps.first);
    }
    return starts;
  }

  SignalTrack track_{{.units = 2,
                      .columns = AllColumns(),
                      .window_steps = 4,
                      .retained_windows = 2}};
  std::vector<WindowEvidence> windows_;
  LayerEvidence evidence_;
};

TEST_F(TrackAttemptTest, WithdrawsWindowsThatReachTheResumeStep) {
  Train(4, 20);
  track_.Close(20, kNoAge);
  ASSERT_THAT(Starts(), ElementsAre(4, 8, 12, 16));

  track_.BeginAttempt(12);

  EXPECT_THAT(Starts(), ElementsAre(4, 8));
}

TEST_F(TrackAttemptTest, WithdrawsAWindowThatTheResumeStepCuts) {
  Train(4, 20);
  track_.Close(20, kNoAge);

  track_.BeginAttempt(13);

  EXPECT_THAT(Starts(), ElementsAre(4, 8));
}

TEST_F(TrackAttemptTest, ClosesWhatTheOldAttemptLeftOpen) {
  Train(4, 14);

  track_.BeginAttempt(12);

  EXPECT_THAT(Starts(), ElementsAre(4, 8));
}

TEST_F(TrackAttemptTest, RetainsNoMoreWindowsThanBefore) {
  Train(0, 16);

  track_.BeginAttempt(16);

  EXPECT_EQ(track_.windows().size(), 2U);
  EXPECT_THAT(Starts(), ElementsAre(0, 1, 2, 4, 8, 12));
}

TEST_F(TrackAttemptTest, LifeReachesAtMostToTheResumeStep) {
  Train(4, 10, {1, 1});
  Train(10, 20, {1, 0});
  ASSERT_EQ(Starts().size(), 0U);
  ASSERT_EQ(evidence_.last_firing_step[0], 19);

  track_.BeginAttempt(12);

  Starts();
  EXPECT_EQ(evidence_.last_firing_step[0], 11) << "lived until then, no more";
  EXPECT_EQ(evidence_.last_firing_step[1], 9);
}

TEST_F(TrackAttemptTest, AUnitFirstSeenLaterWasNeverSeen) {
  Train(12, 16, {0, 0});

  track_.BeginAttempt(12);

  Starts();
  EXPECT_EQ(evidence_.first_seen_step[0], kNeverSeen);
  EXPECT_EQ(evidence_.horizon_observations[0], 0U);
}

TEST_F(TrackAttemptTest, AFreshStartForgetsAll) {
  Train(0, 20);
  track_.NoteSampled(21);
  track_.Close(24, kNoAge);

  track_.BeginAttempt(0);

  EXPECT_THAT(Starts(), ElementsAre());
  EXPECT_EQ(evidence_.last_firing_step[0], kNeverFired);
  EXPECT_EQ(evidence_.first_seen_step[0], kNeverSeen);
  EXPECT_TRUE(track_.windows().empty());
  EXPECT_EQ(track_.WindowBytes(), 0U);
  Train(0, 1);
  EXPECT_TRUE(track_.windows().at(0).open);
}

TEST_F(TrackAttemptTest, RefusesStepsBeforeTheResumeStep) {
  track_.BeginAttempt(10);

  EXPECT_THAT(Add(9), StatusIs(absl::StatusCode::kOutOfRange, _));
  EXPECT_THAT(Add(10), IsOk());
}

TEST_F(TrackAttemptTest, TakesReplayedStepsAsNewOnes) {
  Train(8, 12, {1, 0});
  track_.Close(12, kNoAge);

  track_.BeginAttempt(8);
  Train(8, 12, {0, 1});

  EXPECT_TRUE(track_.windows().at(8).open);
  EXPECT_EQ(track_.windows().at(8).revision, 0U);
  EXPECT_EQ(track_.windows().at(8).window.Summary().firings[1], 4U);
  EXPECT_EQ(track_.windows().at(8).window.Summary().firings[0], 0U);
}

TEST_F(TrackAttemptTest, IgnoresSamplesBeforeTheResumeStep) {
  track_.BeginAttempt(12);

  track_.NoteSampled(9);
  track_.Close(16, kNoAge);

  EXPECT_THAT(Starts(), ElementsAre());
}

TEST_F(TrackAttemptTest, KeepsMissingWindowsOfTheOldAttempt) {
  Train(4, 8);
  track_.NoteSampled(9);

  track_.BeginAttempt(12);

  EXPECT_THAT(Starts(), ElementsAre(4, 8));
  EXPECT_EQ(windows_[1].coverage[0].shards_received, 0U);
}

// A job that resumes on another number of ranks must not lose the evidence
// that it gathered before.
TEST_F(TrackAttemptTest, MeasuresOldWindowsByWhatTheirAttemptExpected) {
  ExpectShards(1);
  Train(0, 16);
  track_.NoteSampled(17);
  track_.BeginAttempt(20);

  ExpectShards(4);
  Train(20, 24);
  track_.Close(24, kNoAge);

  Starts();
  for (const WindowEvidence& window : windows_) {
    SCOPED_TRACE(window.steps.first);
    const bool is_new = window.steps.first == 20;
    EXPECT_EQ(window.coverage[0].shards_expected, is_new ? 4U : 1U);
  }
  EXPECT_EQ(track_.CoverageOf(track_.windows().at(12)).shards_expected, 1U);
}

}  // namespace
}  // namespace firekeeper::core
