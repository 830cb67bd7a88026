#include "core/signal_track.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/state_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AllColumns;
using ::firekeeper::testing::Delivery;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::RandomDeliveries;
using ::firekeeper::testing::SameStatistics;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;

// Nothing is that old.
constexpr std::int64_t kNoAge = std::numeric_limits<std::int64_t>::min();

TrackSettings SettingsFor(Index units) {
  return {.units = units,
          .columns = AllColumns(),
          .window_steps = 4,
          .retained_windows = 2};
}

// The fresh evidence of a track with the windows that it points to.
struct Look {
  explicit Look(const SignalTrack& track)
      : evidence(track.Evidence(&windows)) {}

  // "[first, end) received/expected n nc" of unit 0, for every window.
  [[nodiscard]] std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const WindowEvidence& window : windows) {
      std::string line = "[" + std::to_string(window.steps.first) + "," +
                         std::to_string(window.steps.end) + ")";
      for (const RangeCoverage& range : window.coverage) {
        line += " " + std::to_string(range.shards_received) + "/" +
                std::to_string(range.shards_expected);
      }
      lines.push_back(line + " n=" + std::to_string(window.observations[0]) +
                      " nc=" + std::to_string(window.clusters[0]));
    }
    return lines;
  }

  std::vector<WindowEvidence> windows;
  LayerEvidence evidence;
};

// A track of two units, windows [0,1) [1,2) [2,4) [4,8) [8,12) …, of which two
// closed ones are retained.
class SignalTrackTest : public ::testing::Test {
 protected:
  absl::StatusOr<MergeOutcome> Add(
      std::int64_t step, std::uint32_t shard = 0,
      std::initializer_list<std::uint64_t> fired = {1, 0}) {
    const UnitSummary summary = FiringsOf(fired, 3, step);
    const Contribution key{.source = shard,
                           .data_shard = shard,
                           .step = step,
                           .fingerprint = Fingerprint(summary)};
    return track_.Add(key, summary, false, now_);
  }

  void Merge(std::int64_t step, std::uint32_t shard = 0,
             std::initializer_list<std::uint64_t> fired = {1, 0}) {
    const auto outcome = Add(step, shard, fired);
    ASSERT_THAT(outcome, IsOk());
    ASSERT_EQ(*outcome, MergeOutcome::kMerged);
  }

  void ExpectShards(std::uint32_t shards) {
    track_.SetExpectedShards({{.first = 0,
                               .count = 2,
                               .shards_received = 0,
                               .shards_expected = shards}});
  }

  void Close(std::int64_t before) { track_.Close(before, kNoAge); }

  SignalTrack track_{SettingsFor(2)};
  std::int64_t now_ = 0;
};

TEST_F(SignalTrackTest, OpensAWindowForEveryRangeOfSteps) {
  for (const std::int64_t step : {0, 1, 2, 3, 4, 7, 8, 11, 12}) Merge(step);

  std::vector<std::int64_t> ends;
  for (const auto& [first, tracked] : track_.windows()) {
    EXPECT_TRUE(tracked.open);
    ends.push_back(tracked.window.steps().end);
  }
  EXPECT_THAT(ends, ElementsAre(1, 2, 4, 8, 12, 16));
}

TEST_F(SignalTrackTest, ClosesWindowsThatEndByTheStep) {
  Merge(2);
  Merge(4);

  EXPECT_EQ(track_.Close(7, kNoAge), 1U);
  EXPECT_FALSE(track_.windows().at(2).open);
  EXPECT_TRUE(track_.windows().at(4).open) << "it ends at 8";
  EXPECT_EQ(track_.Close(8, kNoAge), 1U);
  EXPECT_EQ(track_.Close(8, kNoAge), 0U) << "closed before";
}

TEST_F(SignalTrackTest, ClosesWindowsByAge) {
  now_ = 100;
  Merge(4);
  now_ = 200;
  Merge(2);

  EXPECT_EQ(track_.Close(0, 100), 0U) << "not before, but at that time";
  EXPECT_EQ(track_.Close(0, 101), 1U);
  EXPECT_FALSE(track_.windows().at(4).open);
  EXPECT_TRUE(track_.windows().at(2).open);
}

