#include "core/window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/state_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AllColumns;
using ::firekeeper::testing::ColumnsWithoutClusters;
using ::firekeeper::testing::Delivery;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::RandomDeliveries;
using ::firekeeper::testing::SameStatistics;
using ::firekeeper::testing::StatusIs;
using ::testing::_;

constexpr StepRange kSteps{.first = 8, .end = 16};
constexpr std::int64_t kStep = 9;

// A window of four units and what arrives in it.
class WindowTest : public ::testing::Test {
 protected:
  absl::StatusOr<MergeOutcome> Add(Contribution key,
                                   const UnitSummary& summary) {
    key.fingerprint = Fingerprint(summary);
    return window_.Add(key, summary, !summary.columns.clusters);
  }

  // Merges; the summary has one example of four units.
  void Merge(const Contribution& key, const UnitSummary& summary) {
    const auto outcome = Add(key, summary);
    ASSERT_THAT(outcome, IsOk());
    ASSERT_EQ(*outcome, MergeOutcome::kMerged);
  }

  static UnitSummary ByStep(std::initializer_list<std::uint64_t> fired,
                            std::int64_t step) {
    return FiringsOf(fired, 3, step, ColumnsWithoutClusters());
  }

  Window window_{kSteps, 4, AllColumns()};
};

TEST_F(WindowTest, IsEmptyAtFirst) {
  EXPECT_TRUE(SameStatistics(window_.Summary(), UnitSummary(4, AllColumns())));
  EXPECT_EQ(window_.contribution_count(), 0U);
  EXPECT_EQ(window_.ShardsReceived(0), 0U);
}

TEST_F(WindowTest, CountsAContributionOnce) {
  const UnitSummary summary = FiringsOf({1, 2, 0, 3}, 3, kStep);
  Merge({.step = kStep}, summary);

  const auto again = Add({.step = kStep}, summary);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, MergeOutcome::kDuplicate);
  EXPECT_TRUE(SameStatistics(window_.Summary(), summary));
  EXPECT_EQ(window_.contribution_count(), 1U);
}

TEST_F(WindowTest, ReportsOtherContentUnderTheSameKey) {
  const UnitSummary summary = FiringsOf({1, 2, 0, 3}, 3, kStep);
  Merge({.step = kStep}, summary);

  const auto other = Add({.step = kStep}, FiringsOf({1, 2, 1, 3}, 3, kStep));

  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(*other, MergeOutcome::kConflicting);
  EXPECT_TRUE(SameStatistics(window_.Summary(), summary));
}

TEST_F(WindowTest, CountsTheFirstOfTwoSourcesWithTheSameShard) {
  const UnitSummary first = FiringsOf({1, 2, 0, 3}, 3, kStep);
  Merge({.source = 0, .data_shard = 5, .step = kStep}, first);

  const auto copy = Add({.source = 1, .data_shard = 5, .step = kStep},
                        FiringsOf({3, 3, 3, 3}, 3, kStep));

  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(*copy, MergeOutcome::kCopy);
  EXPECT_TRUE(SameStatistics(window_.Summary(), first));
  EXPECT_EQ(window_.ShardsReceived(0), 1U);
}

TEST_F(WindowTest, TellsPartsStepsAndShardsApart) {
  Merge({.step = kStep}, FiringsOf({1, 0, 0, 0}, 1, kStep));
  Merge({.step = kStep, .part = 1}, FiringsOf({1, 0, 0, 0}, 1, kStep));
  Merge({.step = kStep + 1}, FiringsOf({1, 0, 0, 0}, 1, kStep + 1));
  Merge({.source = 1, .data_shard = 1, .step = kStep},
        FiringsOf({1, 0, 0, 0}, 1, kStep));

  EXPECT_EQ(window_.Summary().firings[0], 4U);
  EXPECT_EQ(window_.contribution_count(), 4U);
}

TEST_F(WindowTest, ProbeForetellsWhatAddAnswers) {
  const UnitSummary summary = FiringsOf({1, 0, 0, 0}, 1, kStep);
  Contribution key{.step = kStep, .fingerprint = Fingerprint(summary)};
  EXPECT_EQ(window_.Probe(key), MergeOutcome::kMerged);

  Merge(key, summary);

  EXPECT_EQ(window_.Probe(key), MergeOutcome::kDuplicate);
  ++key.fingerprint;
  EXPECT_EQ(window_.Probe(key), MergeOutcome::kConflicting);
  key.source = 1;
  EXPECT_EQ(window_.Probe(key), MergeOutcome::kCopy);
}

