#include "server/state/layer_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "server/errors.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AllColumns;
using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BeginAttempt;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::LayerNowhere;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr core::Index kUnits = 4;
constexpr std::uint64_t kExamples = 8;

// Attempt 1 of a layer of four units.
class LayerStateTest : public ::testing::Test {
 protected:
  LayerStateTest() { BeginAttempt(*layer_, 1, 0); }

  static SnapshotPlace PlaceOf(std::uint32_t source, std::int64_t step) {
    return {.attempt = 1,
            .source = source,
            .signal = core::Signal::kActivation,
            .phase = core::Phase::kTrain,
            .step = step};
  }

  absl::StatusOr<MergeResult> Merge(
      std::uint32_t source, std::int64_t step,
      std::initializer_list<std::uint64_t> fired = {1, 1, 1, 1}) {
    core::UnitSummary summary = FiringsOf(fired, kExamples, step);
    // The limits of these tests are a few windows of four units.
    summary.sketch = {};
    return layer_->Merge(PlaceOf(source, step), summary, AtSeconds(0));
  }

  absl::Status Check(std::uint32_t source, const LayerShare& share) {
    return layer_->CheckShare(1, source, share);
  }

  core::RangeCoverage NewestCoverage() {
    return layer_->View(kUnits).signals.at(0).coverage;
  }

  // A fresh layer whose state may take so many bytes.
  void LimitMemory(std::size_t bytes) {
    layer_.reset();
    memory_ = std::make_unique<MemoryBudget>(bytes);
    layer_ = std::make_unique<LayerState>(
        ReluLayer("fc1", kUnits), SmallSettings(), *memory_, LayerNowhere());
    BeginAttempt(*layer_, 1, 0);
    layer_->Declare(0, ShardOf(kUnits, 0, 1));
  }

  std::unique_ptr<MemoryBudget> memory_ =
      std::make_unique<MemoryBudget>(std::size_t{1} << 20U);
  std::unique_ptr<LayerState> layer_ = std::make_unique<LayerState>(
      ReluLayer("fc1", kUnits), SmallSettings(), *memory_, LayerNowhere());
};

TEST_F(LayerStateTest, RanksMayHoldShardsOfTheSameUnits) {
  layer_->Declare(0, ShardOf(kUnits, 0, 2));

  EXPECT_THAT(Check(1, ShardOf(kUnits, 1, 2)), IsOk());
  EXPECT_THAT(Check(1, ShardOf(kUnits, 0, 2)), IsOk()) << "a copy";
  EXPECT_THAT(Check(0, ShardOf(kUnits, 0, 2)), IsOk()) << "the same again";
}

TEST_F(LayerStateTest, RanksMayHoldDisjointUnits) {
  layer_->Declare(0, {.first_unit = 1, .unit_count = 2});

  EXPECT_THAT(Check(1, {.first_unit = 3, .unit_count = 1}), IsOk());
  EXPECT_THAT(Check(1, {.first_unit = 0, .unit_count = 1}), IsOk());
}

TEST_F(LayerStateTest, RefusesUnitsThatOverlap) {
  layer_->Declare(0, {.first_unit = 1, .unit_count = 2});

  for (const auto& [first, count] :
       {std::pair<core::Index, core::Index>{0, 2}, {2, 2}, {1, 1}, {0, 4}}) {
    const absl::Status status =
        Check(1, {.first_unit = first, .unit_count = count});
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("source 0")));
    EXPECT_EQ(FieldOf(status), "unit_range");
  }
}

TEST_F(LayerStateTest, RefusesAnotherNumberOfShards) {
  layer_->Declare(0, ShardOf(kUnits, 0, 2));

  EXPECT_EQ(FieldOf(Check(1, ShardOf(kUnits, 1, 3))), "data_shards");
}

TEST_F(LayerStateTest, RefusesADisagreementOnSplitClusters) {
  layer_->Declare(0, ShardOf(kUnits, 0, 2));
  LayerShare share = ShardOf(kUnits, 1, 2);
  share.cluster_split = true;

  EXPECT_EQ(FieldOf(Check(1, share)), "cluster_split");
}

TEST_F(LayerStateTest, ASourceKeepsItsShareWithinAnAttempt) {
  layer_->Declare(0, ShardOf(kUnits, 0, 2));

  EXPECT_EQ(FieldOf(Check(0, ShardOf(kUnits, 1, 2))), "unit_range");
}

TEST_F(LayerStateTest, ANewAttemptMayShareOtherwise) {
  layer_->Declare(0, ShardOf(kUnits, 0, 2));

  BeginAttempt(*layer_, 2, 0);

  EXPECT_FALSE(layer_->ShareOf(0).has_value());
  EXPECT_THAT(layer_->CheckShare(2, 0, ShardOf(kUnits, 0, 3)), IsOk());
}