TEST_F(SignalTrackTest, OpenWindowsAreNoEvidenceOfSilence) {
  Merge(4);

  EXPECT_TRUE(Look(track_).windows.empty());
  Close(8);
  EXPECT_THAT(Look(track_).Lines(), ElementsAre("[4,8) 1/1 n=3 nc=3"));
}

TEST_F(SignalTrackTest, OpenWindowsAreEvidenceOfLife) {
  Merge(5, 0, {2, 0});

  const Look look(track_);
  EXPECT_EQ(look.evidence.last_firing_step[0], 5);
  EXPECT_EQ(look.evidence.last_firing_step[1], kNeverFired);
  EXPECT_EQ(look.evidence.first_seen_step[1], 5);
  EXPECT_EQ(look.evidence.horizon_observations[1], 3U);
  EXPECT_EQ(look.evidence.horizon_firings[0], 2U);
}

TEST_F(SignalTrackTest, LateDataMergesAndRaisesTheRevision) {
  ExpectShards(2);
  Merge(4, 0);
  Close(8);
  EXPECT_EQ(track_.windows().at(4).revision, 0U);
  const std::uint64_t version = track_.version();

  Merge(4, 1);

  EXPECT_EQ(track_.windows().at(4).revision, 1U);
  EXPECT_FALSE(track_.windows().at(4).open);
  EXPECT_GT(track_.version(), version) << "verdicts have to be computed anew";
  EXPECT_THAT(Look(track_).Lines(), ElementsAre("[4,8) 2/2 n=6 nc=6"));
}

TEST_F(SignalTrackTest, DuplicatesDoNotRaiseTheRevision) {
  Merge(4);
  Close(8);
  const std::uint64_t version = track_.version();

  ASSERT_THAT(Add(4), IsOk());

  EXPECT_EQ(track_.windows().at(4).revision, 0U);
  EXPECT_EQ(track_.version(), version);
}

TEST_F(SignalTrackTest, AWindowThatOnlyLateDataReachedIsClosed) {
  Merge(8);
  Close(12);

  Merge(4);

  EXPECT_FALSE(track_.windows().at(4).open);
  EXPECT_EQ(track_.windows().at(4).revision, 1U);
  EXPECT_EQ(Look(track_).windows.size(), 2U);
}

TEST_F(SignalTrackTest, RefusesDataBeyondTheRetainedWindows) {
  for (const std::int64_t step : {4, 8, 12}) Merge(step);
  Close(16);
  ASSERT_EQ(track_.windows().size(), 2U);
  const auto lines = Look(track_).Lines();
  const std::uint64_t version = track_.version();
  const std::size_t bytes = track_.WindowBytes();

  for (const std::int64_t step : {0, 3, 5, 7}) {
    EXPECT_THAT(Add(step, 1), StatusIs(absl::StatusCode::kOutOfRange, _));
  }
  EXPECT_EQ(Look(track_).Lines(), lines);
  EXPECT_EQ(track_.version(), version);
  EXPECT_EQ(track_.WindowBytes(), bytes);
}