TEST_F(WindowTest, RefusesOtherColumnsAndChangesNothing) {
  const UnitSummary summary =
      FiringsOf({1, 0, 0, 0}, 1, kStep, {.firings = true, .clusters = true});

  EXPECT_THAT(Add({.step = kStep}, summary),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_EQ(window_.contribution_count(), 0U);
  EXPECT_EQ(window_.ShardsReceived(0), 0U);
  EXPECT_EQ(window_.Probe({.step = kStep}), MergeOutcome::kMerged);
}

TEST_F(WindowTest, RefusesUnitsThatDoNotFitAndChangesNothing) {
  for (const Index first : {Index{-1}, Index{3}, Index{4}}) {
    SCOPED_TRACE(first);

    EXPECT_THAT(
        Add({.first_unit = first, .step = kStep}, FiringsOf({1, 1}, 1, kStep)),
        StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_THAT(Add({.first_unit = first, .step = kStep},
                    FiringsOf({1, 1}, 1, kStep, ColumnsWithoutClusters())),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
  }
  EXPECT_TRUE(SameStatistics(window_.Summary(), UnitSummary(4, AllColumns())));
}

TEST_F(WindowTest, KeepsAKeyFreeThatWasRefused) {
  ASSERT_FALSE(
      Add({.first_unit = 3, .step = kStep}, FiringsOf({1, 1}, 1, kStep)).ok());

  Merge({.first_unit = 3, .step = kStep}, FiringsOf({1}, 1, kStep));

  EXPECT_EQ(window_.Summary().firings[3], 1U);
}

TEST_F(WindowTest, PlacesTheUnitsOfASource) {
  Merge({.source = 0, .first_unit = 0, .step = kStep},
        FiringsOf({1, 2}, 3, kStep));
  Merge({.source = 1, .first_unit = 2, .step = kStep},
        FiringsOf({0, 3}, 3, kStep));

  EXPECT_TRUE(
      SameStatistics(window_.Summary(), FiringsOf({1, 2, 0, 3}, 3, kStep)));
}

TEST_F(WindowTest, CountsEveryShardOfAUnitRangeOnce) {
  for (const std::uint32_t shard : {0U, 2U}) {
    for (const std::int64_t step : {kStep, kStep + 1}) {
      Merge({.source = shard, .data_shard = shard, .step = step},
            FiringsOf({1, 1}, 1, step));
    }
  }
  Merge({.source = 4, .data_shard = 0, .first_unit = 2, .step = kStep},
        FiringsOf({1, 1}, 1, kStep));

  EXPECT_EQ(window_.ShardsReceived(0), 2U);
  EXPECT_EQ(window_.ShardsReceived(2), 1U);
  EXPECT_EQ(window_.ShardsReceived(1), 0U) << "no range begins there";
}

TEST_F(WindowTest, CountsAStepAsOneClusterOverRanksAndParts) {
  for (const std::uint32_t rank : {0U, 1U, 2U}) {
    for (const std::uint32_t part : {0U, 1U}) {
      Merge({.source = rank, .data_shard = rank, .step = kStep, .part = part},
            ByStep({3, 0, 0, 1}, kStep));
    }
  }

  const UnitSummary summary = window_.Summary();
  EXPECT_TRUE(summary.clusters == UnitCounts(4, 1)) << "not one a rank";
  EXPECT_EQ(summary.observations[0], 18U) << "observations are summed";
  EXPECT_EQ(summary.firing_clusters[0], 1U);
  EXPECT_EQ(summary.firing_clusters[1], 0U);
}

TEST_F(WindowTest, CountsDistinctStepsAsClusters) {
  Merge({.step = kStep}, ByStep({1, 0, 0, 0}, kStep));
  Merge({.source = 1, .data_shard = 1, .step = kStep},
        ByStep({0, 1, 0, 0}, kStep));
  Merge({.step = kStep + 1}, ByStep({1, 0, 0, 0}, kStep + 1));
  Merge({.step = kStep + 3}, ByStep({0, 0, 0, 0}, kStep + 3));

  const UnitSummary summary = window_.Summary();
  EXPECT_TRUE(summary.clusters == UnitCounts(4, 3));
  EXPECT_EQ(summary.firing_clusters[0], 2U);
  EXPECT_EQ(summary.firing_clusters[1], 1U) << "fired on one rank only";
  EXPECT_EQ(summary.firing_clusters[2], 0U);
}

TEST_F(WindowTest, CountsTheStepOfAnUnobservedUnitNowhere) {
  UnitSummary summary = ByStep({1, 1, 0, 0}, kStep);
  CountArray observations(4);
  observations << 3, 3, 3, 0;
  summary.observations = UnitCounts::FromArray(observations);
  Merge({.step = kStep}, summary);

  EXPECT_EQ(window_.Clusters()[2], 1U);
  EXPECT_EQ(window_.Clusters()[3], 0U);
}

TEST_F(WindowTest, AddsStepsToClustersThatAreExamples) {
  Merge({.step = kStep}, FiringsOf({1, 0, 0, 0}, 5, kStep));
  Merge({.source = 1, .data_shard = 1, .step = kStep},
        ByStep({0, 2, 0, 0}, kStep));

  const UnitSummary summary = window_.Summary();
  EXPECT_TRUE(summary.clusters == UnitCounts(4, 6));
  EXPECT_EQ(summary.firing_clusters[0], 1U);
  EXPECT_EQ(summary.firing_clusters[1], 1U);
  EXPECT_TRUE(window_.Clusters() == summary.clusters);
}

TEST_F(WindowTest, CountsAnExampleThatSourcesSplitByItsStep) {
  for (const std::uint32_t source : {0U, 1U}) {
    const UnitSummary piece = FiringsOf({1, 0, 0, 0}, 2, kStep);
    const auto outcome =
        window_.Add({.source = source, .data_shard = source, .step = kStep},
                    piece, /*cluster_is_step=*/true);
    ASSERT_THAT(outcome, IsOk());
  }

  EXPECT_TRUE(window_.Clusters() == UnitCounts(4, 1));
  EXPECT_EQ(window_.Summary().firing_clusters[0], 1U);
}

TEST_F(WindowTest, TakesSignalsWithoutClustersAsTheyAre) {
  const ColumnSet columns{.firings = true, .moments = true};
  Window weights(kSteps, 2, columns);

  const auto outcome =
      weights.Add({.step = kStep}, FiringsOf({1, 0}, 3, kStep, columns), true);

  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(weights.Summary().firings[0], 1U);
}

// Half of the units are held by sources 0 and 1, the others by 2 and 3.
std::vector<Delivery> ShardedDeliveries() {
  auto deliveries = RandomDeliveries(kSteps, 4, 2, 2);
  for (Delivery& delivery : deliveries) {
    delivery.key.first_unit = delivery.key.source < 2 ? 0 : 2;
    delivery.key.data_shard = delivery.key.source % 2;
  }
  return deliveries;
}

TEST(WindowPropertyTest, AnyOrderOfArrivalGivesTheSameStatistics) {
  auto deliveries = ShardedDeliveries();
  const auto fold = [&deliveries] {
    Window window(kSteps, 4, AllColumns());
    for (const Delivery& delivery : deliveries) {
      EXPECT_THAT(
          window.Add(delivery.key, delivery.summary, delivery.cluster_is_step),
          IsOk());
    }
    return window.Summary();
  };
  const UnitSummary expected = fold();
  std::mt19937 random(1);

  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(round);
    std::shuffle(deliveries.begin(), deliveries.end(), random);

    EXPECT_TRUE(SameStatistics(fold(), expected));
  }
}

TEST(WindowPropertyTest, ResendsInAnyOrderChangeNothing) {
  const auto deliveries = ShardedDeliveries();
  Window window(kSteps, 4, AllColumns());
  for (const Delivery& delivery : deliveries) {
    ASSERT_THAT(
        window.Add(delivery.key, delivery.summary, delivery.cluster_is_step),
        IsOk());
  }
  const UnitSummary before = window.Summary();

  for (const Delivery& delivery : deliveries) {
    const auto outcome =
        window.Add(delivery.key, delivery.summary, delivery.cluster_is_step);
    ASSERT_THAT(outcome, IsOk());
    EXPECT_EQ(*outcome, MergeOutcome::kDuplicate);
  }
  EXPECT_TRUE(SameStatistics(window.Summary(), before));
}

TEST(WindowPropertyTest, HoldsNoMoreThanItWasChargedFor) {
  Window window(kSteps, 4, AllColumns());
  std::size_t charged = Window::MemoryFor(4, AllColumns());
  EXPECT_EQ(window.MemoryUsed(), charged);

  int exponent = -30;
  for (const Delivery& delivery : ShardedDeliveries()) {
    UnitSummary summary = delivery.summary;
    // Far from the ones before: much room between.
    summary.sketch.Add(std::pow(10.0, exponent));
    exponent = exponent < 30 ? exponent + 6 : -27;
    ASSERT_THAT(window.Add(delivery.key, summary, delivery.cluster_is_step),
                IsOk());
    charged += Window::MemoryForContribution(4, /*has_sketch=*/true);
    EXPECT_LE(window.MemoryUsed(), charged);
  }
}

}  // namespace
}  // namespace firekeeper::core
