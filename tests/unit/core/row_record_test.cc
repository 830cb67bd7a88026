#include "core/row_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/state_builders.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::SummaryOf;

constexpr ColumnSet kRowColumns{.firings = true, .moments = true};

UnitSummary Row(std::initializer_list<double> weights) {
  Eigen::ArrayXXd values(static_cast<Index>(weights.size()), 1);
  Index i = 0;
  for (const double weight : weights) values(i++, 0) = weight;
  return SummaryOf(values, 0, kRowColumns);
}

// Through which step a row of WEIGHT counts as kept that was `first` at step 0
// and `later` in [1, 2).
std::int64_t KeptThrough(const UnitSummary& first, const UnitSummary& later) {
  RowRecord record(1, Signal::kWeight);
  record.Fold({.first = 0, .end = 1}, first);
  record.Fold({.first = 1, .end = 2}, later);
  return record.KeptThrough()[0];
}

TEST(RowRecordTest, TheSameRowAndAMultipleOfItAreKept) {
  const UnitSummary row = Row({0.5, -1.0, 2.0, 0.1});
  EXPECT_EQ(KeptThrough(row, row), 1);
  EXPECT_EQ(KeptThrough(row, Row({0.25, -0.5, 1.0, 0.05})), 1);
  EXPECT_EQ(KeptThrough(Row({0.5, 1.0}), Row({0.4, 0.8})), 1) << "of one sign";
}

TEST(RowRecordTest, ARowThatMovedIsNotKept) {
  const UnitSummary row = Row({0.5, -1.0, 2.0, 0.1});
  EXPECT_EQ(KeptThrough(row, Row({0.5, -1.0, 2.0, 0.11})), 0);
  EXPECT_EQ(KeptThrough(row, Row({0.5, -1.001, 2.0, 0.101})), 0);
  EXPECT_EQ(KeptThrough(row, Row({-0.5, 1.0, -2.0, -0.1})), 0) << "negated";
  EXPECT_EQ(KeptThrough(row, Row({0, 0, 0, 0})), 0);
}

// A window holds several steps, and decay gives each its own factor.
TEST(RowRecordTest, SeveralFactorsInOneWindowAreKept) {
  UnitSummary window = Row({0.5, -1.0, 2.0, 0.1});
  double factor = 1.0;
  for (int step = 1; step < 128; ++step) {
    factor *= 0.9995;
    EXPECT_TRUE(window
                    .Merge(Row({0.5 * factor, -1.0 * factor, 2.0 * factor,
                                0.1 * factor}))
                    .ok());
  }

  EXPECT_EQ(KeptThrough(Row({0.5, -1.0, 2.0, 0.1}), window), 1);
}

TEST(RowRecordTest, WithoutTheRowOfStepZeroNothingIsKnown) {
  RowRecord record(1, Signal::kWeight);
  record.Fold({.first = 1, .end = 2}, Row({1.0, 2.0}));

  EXPECT_EQ(record.KeptThrough()[0], -1);
}

TEST(RowRecordTest, UpdatesOfExactlyZeroKeepARow) {
  RowRecord record(1, Signal::kWeightUpdate);
  record.Fold({.first = 0, .end = 1}, Row({0, 0}));
  record.Fold({.first = 1, .end = 2}, Row({0, 0}));
  EXPECT_EQ(record.KeptThrough()[0], 1);

  record.Fold({.first = 2, .end = 4}, Row({0, 1e-30}));
  record.Fold({.first = 4, .end = 8}, Row({0, 0}));
  EXPECT_EQ(record.KeptThrough()[0], 1);
}

TEST(RowRecordTest, UpdatesThatWereNotSeenFromTheStartTellNothing) {
  RowRecord record(1, Signal::kWeightUpdate);
  record.Fold({.first = 4, .end = 8}, Row({0, 0}));

  EXPECT_EQ(record.KeptThrough()[0], -1);
}

TEST(RowRecordTest, AnAttemptForgetsWhatItDoesAnew) {
  RowRecord record(1, Signal::kWeight);
  record.Fold({.first = 0, .end = 1}, Row({1.0, -2.0}));
  record.Fold({.first = 8, .end = 16}, Row({1.0, -2.5}));
  ASSERT_EQ(record.KeptThrough()[0], 7);

  record.Resume(6);
  EXPECT_EQ(record.KeptThrough()[0], 5);
  record.Fold({.first = 8, .end = 16}, Row({1.0, -2.0}));
  EXPECT_EQ(record.KeptThrough()[0], 15);

  record.Resume(0);
  EXPECT_EQ(record.KeptThrough()[0], -1);
}

}  // namespace
}  // namespace firekeeper::core