TEST_F(SignalTrackTest, ARefusedSummaryLeavesNoWindow) {
  const UnitSummary other = FiringsOf({1, 0}, 3, 4, {.firings = true});

  EXPECT_THAT(track_.Add({.step = 4}, other, false, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_TRUE(track_.windows().empty());
  EXPECT_EQ(track_.WindowBytes(), 0U);
  EXPECT_TRUE(track_.NeedsWindow(4));
}

TEST_F(SignalTrackTest, TheArchiveKeepsCountsAndCoverage) {
  ExpectShards(2);
  Merge(2, 0);
  Merge(3, 1);
  Merge(4, 1);
  for (const std::int64_t step : {8, 12}) Merge(step);
  Close(16);

  ASSERT_FALSE(track_.windows().contains(4));
  EXPECT_THAT(Look(track_).Lines(),
              ElementsAre("[2,4) 2/2 n=6 nc=6", "[4,8) 1/2 n=3 nc=3",
                          "[8,12) 1/2 n=3 nc=3", "[12,16) 1/2 n=3 nc=3"));
}

TEST_F(SignalTrackTest, NoArchiveWhereItIsNotAskedFor) {
  TrackSettings settings = SettingsFor(2);
  settings.keeps_evidence = false;
  track_ = SignalTrack(settings);
  for (const std::int64_t step : {4, 8, 12}) Merge(step);
  track_.NoteSampled(1);

  Close(16);

  EXPECT_EQ(Look(track_).windows.size(), 2U);
}

TEST_F(SignalTrackTest, TheHorizonForgetsWhatLeftTheRetainedWindows) {
  Merge(4, 0, {3, 3});
  for (const std::int64_t step : {8, 12}) Merge(step, 0, {1, 0});

  Close(16);

  const Look look(track_);
  EXPECT_EQ(look.evidence.horizon_firings[0], 2U);
  EXPECT_EQ(look.evidence.horizon_firings[1], 0U);
  EXPECT_EQ(look.evidence.last_firing_step[1], 4) << "kept for ever";
}

TEST_F(SignalTrackTest, ASampledWindowWithoutDataIsMissingData) {
  Merge(2);
  track_.NoteSampled(5);
  Merge(8);

  Close(12);

  EXPECT_THAT(Look(track_).Lines(),
              ElementsAre("[2,4) 1/1 n=3 nc=3", "[4,8) 0/1 n=0 nc=0",
                          "[8,12) 1/1 n=3 nc=3"));
}

TEST_F(SignalTrackTest, AWindowThatNobodySampledIsNotMissing) {
  Merge(2);
  Merge(8);

  Close(12);

  EXPECT_EQ(Look(track_).windows.size(), 2U);
}

TEST_F(SignalTrackTest, ASampledWindowIsEvidenceOnlyOnceItIsClosed) {
  track_.NoteSampled(5);
  Close(7);
  EXPECT_TRUE(Look(track_).windows.empty());

  Close(8);

  EXPECT_THAT(Look(track_).Lines(), ElementsAre("[4,8) 0/1 n=0 nc=0"));
}

TEST_F(SignalTrackTest, ASampleNotedLateChangesTheVersion) {
  Close(8);
  const std::uint64_t version = track_.version();

  track_.NoteSampled(5);

  EXPECT_GT(track_.version(), version);
  EXPECT_EQ(Look(track_).windows.size(), 1U);
}

TEST_F(SignalTrackTest, LateDataFillsASampledWindow) {
  track_.NoteSampled(5);
  Close(8);

  Merge(6);

  EXPECT_THAT(Look(track_).Lines(), ElementsAre("[4,8) 1/1 n=3 nc=3"));
}

TEST_F(SignalTrackTest, ASampledWindowBecomesFinalWithItsSuccessors) {
  track_.NoteSampled(5);
  for (const std::int64_t step : {8, 12, 16}) Merge(step);
  Close(20);

  EXPECT_THAT(Add(5), StatusIs(absl::StatusCode::kOutOfRange, _));
  EXPECT_EQ(Look(track_).Lines().front(), "[4,8) 0/1 n=0 nc=0");
}

TEST_F(SignalTrackTest, CoverageIsThatOfTheWorstRange) {
  track_ = SignalTrack(SettingsFor(4));
  track_.SetExpectedShards(
      {{.first = 0, .count = 2, .shards_received = 0, .shards_expected = 2},
       {.first = 2, .count = 2, .shards_received = 0, .shards_expected = 2}});
  for (const std::uint32_t source : {0U, 1U, 2U}) {
    const UnitSummary summary = FiringsOf({1, 0}, 3, 4);
    ASSERT_THAT(track_.Add({.source = source,
                            .data_shard = source % 2,
                            .first_unit = source < 2 ? 0 : 2,
                            .step = 4},
                           summary, false, 0),
                IsOk());
  }

  const RangeCoverage worst = track_.CoverageOf(track_.windows().at(4));
  EXPECT_EQ(worst.first, 2);
  EXPECT_EQ(worst.shards_received, 1U);
  EXPECT_EQ(worst.shards_expected, 2U);
}

TEST_F(SignalTrackTest, GivesBackTheMemoryOfWindowsThatLeave) {
  EXPECT_EQ(track_.WindowBytes(), 0U);
  Merge(4);
  const std::size_t one = track_.WindowBytes();
  EXPECT_GE(one, Window::MemoryFor(2, AllColumns()));

  for (std::int64_t step = 8; step < 400; step += 4) Merge(step);
  EXPECT_EQ(track_.WindowBytes(), one * 99);
  Close(400);

  // Two units are so few that a digest is as large as half a window.
  EXPECT_LT(track_.WindowBytes(), one * 99 * 2 / 3) << "the archive is smaller";
  track_.BeginAttempt(0);
  EXPECT_EQ(track_.WindowBytes(), 0U);
}

TEST_F(SignalTrackTest, CountsTheMemoryOfSampledWindows) {
  track_.NoteSampled(5);
  track_.NoteSampled(6);
  EXPECT_EQ(track_.WindowBytes(), track_.SampledWindowBytes());
  ExpectShards(3);
  track_.NoteSampled(9);
  EXPECT_EQ(track_.WindowBytes(), 2 * track_.SampledWindowBytes());

  track_.BeginAttempt(0);

  EXPECT_EQ(track_.WindowBytes(), 0U);
}

std::vector<Delivery> Deliveries() {
  return RandomDeliveries({.first = 0, .end = 16}, 3, 2, 3);
}

// Arrives window by window; what is late comes at once after its window was
// closed, so that no retained window leaves early.
LayerEvidence EvidenceAfter(const std::vector<Delivery>& order,
                            std::int64_t close_after, SignalTrack* track,
                            std::vector<WindowEvidence>* windows) {
  std::size_t added = 0;
  for (const Delivery& delivery : order) {
    const auto outcome =
        track->Add(delivery.key, delivery.summary, delivery.cluster_is_step, 0);
    EXPECT_THAT(outcome, IsOk());
    if (++added % 8 == 0) track->Close(close_after, kNoAge);
  }
  track->Close(16, kNoAge);
  return track->Evidence(windows);
}

TEST(SignalTrackPropertyTest, AnyOrderOfArrivalGivesTheSameEvidence) {
  TrackSettings settings = SettingsFor(3);
  settings.retained_windows = 6;  // all of them
  auto order = Deliveries();
  SignalTrack in_order(settings);
  std::vector<WindowEvidence> expected_windows;
  const LayerEvidence expected =
      EvidenceAfter(order, 0, &in_order, &expected_windows);
  std::mt19937 random(2);

  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    std::shuffle(order.begin(), order.end(), random);
    SignalTrack track(settings);
    std::vector<WindowEvidence> windows;
    const LayerEvidence evidence =
        EvidenceAfter(order, round % 17, &track, &windows);

    EXPECT_TRUE((evidence.last_firing_step == expected.last_firing_step).all());
    EXPECT_TRUE((evidence.first_seen_step == expected.first_seen_step).all());
    EXPECT_TRUE(evidence.horizon_observations == expected.horizon_observations);
    EXPECT_TRUE((evidence.horizon_firings == expected.horizon_firings).all());
    ASSERT_EQ(windows.size(), expected_windows.size());
    for (std::size_t i = 0; i < windows.size(); ++i) {
      EXPECT_EQ(windows[i].steps, expected_windows[i].steps);
      EXPECT_TRUE(windows[i].observations == expected_windows[i].observations);
      EXPECT_TRUE(windows[i].clusters == expected_windows[i].clusters);
    }
    for (const auto& [first, tracked] : track.windows()) {
      EXPECT_TRUE(
          SameStatistics(tracked.window.Summary(),
                         in_order.windows().at(first).window.Summary()));
    }
  }
}

}  // namespace
}  // namespace firekeeper::core
