// Units at an event, as bytes and back.

#include "server/state/event_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::_;

std::vector<UnitView> SomeUnits(std::uint64_t first, std::size_t count) {
  std::vector<UnitView> units(count);
  for (std::size_t i = 0; i < count; ++i) {
    UnitView& unit = units[i];
    unit.unit = first + i;
    const bool dead = i % 3 == 0;
    unit.health.state =
        dead ? core::HealthState::kDead : core::HealthState::kAlive;
    if (dead) {
      unit.health.also.Add(core::HealthState::kConstant);
      unit.health.certified_step = 1'000 + static_cast<std::int64_t>(i);
      unit.health.silent_observations = std::uint64_t{1} << 40U;
      unit.health.silent_clusters = 7;
      unit.health.deaths = 2;
      unit.health.revivals = 1;
    }
    unit.last_firing_step = dead ? -1 : 5'000;
    unit.first_seen_step = 3;
    unit.horizon_observations = 640;
    unit.horizon_clusters = 64;
    unit.horizon_firings = dead ? 0 : 12;
    unit.horizon_non_finite = i;
  }
  return units;
}

TEST(EventUnitsTest, ComeBackAsTheyWere) {
  const auto units = SomeUnits(65'536, 100);

  const auto read = DecodeEventUnits(EncodeEventUnits(units));

  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->size(), units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    const UnitView& was = units[i];
    const UnitView& is = (*read)[i];
    EXPECT_EQ(is.unit, was.unit);
    EXPECT_EQ(is.health.state, was.health.state);
    EXPECT_EQ(is.health.also, was.health.also);
    EXPECT_EQ(is.health.certified_step, was.health.certified_step);
    EXPECT_EQ(is.health.silent_observations, was.health.silent_observations);
    EXPECT_EQ(is.health.silent_clusters, was.health.silent_clusters);
    EXPECT_EQ(is.health.deaths, was.health.deaths);
    EXPECT_EQ(is.health.revivals, was.health.revivals);
    EXPECT_EQ(is.last_firing_step, was.last_firing_step);
    EXPECT_EQ(is.first_seen_step, was.first_seen_step);
    EXPECT_EQ(is.horizon_observations, was.horizon_observations);
    EXPECT_EQ(is.horizon_clusters, was.horizon_clusters);
    EXPECT_EQ(is.horizon_firings, was.horizon_firings);
    EXPECT_EQ(is.horizon_non_finite, was.horizon_non_finite);
  }
}

TEST(EventUnitsTest, AShortRowIsDamaged) {
  const std::string row = EncodeEventUnits(SomeUnits(0, 50));
  for (std::size_t size = 0; size < row.size(); ++size) {
    EXPECT_THAT(DecodeEventUnits(row.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, _))
        << size;
  }
}

TEST(EventUnitsTest, ARowOfTooManyUnitsIsDamaged) {
  std::string row = EncodeEventUnits(SomeUnits(0, 50));
  row[11] = '\x7F';

  EXPECT_THAT(DecodeEventUnits(row), StatusIs(absl::StatusCode::kDataLoss, _));
}

}  // namespace
}  // namespace firekeeper::server
