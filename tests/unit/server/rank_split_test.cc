// A batch that several ranks share says the same as one that a single rank
// holds: split by examples, by units, by positions of an example, or copied.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/state/registry.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BytesOf;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kLayerName;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::SmallSettings;

constexpr std::int64_t kSteps = 40;
constexpr std::int64_t kRows = 4;
constexpr std::int64_t kPositions = 2;
constexpr std::int64_t kWidth = 4;

// Unit 0 always fires, 1 on one example in three, 2 until step 6, 3 never.
float ValueAt(std::int64_t step, std::int64_t row, std::int64_t position,
              std::int64_t unit) {
  const std::int64_t number = (step * kRows + row) * kPositions + position;
  switch (unit) {
    case 0:
      return 1.0F + static_cast<float>(number % 5);
    case 1:
      return number % 3 == 0 ? 2.0F : 0.0F;
    case 2:
      return step < 7 ? 1.0F : 0.0F;
    default:
      return 0.0F;
  }
}

// What one rank holds of every batch.
struct Part {
  std::int64_t first_row = 0;
  std::int64_t rows = kRows;
  std::int64_t first_position = 0;
  std::int64_t positions = kPositions;
  std::int64_t first_unit = 0;
  std::int64_t units = kWidth;
  std::uint32_t data_shard = 0;
  std::uint32_t data_shards = 1;
  bool cluster_split = false;
};

v1::Snapshot SnapshotOf(std::int64_t step, const Part& part) {
  std::vector<float> values;
  for (std::int64_t row = 0; row < part.rows; ++row) {
    for (std::int64_t position = 0; position < part.positions; ++position) {
      for (std::int64_t unit = 0; unit < part.units; ++unit) {
        values.push_back(ValueAt(step, part.first_row + row,
                                 part.first_position + position,
                                 part.first_unit + unit));
      }
    }
  }
  v1::Snapshot snapshot = ::firekeeper::testing::MakeTensorSnapshot(step);
  v1::Tensor& tensor = *snapshot.mutable_tensor();
  tensor.clear_shape();
  tensor.add_shape(part.rows);
  tensor.add_shape(part.positions);
  tensor.add_shape(part.units);
  tensor.set_unit_axis(2);
  tensor.set_data(BytesOf(values));
  return snapshot;
}

v1::Open OpenOf(std::uint32_t rank, std::size_t ranks, const Part& part) {
  v1::Open open = MakeOpen();
  open.set_source(rank);
  open.set_source_count(static_cast<std::uint32_t>(ranks));
  open.set_instance_id(100 + rank);
  v1::Layer& layer = *open.mutable_layers(0);
  layer.mutable_unit_range()->set_first(
      static_cast<std::uint64_t>(part.first_unit));
  layer.mutable_unit_range()->set_count(static_cast<std::uint64_t>(part.units));
  layer.set_data_shard(part.data_shard);
  layer.set_data_shards(part.data_shards);
  layer.set_cluster_split(part.cluster_split);
  return open;
}

// The verdicts after every rank has streamed its part of every step.
UnitPage VerdictsOf(const std::vector<Part>& parts) {
  StateSettings settings = SmallSettings();
  settings.health.certificate = {.alpha = 0.01, .p0 = 0.3, .pc0 = 0.3};
  Registry registry(Limits(), settings, [] { return AtSeconds(0); });
  std::vector<SessionDriver> ranks;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    ranks.emplace_back(registry);
    EXPECT_THAT(ranks.back().Say(Opening(OpenOf(static_cast<std::uint32_t>(i),
                                                parts.size(), parts[i]))),
                IsOk());
  }
  for (std::int64_t step = 0; step < kSteps; ++step) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_THAT(ranks[i].Send(static_cast<std::uint64_t>(step) + 1,
                                {SnapshotOf(step, parts[i])}),
                  IsOk());
      EXPECT_TRUE(ranks[i].rejects().empty());
    }
  }
  for (SessionDriver& rank : ranks) {
    EXPECT_THAT(rank.Say(Closing(static_cast<std::uint64_t>(kSteps))), IsOk());
  }
  const auto run = registry.All().at(0);
  return run->FindLayer(kLayerName)->Units(run->Facts(), {}, 0, 10);
}

void ExpectSame(const UnitPage& actual, const UnitPage& expected) {
  ASSERT_EQ(actual.units.size(), expected.units.size());
  for (std::size_t i = 0; i < expected.units.size(); ++i) {
    SCOPED_TRACE(i);
    const UnitView& a = actual.units[i];
    const UnitView& e = expected.units[i];
    EXPECT_EQ(a.health.state, e.health.state);
    EXPECT_EQ(a.health.also, e.health.also);
    EXPECT_EQ(a.health.certified_step, e.health.certified_step);
    EXPECT_EQ(a.health.silent_observations, e.health.silent_observations);
    EXPECT_EQ(a.health.silent_clusters, e.health.silent_clusters);
    EXPECT_EQ(a.health.deaths, e.health.deaths);
    EXPECT_EQ(a.last_firing_step, e.last_firing_step);
    EXPECT_EQ(a.horizon_observations, e.horizon_observations);
    EXPECT_EQ(a.horizon_firings, e.horizon_firings);
  }
}

TEST(RankSplitTest, TheSingleRankSaysWhatTheUnitsAre) {
  const UnitPage page = VerdictsOf({Part{}});

  ASSERT_EQ(page.units.size(), 4U);
  EXPECT_NE(page.units[0].health.state, core::HealthState::kDead);
  EXPECT_NE(page.units[1].health.state, core::HealthState::kDead);
  EXPECT_EQ(page.units[2].health.state, core::HealthState::kDead);
  EXPECT_EQ(page.units[2].last_firing_step, 6);
  EXPECT_EQ(page.units[3].last_firing_step, core::kNeverFired);
}

TEST(RankSplitTest, ExamplesOnTwoRanks) {
  const Part first{.rows = kRows / 2, .data_shard = 0, .data_shards = 2};
  const Part second{.first_row = kRows / 2,
                    .rows = kRows / 2,
                    .data_shard = 1,
                    .data_shards = 2};

  ExpectSame(VerdictsOf({first, second}), VerdictsOf({Part{}}));
}

TEST(RankSplitTest, UnitsOnTwoRanks) {
  const Part first{.units = 1};
  const Part second{.first_unit = 1, .units = kWidth - 1};

  ExpectSame(VerdictsOf({first, second}), VerdictsOf({Part{}}));
}

TEST(RankSplitTest, CopiesOfOneShard) {
  ExpectSame(VerdictsOf({Part{}, Part{}, Part{}}), VerdictsOf({Part{}}));
}

TEST(RankSplitTest, PositionsOfEveryExampleOnTwoRanks) {
  const Part first{
      .positions = 1, .data_shard = 0, .data_shards = 2, .cluster_split = true};
  const Part second{.first_position = 1,
                    .positions = 1,
                    .data_shard = 1,
                    .data_shards = 2,
                    .cluster_split = true};

  ExpectSame(VerdictsOf({first, second}),
             VerdictsOf({Part{.cluster_split = true}}));
}

TEST(RankSplitTest, AMissingRankLeavesSilentUnitsUnknown) {
  const Part first{.rows = kRows / 2, .data_shard = 0, .data_shards = 2};

  const UnitPage page = VerdictsOf({first});

  EXPECT_EQ(page.units[2].health.state, core::HealthState::kUnknown);
  EXPECT_EQ(page.units[3].health.state, core::HealthState::kUnknown);
}

}  // namespace
}  // namespace firekeeper::server
