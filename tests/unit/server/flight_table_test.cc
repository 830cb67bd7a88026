#include "server/ingest/flight_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FlightTableTest : public ::testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }

  std::unique_ptr<FlightTable> Open() {
    auto table = FlightTable::Open(path_);
    EXPECT_THAT(table, IsOk());
    return table.ok() ? *std::move(table) : nullptr;
  }
  // A process ends while it folds the snapshot in, and the next one starts.
  void CrashDuring(const FlightName& name) {
    const auto dying = Open();
    // Never destroyed, as nothing is in a crash.
    alignas(FlightTable::Flight)
        std::array<std::byte, sizeof(FlightTable::Flight)>
            memory;
    new (memory.data()) FlightTable::Flight(*dying, name);
    Open();
  }

  const std::string path_ =
      ::testing::TempDir() + "/inflight." +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const FlightName name_{.tenant = "tenant",
                         .run_id = "run",
                         .source = 3,
                         .instance_id = 7,
                         .seq = 12};
};

TEST_F(FlightTableTest, TwoCrashesMayBeChance) {
  CrashDuring(name_);
  CrashDuring(name_);

  EXPECT_FALSE(Open()->IsFatal(name_));
}

TEST_F(FlightTableTest, TheThirdCrashIsNone) {
  for (int i = 0; i < 3; ++i) CrashDuring(name_);

  const auto table = Open();

  EXPECT_TRUE(table->IsFatal(name_));
  EXPECT_THAT(table->Fatal(), ElementsAre(name_));
}

TEST_F(FlightTableTest, AnotherSnapshotOfTheSourceIsFine) {
  for (int i = 0; i < 3; ++i) CrashDuring(name_);
  FlightName next = name_;
  ++next.seq;

  EXPECT_FALSE(Open()->IsFatal(next));
}

TEST_F(FlightTableTest, WhatWasFoldedInSinceIsFine) {
  CrashDuring(name_);
  CrashDuring(name_);
  {
    const auto table = Open();
    const FlightTable::Flight flight(*table, name_);
  }

  CrashDuring(name_);

  EXPECT_FALSE(Open()->IsFatal(name_));
}

TEST_F(FlightTableTest, AFileOfAnotherFormBeginsAnew) {
  std::ofstream(path_) << "this is no table of flights";

  EXPECT_THAT(Open()->Fatal(), IsEmpty());
}

TEST_F(FlightTableTest, NamesItsFileWhereItCannotBeUsed) {
  EXPECT_THAT(FlightTable::Open("/nowhere/at/all"),
              StatusIs(absl::StatusCode::kUnavailable,
                       ::testing::HasSubstr("/nowhere/at/all")));
}

TEST_F(FlightTableTest, MoreFlightsThanThereAreSlotsAreNotNoted) {
  const auto table = Open();
  std::vector<std::unique_ptr<FlightTable::Flight>> flights;
  for (std::uint64_t seq = 1; seq <= 300; ++seq) {
    FlightName name = name_;
    name.seq = seq;
    flights.push_back(std::make_unique<FlightTable::Flight>(*table, name));
  }

  EXPECT_THAT(table->Fatal(), IsEmpty());
}

}  // namespace
}  // namespace firekeeper::server