TEST_F(LayerStateTest, ExpectsUnitsThatNobodyHoldsYet) {
  layer_->Declare(0, {.first_unit = 1, .unit_count = 2});
  ASSERT_THAT(layer_->Merge(PlaceOf(0, 0), FiringsOf({1, 1}, kExamples, 0),
                            AtSeconds(0)),
              IsOk());

  const core::RangeCoverage worst = NewestCoverage();
  EXPECT_EQ(worst.first, 0);
  EXPECT_EQ(worst.count, 1);
  EXPECT_EQ(worst.shards_received, 0U);
}

TEST_F(LayerStateTest, ExpectsEveryDeclaredShard) {
  layer_->Declare(0, ShardOf(kUnits, 0, 3));
  ASSERT_THAT(Merge(0, 0), IsOk());
  EXPECT_EQ(NewestCoverage().shards_received, 1U);
  EXPECT_EQ(NewestCoverage().shards_expected, 3U);

  layer_->Declare(2, ShardOf(kUnits, 2, 3));
  ASSERT_THAT(Merge(2, 0), IsOk());

  EXPECT_EQ(NewestCoverage().shards_received, 2U);
}

TEST_F(LayerStateTest, InputIsAsWideAsTheInputsOnEverySource) {
  LayerSpec spec = ReluLayer("fc1", kUnits);
  spec.input_unit_count = 3;
  LayerState layer(spec, SmallSettings(), *memory_, LayerNowhere());
  BeginAttempt(layer, 1, 0);
  layer.Declare(0, {.first_unit = 2, .unit_count = 2});
  const core::ColumnSet columns = layer.ColumnsFor(core::Signal::kInput);
  SnapshotPlace place = PlaceOf(0, 0);
  place.signal = core::Signal::kInput;

  ASSERT_THAT(
      layer.Merge(place, FiringsOf({1, 1, 1}, 2, 0, columns), AtSeconds(0)),
      IsOk());

  const auto history = layer.History(core::Signal::kInput, core::Phase::kTrain);
  ASSERT_THAT(history, SizeIs(1));
  EXPECT_EQ(history[0].digest.unit_count, 3U);
  EXPECT_EQ(history[0].coverage.shards_received, 1U);
}

TEST_F(LayerStateTest, RefusesAnotherNumberOfUnits) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));

  EXPECT_THAT(Merge(0, 0, {1, 1, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("3; the source declared 4")));
  EXPECT_EQ(memory_->used(), 0U);
}

TEST_F(LayerStateTest, RefusesASourceOfAnotherAttempt) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  BeginAttempt(*layer_, 2, 0);
  layer_->Declare(0, ShardOf(kUnits, 0, 1));

  const auto outcome = Merge(0, 0);

  EXPECT_THAT(outcome, StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_EQ(ReasonOf(outcome.status()), "FENCED");
  EXPECT_TRUE(layer_->View(kUnits).signals.empty());
}

TEST_F(LayerStateTest, RefusesASourceThatDeclaredNothing) {
  EXPECT_THAT(Merge(0, 0), StatusIs(absl::StatusCode::kAborted, _));
}

TEST_F(LayerStateTest, ATrackBegunLateKnowsWhereTheAttemptResumed) {
  BeginAttempt(*layer_, 2, 10);
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  SnapshotPlace place = PlaceOf(0, 9);
  place.attempt = 2;

  EXPECT_THAT(layer_->Merge(place, FiringsOf({1, 1, 1, 1}, 1, 9), AtSeconds(0)),
              StatusIs(absl::StatusCode::kOutOfRange, _));
}

TEST_F(LayerStateTest, ATrackBegunLateKnowsWhichWindowsAreClosed) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  layer_->CloseWindows(1, 8, AtSeconds(0));

  ASSERT_THAT(Merge(0, 4), IsOk());
  ASSERT_THAT(Merge(0, 8), IsOk());

  const auto windows =
      layer_->History(core::Signal::kActivation, core::Phase::kTrain);
  ASSERT_THAT(windows, SizeIs(2));
  EXPECT_FALSE(windows[0].open);
  EXPECT_TRUE(windows[1].open);
}

TEST_F(LayerStateTest, ChargesTheBudgetAndGivesAllBack) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  for (std::int64_t step = 0; step < 200; ++step) {
    ASSERT_THAT(Merge(0, step), IsOk());
  }
  const std::size_t open = memory_->used();
  EXPECT_GT(open, core::Window::MemoryFor(kUnits, AllColumns()) * 50);

  layer_->CloseWindows(1, 200, AtSeconds(0));
  EXPECT_LT(memory_->used(), open / 2) << "8 windows are retained";
  ASSERT_THAT(layer_->NoteSampled(1, {200, 204, 205}), IsOk());
  layer_.reset();

  EXPECT_EQ(memory_->used(), 0U);
}

