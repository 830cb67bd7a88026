// The units of a layer: listed, sorted, and drawn small.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <vector>

#include "server/state/layer_state.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BeginAttempt;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::LayerNowhere;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;
using enum core::HealthState;

class UnitPageTest : public ::testing::Test {
 protected:
  UnitPageTest() {
    BeginAttempt(layer_, 1, 0);
    layer_.Declare(0, ShardOf(10, 0, 1));
    EXPECT_THAT(layer_.Merge({.attempt = 1,
                              .signal = core::Signal::kActivation,
                              .phase = core::Phase::kTrain},
                             FiringsOf({0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, 2, 0),
                             AtSeconds(0)),
                IsOk());
    layer_.CloseWindows(1, 1, AtSeconds(0));
  }

  std::vector<std::uint64_t> Page(const std::vector<core::HealthState>& states,
                                  std::uint64_t first, std::size_t limit) {
    const UnitPage page = layer_.Units({.units = 10}, states, first, limit);
    total_ = page.total;
    std::vector<std::uint64_t> units;
    for (const UnitView& unit : page.units) units.push_back(unit.unit);
    return units;
  }

  MemoryBudget memory_{std::size_t{1} << 20U};
  LayerState layer_{ReluLayer("fc1", 10), SmallSettings(), memory_,
                    LayerNowhere()};
  std::uint64_t total_ = 0;
};

TEST_F(UnitPageTest, ListsUnitsInOrder) {
  EXPECT_THAT(Page({}, 0, 100), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(total_, 10U);
}

TEST_F(UnitPageTest, BeginsAtTheFirstUnitAndStopsAtTheLimit) {
  EXPECT_THAT(Page({}, 4, 3), ElementsAre(4, 5, 6));
  EXPECT_EQ(total_, 10U) << "of all pages";
  EXPECT_THAT(Page({}, 10, 3), IsEmpty());
  EXPECT_THAT(Page({}, 0, 0), IsEmpty());
}

TEST_F(UnitPageTest, ListsOnlyTheStatesAskedFor) {
  EXPECT_THAT(Page({kSilent}, 3, 2), ElementsAre(4, 6));
  EXPECT_EQ(total_, 5U);
  EXPECT_THAT(Page({kAlive, kSilent}, 8, 9), ElementsAre(8, 9));
  EXPECT_THAT(Page({kDead}, 0, 9), IsEmpty());
  EXPECT_EQ(total_, 0U);
}

// A layer of which each unit fired so many times in one step of 8 examples.
class UnitPictureTest : public ::testing::Test {
 protected:
  void Send(std::initializer_list<std::uint64_t> fired) {
    layer_ = std::make_unique<LayerState>(
        ReluLayer("fc1", static_cast<core::Index>(fired.size())),
        SmallSettings(), memory_, LayerNowhere());
    BeginAttempt(*layer_, 1, 0);
    layer_->Declare(0, ShardOf(static_cast<core::Index>(fired.size()), 0, 1));
    ASSERT_THAT(layer_->Merge({.attempt = 1,
                               .signal = core::Signal::kActivation,
                               .phase = core::Phase::kTrain},
                              FiringsOf(fired, 8, 0), AtSeconds(0)),
                IsOk());
    layer_->CloseWindows(1, 1, AtSeconds(0));
  }

  std::vector<std::uint64_t> Sorted(const UnitSort& sort,
                                    std::uint64_t first = 0,
                                    std::size_t limit = 100) {
    std::vector<std::uint64_t> units;
    for (const UnitView& unit :
         layer_->Units({.units = 8}, {}, first, limit, sort).units) {
      units.push_back(unit.unit);
    }
    return units;
  }

  MemoryBudget memory_{std::size_t{1} << 20U};
  std::unique_ptr<LayerState> layer_;
};

TEST_F(UnitPictureTest, SortsByFiringRateAndKeepsEqualsInOrderOfUnit) {
  Send({3, 0, 8, 0, 3});

  EXPECT_THAT(Sorted({.order = UnitOrder::kFiringRate}),
              ElementsAre(1, 3, 0, 4, 2));
  EXPECT_THAT(Sorted({.order = UnitOrder::kFiringRate, .descending = true}),
              ElementsAre(2, 0, 4, 1, 3));
}

TEST_F(UnitPictureTest, SortsByWhatIsAskedFor) {
  Send({4, 0, 4});

  EXPECT_THAT(Sorted({.order = UnitOrder::kState}), ElementsAre(1, 0, 2))
      << "SILENT before ALIVE";
  EXPECT_THAT(Sorted({.order = UnitOrder::kLastFiringStep}),
              ElementsAre(1, 0, 2));
  EXPECT_THAT(Sorted({.order = UnitOrder::kSilentObservations}),
              ElementsAre(0, 2, 1));
  EXPECT_THAT(Sorted({.order = UnitOrder::kDeaths}), ElementsAre(0, 1, 2));
  EXPECT_THAT(Sorted({.order = UnitOrder::kUnit, .descending = true}),
              ElementsAre(2, 1, 0));
}

TEST_F(UnitPictureTest, APageOfASortedListBeginsWhereTheOneBeforeEnded) {
  Send({3, 0, 8, 0, 3});
  const UnitSort sort{.order = UnitOrder::kFiringRate};

  EXPECT_THAT(Sorted(sort, 0, 2), ElementsAre(1, 3));
  EXPECT_THAT(Sorted(sort, 2, 2), ElementsAre(0, 4));
  EXPECT_THAT(Sorted(sort, 4, 2), ElementsAre(2));
  EXPECT_THAT(Sorted(sort, 5, 2), IsEmpty());
  EXPECT_THAT(Sorted(sort, std::numeric_limits<std::uint64_t>::max(), 2),
              IsEmpty());
}

TEST_F(UnitPictureTest, AStripCountsUnitsByStateAndBucket) {
  Send({0, 1, 0, 0, 1, 1, 1});

  const UnitStripView strip = layer_->Strip(7, 3);

  EXPECT_EQ(strip.unit_count, 7U);
  EXPECT_EQ(strip.units_per_bucket, 3U);
  EXPECT_THAT(strip.rows, ElementsAre(Key(kSilent), Key(kAlive)));
  EXPECT_THAT(strip.rows.at(kSilent), ElementsAre(2, 1, 0));
  EXPECT_THAT(strip.rows.at(kAlive), ElementsAre(1, 2, 1));
}

TEST_F(UnitPictureTest, AStripHasNoMoreBucketsThanUnits) {
  Send({0, 1});

  const UnitStripView strip = layer_->Strip(2, 1024);

  EXPECT_EQ(strip.units_per_bucket, 1U);
  EXPECT_THAT(strip.rows.at(kSilent), ElementsAre(1, 0));
}

TEST_F(UnitPictureTest, AStripOfWhatIsNotObservableHasNoRows) {
  LayerState nothing(ReluLayer("fc1", 5), SmallSettings(), memory_,
                     LayerNowhere());

  EXPECT_THAT(nothing.Strip(5, 2).rows, IsEmpty());
  EXPECT_EQ(nothing.Strip(5, 2).unit_count, 5U);
  EXPECT_THAT(nothing.Histogram(5, UnitFigure::kFiringRate).bins, IsEmpty());
  EXPECT_EQ(nothing.Histogram(5, UnitFigure::kFiringRate).unknown_units, 5U);
}

TEST_F(UnitPictureTest, AHistogramCountsEveryUnitOnce) {
  Send({0, 1, 2, 8, 8});

  const UnitHistogramView histogram =
      layer_->Histogram(5, UnitFigure::kFiringRate);

  EXPECT_EQ(histogram.zero_units, 1U);
  EXPECT_EQ(histogram.unknown_units, 0U);
  ASSERT_THAT(histogram.bins, SizeIs(20));
  EXPECT_EQ(histogram.bins[2].units, 1U) << "1/8 lies in (0.10, 0.15]";
  EXPECT_EQ(histogram.bins[4].units, 1U) << "1/4 lies in (0.20, 0.25]";
  EXPECT_EQ(histogram.bins[19].units, 2U) << "1 lies in (0.95, 1]";
}

TEST_F(UnitPictureTest, AFigureThatIsNotKnownIsInNoBin) {
  Send({0, 1, 2});

  const UnitHistogramView histogram =
      layer_->Histogram(3, UnitFigure::kDormancyScore);

  EXPECT_EQ(histogram.zero_units + histogram.unknown_units +
                std::accumulate(histogram.bins.begin(), histogram.bins.end(),
                                std::uint64_t{0},
                                [](std::uint64_t sum, const HistogramBin& bin) {
                                  return sum + bin.units;
                                }),
            3U);
}

}  // namespace
}  // namespace firekeeper::server