TEST_F(LayerStateTest, RefusesWhatDoesNotFitAndKeepsNothingOfIt) {
  LimitMemory(core::Window::MemoryFor(kUnits, AllColumns()) * 2);
  ASSERT_THAT(Merge(0, 0), IsOk());
  const std::size_t used = memory_->used();

  const auto refused = Merge(0, 1);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("state")));
  EXPECT_EQ(memory_->used(), used);
  EXPECT_THAT(layer_->History(core::Signal::kActivation, core::Phase::kTrain),
              SizeIs(1));
}

TEST_F(LayerStateTest, RefusesAFirstWindowThatDoesNotFit) {
  LimitMemory(64);

  EXPECT_THAT(Merge(0, 0), StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(memory_->used(), 0U);
  EXPECT_TRUE(layer_->View(kUnits).signals.empty());
}

TEST_F(LayerStateTest, RefusesASketchThatDoesNotFit) {
  LimitMemory(core::Window::MemoryFor(kUnits, AllColumns()) * 2);

  EXPECT_THAT(
      layer_->Merge(PlaceOf(0, 0), FiringsOf({1, 1, 1, 1}, 1, 0), AtSeconds(0)),
      StatusIs(absl::StatusCode::kResourceExhausted, _));

  EXPECT_EQ(memory_->used(), 0U);
}

// A client must not fill the memory with tiny contributions to one window.
TEST_F(LayerStateTest, ContributionsAreChargedToo) {
  LimitMemory(core::Window::MemoryFor(kUnits, AllColumns()) * 2 +
              core::QuantileSketch::kMaxBytes);
  SnapshotPlace place = PlaceOf(0, 0);
  absl::Status status;
  for (; status.ok() && place.part < 1'000; ++place.part) {
    status = layer_->Merge(place, FiringsOf({1, 1, 1, 1}, 1, 0), AtSeconds(0))
                 .status();
  }

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_LE(memory_->used(), memory_->limit());
}

TEST_F(LayerStateTest, SampledWindowsAreChargedToo) {
  LimitMemory(core::Window::MemoryFor(kUnits, AllColumns()) * 2);
  ASSERT_THAT(Merge(0, 0), IsOk());
  const std::size_t used = memory_->used();
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1'000; step < 2'000; step += 4) {
    steps.push_back(step);
  }

  EXPECT_THAT(layer_->NoteSampled(1, steps),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(memory_->used(), used);
}

TEST_F(LayerStateTest, ARefusedStepLeavesTheBudgetAsItWas) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  for (std::int64_t step = 0; step < 100; ++step) {
    ASSERT_THAT(Merge(0, step), IsOk());
  }
  layer_->CloseWindows(1, 100, AtSeconds(0));
  const std::size_t used = memory_->used();

  EXPECT_THAT(Merge(0, 3), StatusIs(absl::StatusCode::kOutOfRange, _));

  EXPECT_EQ(memory_->used(), used);
}

TEST_F(LayerStateTest, ASupersededAttemptClosesAndNotesNothing) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  ASSERT_THAT(Merge(0, 0), IsOk());
  BeginAttempt(*layer_, 2, 0);
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  SnapshotPlace place = PlaceOf(0, 1);
  place.attempt = 2;
  ASSERT_THAT(layer_->Merge(place, FiringsOf({1, 1, 1, 1}, 1, 1), AtSeconds(0)),
              IsOk());

  layer_->CloseWindows(1, 100, AtSeconds(0));
  ASSERT_THAT(layer_->NoteSampled(1, {4}), IsOk());

  EXPECT_TRUE(layer_->View(kUnits).signals.at(0).open);
  layer_->CloseWindows(2, 100, AtSeconds(0));
  EXPECT_EQ(layer_->View(kUnits).evaluated_through_step, 1);
}

TEST_F(LayerStateTest, ClosesWindowsOfTenMinutes) {
  layer_->Declare(0, ShardOf(kUnits, 0, 1));
  ASSERT_THAT(Merge(0, 0), IsOk());

  layer_->CloseWindows(1, 0, AtSeconds(600));
  EXPECT_TRUE(layer_->View(kUnits).signals.at(0).open);
  layer_->CloseWindows(1, 0, AtSeconds(601));

  EXPECT_FALSE(layer_->View(kUnits).signals.at(0).open);
}

}  // namespace
}  // namespace firekeeper::server
