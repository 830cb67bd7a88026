#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "server/errors.h"
#include "server/ingest/codec.h"
#include "tests/support/broken_field.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::BrokenField;
using ::firekeeper::testing::BytesOf;
using ::firekeeper::testing::ColumnOf;
using ::firekeeper::testing::ExpectRefused;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kUnits;
using ::firekeeper::testing::MakeCounts;
using ::firekeeper::testing::MakeReals;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::NameOf;
using ::firekeeper::testing::RemoveColumn;
using ::firekeeper::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr core::ColumnSet kAllColumns{
    .firings = true, .clusters = true, .gate = true, .moments = true};

using enum v1::SummaryColumn;

v1::UnitSummary MakeSummary() { return MakeSummarySnapshot(0).summary(); }

absl::StatusOr<core::UnitSummary> Decode(
    const v1::UnitSummary& summary,
    const core::ColumnSet& columns = kAllColumns) {
  return DecodeSummary(summary, columns, kUnits, Limits{});
}

void SetCounts(v1::UnitSummary& summary, v1::SummaryColumn column,
               const std::vector<std::uint64_t>& entries) {
  ColumnOf(summary, column) = MakeCounts(column, 8, entries);
}

void SetReals(v1::UnitSummary& summary, v1::SummaryColumn column,
              const std::vector<double>& entries) {
  ColumnOf(summary, column) = MakeReals(column, entries);
}

// Unit 2 saw nothing.
v1::UnitSummary MakeSummaryWithAnUnobservedUnit() {
  v1::UnitSummary summary = MakeSummary();
  SetCounts(summary, SUMMARY_COLUMN_OBSERVATIONS, {2, 2, 0, 2});
  SetCounts(summary, SUMMARY_COLUMN_CLUSTERS, {2, 2, 0, 2});
  SetCounts(summary, SUMMARY_COLUMN_FIRINGS, {2, 1, 0, 0});
  SetCounts(summary, SUMMARY_COLUMN_FIRING_CLUSTERS, {2, 1, 0, 0});
  SetCounts(summary, SUMMARY_COLUMN_POSITIVES, {2, 1, 0, 0});
  SetCounts(summary, SUMMARY_COLUMN_ZEROS, {0, 1, 0, 2});
  return summary;
}

using SummaryRow = BrokenField<v1::UnitSummary>;
class SummaryTest : public ::testing::TestWithParam<SummaryRow> {};

TEST_P(SummaryTest, IsRefusedByFieldName) {
  v1::UnitSummary summary = MakeSummary();
  ASSERT_THAT(Decode(summary), IsOk());

  GetParam().break_it(summary);

  ExpectRefused(Decode(summary).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    BrokenColumns, SummaryTest,
    ::testing::Values(
        SummaryRow{"OtherUnits", [](auto& s) { s.set_unit_count(5); },
                   "unit_count", "is 5; the source declared 4"},
        SummaryRow{"NoUnits", [](auto& s) { s.set_unit_count(0); },
                   "unit_count", "is 0;"},
        SummaryRow{"AllUnitsThereAre",
                   [](auto& s) {
                     s.set_unit_count(
                         std::numeric_limits<std::uint64_t>::max());
                   },
                   "unit_count", "is 18446744073709551615;"},
        SummaryRow{"SketchOfMoreThanWasObserved",
                   [](auto& s) { s.mutable_sketch()->set_zero_count(9); },
                   "sketch.zero_count", "more than the 8 observations"},
        SummaryRow{"SketchOfMoreThanWasObservedInAll",
                   [](auto& s) {
                     s.mutable_sketch()->set_zero_count(5);
                     s.mutable_sketch()->add_negative_counts(2);
                     s.mutable_sketch()->add_positive_counts(2);
                   },
                   "sketch.positive_counts", "more than the 8 observations"},
        SummaryRow{"SketchWhoseSumWraps",
                   [](auto& s) {
                     for (int i = 0; i < 2; ++i) {
                       s.mutable_sketch()->add_positive_counts(std::uint64_t{1}
                                                               << 63U);
                     }
                   },
                   "sketch.positive_counts", "more than the 8 observations"},
        SummaryRow{"SketchOfTooManyBuckets",
                   [](auto& s) {
                     s.mutable_sketch()->mutable_negative_counts()->Resize(2049,
                                                                           0);
                   },
                   "sketch.negative_counts",
                   "has 2049 buckets; must have at most 2048"},
        SummaryRow{"SketchBelowTheSmallestDouble",
                   [](auto& s) {
                     s.mutable_sketch()->set_positive_offset(-37'221);
                     s.mutable_sketch()->add_positive_counts(1);
                   },
                   "sketch.positive_offset", "must be -37220 to 35488"},
        SummaryRow{"SketchBeyondTheLargestDouble",
                   [](auto& s) {
                     s.mutable_sketch()->set_negative_offset(35'488);
                     s.mutable_sketch()->add_negative_counts(0);
                     s.mutable_sketch()->add_negative_counts(1);
                   },
                   "sketch.negative_offset", "to 35487 with 2 buckets"},
        SummaryRow{"UnspecifiedColumn",
                   [](auto& s) {
                     s.mutable_columns(0)->set_column(
                         SUMMARY_COLUMN_UNSPECIFIED);
                   },
                   "columns[0].column",
                   "is 0; must be SUMMARY_COLUMN_OBSERVATIONS (1) to "
                   "SUMMARY_COLUMN_PROVEN (14)"},
        SummaryRow{"UnknownColumn",
                   [](auto& s) {
                     s.mutable_columns(1)->set_column(
                         static_cast<v1::SummaryColumn>(15));
                   },
                   "columns[1].column", "is 15;"},
        SummaryRow{"NegativeColumn",
                   [](auto& s) {
                     s.mutable_columns(1)->set_column(
                         static_cast<v1::SummaryColumn>(-1));
                   },
                   "columns[1].column", "is -1;"},
        SummaryRow{"ColumnTwice",
                   [](auto& s) {
                     const v1::SummaryColumnData again = s.columns(2);
                     *s.add_columns() = again;
                   },
                   "columns[13].column", "SUMMARY_COLUMN_CLUSTERS came before"},
        SummaryRow{"MissingColumn",
                   [](auto& s) { RemoveColumn(s, SUMMARY_COLUMN_FIRINGS); },
                   "columns", "SUMMARY_COLUMN_FIRINGS is missing"},
        SummaryRow{"NoColumns", [](auto& s) { s.clear_columns(); }, "columns",
                   "SUMMARY_COLUMN_OBSERVATIONS is missing"},
        SummaryRow{"ClustersAlthoughTheStepIsTheCluster",
                   [](auto& s) { s.set_cluster_is_step(true); },
                   "columns[2].column",
                   "SUMMARY_COLUMN_CLUSTERS is not a column of this snapshot"},
        SummaryRow{"WidthZero",
                   [](auto& s) { s.mutable_columns(0)->set_width(0); },
                   "columns[0].width", "is 0; must be 1, 2, 4 or 8"},
        SummaryRow{"WidthThree",
                   [](auto& s) { s.mutable_columns(0)->set_width(3); },
                   "columns[0].width", "is 3;"},
        SummaryRow{
            "WidthThatOverflows",
            [](auto& s) { s.mutable_columns(0)->set_width(0x80000000U); },
            "columns[0].width", "is 2147483648;"},
        SummaryRow{
            "RealOfTwoBytes",
            [](auto& s) { ColumnOf(s, SUMMARY_COLUMN_MEAN).set_width(2); },
            "columns[9].width", "is 2; must be 4 or 8 for a real"},
        SummaryRow{
            "CountsOneByteShort",
            [](auto& s) {
              ColumnOf(s, SUMMARY_COLUMN_FIRINGS).mutable_data()->pop_back();
            },
            "columns[1].data", "has 3 bytes; must have 1 or 4"},
        SummaryRow{"CountsOneByteMore",
                   [](auto& s) {
                     ColumnOf(s, SUMMARY_COLUMN_FIRINGS)
                         .mutable_data()
                         ->push_back('\0');
                   },
                   "columns[1].data", "has 5 bytes; must have 1 or 4"},
        SummaryRow{"EmptyCounts",
                   [](auto& s) {
                     ColumnOf(s, SUMMARY_COLUMN_OBSERVATIONS).clear_data();
                   },
                   "columns[0].data", "has 0 bytes; must have 1 or 4"},
        SummaryRow{"TwoRealsForAll",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_MEAN, {1.0, 1.0});
                   },
                   "columns[9].data", "has 16 bytes; must have 8 or 32"}),
    NameOf<v1::UnitSummary>);

INSTANTIATE_TEST_SUITE_P(
    ImplausibleFigures, SummaryTest,
    ::testing::Values(
        SummaryRow{"FiringsBeyondObservations",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_FIRINGS, {2, 1, 3, 0});
                   },
                   "columns",
                   "SUMMARY_COLUMN_FIRINGS of unit 2 is 3; at most "
                   "SUMMARY_COLUMN_OBSERVATIONS, 2"},
        SummaryRow{"PositivesBeyondObservations",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_POSITIVES, {3, 0, 0, 0});
                   },
                   "columns", "SUMMARY_COLUMN_POSITIVES of unit 0 is 3"},
        SummaryRow{"ZerosBeyondObservations",
                   [](auto& s) { SetCounts(s, SUMMARY_COLUMN_ZEROS, {3}); },
                   "columns", "SUMMARY_COLUMN_ZEROS of unit 0 is 3"},
        SummaryRow{"ClosedHighBeyondObservations",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_CLOSED_HIGH, {0, 0, 0, 9});
                   },
                   "columns", "SUMMARY_COLUMN_CLOSED_HIGH of unit 3 is 9"},
        SummaryRow{"ClustersBeyondObservations",
                   [](auto& s) { SetCounts(s, SUMMARY_COLUMN_CLUSTERS, {3}); },
                   "columns", "SUMMARY_COLUMN_CLUSTERS of unit 0 is 3"},
        SummaryRow{"FiringClustersBeyondClusters",
                   [](auto& s) { SetCounts(s, SUMMARY_COLUMN_CLUSTERS, {1}); },
                   "columns",
                   "SUMMARY_COLUMN_FIRING_CLUSTERS of unit 0 is 2; at most "
                   "SUMMARY_COLUMN_CLUSTERS, 1"},
        SummaryRow{"FiringClustersBeyondFirings",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_FIRING_CLUSTERS, {2, 2, 1, 0});
                   },
                   "columns",
                   "SUMMARY_COLUMN_FIRING_CLUSTERS of unit 1 is 2; at most "
                   "SUMMARY_COLUMN_FIRINGS, 1"},
        SummaryRow{"CountThatWouldWrap",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_OBSERVATIONS,
                               {(std::uint64_t{1} << 40U) + 1U});
                   },
                   "columns", "is 1099511627777; at most 1099511627776"},
        SummaryRow{"NonFiniteThatWouldWrap",
                   [](auto& s) {
                     SetCounts(s, SUMMARY_COLUMN_NON_FINITE,
                               {0, 0, 0, ~std::uint64_t{0}});
                   },
                   "columns", "SUMMARY_COLUMN_NON_FINITE is 18446744073709"},
        SummaryRow{"MeanNan",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_MEAN, {0, 0, kNan, 0});
                   },
                   "columns",
                   "SUMMARY_COLUMN_MEAN of unit 2 is nan; must be finite"},
        SummaryRow{"MinInfiniteAlthoughObserved",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_MIN, {0, 0, 0, kInfinity});
                   },
                   "columns", "SUMMARY_COLUMN_MIN of unit 3 is inf"},
        SummaryRow{"M2Negative",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_M2, {0, -1e-9, 0, 0});
                   },
                   "columns", "SUMMARY_COLUMN_M2 of unit 1 is -1e-09"},
        SummaryRow{"AbsSumNegative",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_ABS_SUM, {-2, 0, 0, 0});
                   },
                   "columns", "SUMMARY_COLUMN_ABS_SUM of unit 0 is -2"},
        SummaryRow{"MinAboveMax",
                   [](auto& s) {
                     SetReals(s, SUMMARY_COLUMN_MIN, {9, 0, 0, 0});
                   },
                   "columns",
                   "SUMMARY_COLUMN_MIN of unit 0 is 9; must be at most "
                   "SUMMARY_COLUMN_MAX"}),
    NameOf<v1::UnitSummary>);

TEST(SummaryCodecTest, ReadsASketch) {
  v1::UnitSummary summary = MakeSummary();
  v1::QuantileSketch& sketch = *summary.mutable_sketch();
  sketch.set_zero_count(1);
  sketch.set_positive_offset(35'487);
  for (const std::uint64_t count : {2U, 0U}) sketch.add_positive_counts(count);
  sketch.set_negative_offset(-37'220);
  for (const std::uint64_t count : {0U, 3U}) sketch.add_negative_counts(count);

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->sketch.zeros(), 1U);
  EXPECT_EQ(decoded->sketch.positive().first(), 35'487);
  EXPECT_THAT(decoded->sketch.positive().counts(), ElementsAre(2));
  EXPECT_EQ(decoded->sketch.negative().first(), -37'219);
  EXPECT_THAT(decoded->sketch.negative().counts(), ElementsAre(3));
}

TEST(DecodeSummaryTest, ReadsEveryColumn) {
  const auto summary = Decode(MakeSummary());

  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->columns, kAllColumns);
  EXPECT_TRUE(summary->observations.is_uniform());
  EXPECT_EQ(summary->observations, core::UnitCounts(kUnits, 2));
  EXPECT_EQ(summary->clusters, core::UnitCounts(kUnits, 2));
  EXPECT_EQ(summary->non_finite, core::UnitCounts(kUnits, 0));
  EXPECT_THAT(summary->firings, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(summary->firing_clusters, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(summary->positives, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(summary->closed_high, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(summary->zeros, ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(summary->abs_sum, ElementsAre(2.0, 1.0, 2.0, 0.0));
  EXPECT_THAT(summary->mean, ElementsAre(1.0, 0.5, 1.0, 0.0));
  EXPECT_THAT(summary->m2, ElementsAre(0.0, 0.5, 2.0, 0.0));
  EXPECT_THAT(summary->min, ElementsAre(1.0, 0.0, 0.0, 0.0));
  EXPECT_THAT(summary->max, ElementsAre(1.0, 1.0, 2.0, 0.0));
}

TEST(DecodeSummaryTest, KnowsNoStepYet) {
  const auto summary = Decode(MakeSummary());

  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(summary->last_firing_step, Each(core::kNeverFired));
  EXPECT_THAT(summary->first_seen_step, Each(core::kNeverSeen));
}

class CountWidthTest : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(CountWidthTest, IsReadToItsGreatestCount) {
  const std::uint64_t greatest =
      GetParam() == 8 ? std::uint64_t{1} << 40U
                      : (std::uint64_t{1} << (8U * GetParam())) - 1U;
  v1::UnitSummary summary = MakeSummary();
  ColumnOf(summary, SUMMARY_COLUMN_OBSERVATIONS) =
      MakeCounts(SUMMARY_COLUMN_OBSERVATIONS, GetParam(),
                 std::vector<std::uint64_t>{greatest, 2, 3, greatest - 1});

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->observations[0], greatest);
  EXPECT_EQ(decoded->observations[1], 2U);
  EXPECT_EQ(decoded->observations[2], 3U);
  EXPECT_EQ(decoded->observations[3], greatest - 1);
}

INSTANTIATE_TEST_SUITE_P(Widths, CountWidthTest,
                         ::testing::Values(1U, 2U, 4U, 8U),
                         ::testing::PrintToStringParamName());

TEST(DecodeSummaryTest, RealsMayBeBinary32) {
  v1::UnitSummary summary = MakeSummary();
  v1::SummaryColumnData& mean = ColumnOf(summary, SUMMARY_COLUMN_MEAN);
  mean.set_width(4);
  mean.set_data(BytesOf(std::array{0.1F, -3.5F, 1e-40F, 3e38F}));

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->mean, ElementsAre(static_cast<double>(0.1F), -3.5,
                                         static_cast<double>(1e-40F),
                                         static_cast<double>(3e38F)));
}

TEST(DecodeSummaryTest, OneEntryStandsForEveryUnit) {
  v1::UnitSummary summary = MakeSummary();
  for (const v1::SummaryColumn column :
       {SUMMARY_COLUMN_FIRINGS, SUMMARY_COLUMN_FIRING_CLUSTERS,
        SUMMARY_COLUMN_POSITIVES}) {
    ColumnOf(summary, column) =
        MakeCounts(column, 2, std::vector<std::uint64_t>{2});
  }

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->firings, ElementsAre(2, 2, 2, 2));
}

TEST(DecodeSummaryTest, OneRealStandsForEveryUnit) {
  v1::UnitSummary summary = MakeSummary();
  SetReals(summary, SUMMARY_COLUMN_MIN, {0.0});

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->min, ElementsAre(0.0, 0.0, 0.0, 0.0));
}

void Derive(v1::UnitSummary& summary, v1::SummaryColumn column) {
  ColumnOf(summary, column).set_width(0);
  ColumnOf(summary, column).clear_data();
}

// FIRINGS, FIRING_CLUSTERS and POSITIVES of its ReLU agree.
TEST(DecodeSummaryTest, DerivesWhatFollowsFromOtherColumns) {
  v1::UnitSummary summary = MakeSummary();
  for (const v1::SummaryColumn column :
       {SUMMARY_COLUMN_FIRING_CLUSTERS, SUMMARY_COLUMN_POSITIVES,
        SUMMARY_COLUMN_ZEROS, SUMMARY_COLUMN_ABS_SUM}) {
    Derive(summary, column);
  }

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->firing_clusters, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(decoded->positives, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(decoded->zeros, ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(decoded->abs_sum, ElementsAre(2.0, 1.0, 2.0, 0.0));
  EXPECT_EQ(core::Fingerprint(*decoded),
            core::Fingerprint(*Decode(MakeSummary())));
}

TEST(DecodeSummaryTest, ADerivedSumIsAsPreciseAsTheMean) {
  v1::UnitSummary summary = MakeSummary();
  Derive(summary, SUMMARY_COLUMN_ABS_SUM);
  SetCounts(summary, SUMMARY_COLUMN_OBSERVATIONS, {3, 3, 3, 3});
  SetReals(summary, SUMMARY_COLUMN_MEAN, {0.1, 0.1, 0.1, 0.1});
  EXPECT_EQ(Decode(summary)->abs_sum[0], 0.1 * 3.0);

  v1::SummaryColumnData& mean = ColumnOf(summary, SUMMARY_COLUMN_MEAN);
  mean.set_width(4);
  mean.set_data(BytesOf(std::array{0.1F, 3e38F, -3e38F, 1e-40F}));
  SetReals(summary, SUMMARY_COLUMN_MIN, {0.0, 0.0, -4e38, 0.0});
  SetReals(summary, SUMMARY_COLUMN_MAX, {1.0, 4e38, -1e38, 1.0});

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->abs_sum[0],
            static_cast<double>(static_cast<float>(double{0.1F} * 3.0)));
  EXPECT_EQ(decoded->abs_sum[1], double{3e38F} * 3.0) << "no binary32 holds it";
  EXPECT_EQ(decoded->abs_sum[2], double{3e38F} * 3.0);
}

TEST(DecodeSummaryTest, ASumOfBothSignsCannotBeDerived) {
  v1::UnitSummary summary = MakeSummary();
  Derive(summary, SUMMARY_COLUMN_ABS_SUM);
  SetReals(summary, SUMMARY_COLUMN_MIN, {1.0, -1.0, 0.0, 0.0});

  EXPECT_THAT(Decode(summary),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ABS_SUM cannot be derived: the values of "
                                 "unit 1 are of both signs")));
}

TEST(DecodeSummaryTest, ADerivedColumnHasNoData) {
  v1::UnitSummary summary = MakeSummary();
  ColumnOf(summary, SUMMARY_COLUMN_ZEROS).set_width(0);

  EXPECT_THAT(Decode(summary),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a derived column has none")));
}

TEST(DecodeSummaryTest, MorePositivesThanObservationsAreRefused) {
  v1::UnitSummary summary = MakeSummary();
  Derive(summary, SUMMARY_COLUMN_ZEROS);
  SetCounts(summary, SUMMARY_COLUMN_POSITIVES, {3, 1, 1, 0});

  EXPECT_THAT(Decode(summary),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("SUMMARY_COLUMN_POSITIVES of unit 0 is 3")));
}

TEST(DecodeSummaryTest, WithoutFiringsPositivesFollowFromNothing) {
  core::ColumnSet columns = kAllColumns;
  columns.firings = false;
  v1::UnitSummary summary = MakeSummary();
  RemoveColumn(summary, SUMMARY_COLUMN_FIRINGS);
  RemoveColumn(summary, SUMMARY_COLUMN_FIRING_CLUSTERS);
  Derive(summary, SUMMARY_COLUMN_POSITIVES);

  EXPECT_THAT(Decode(summary, columns),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is 0; must be 1, 2, 4 or 8")));
}

TEST(DecodeSummaryTest, ColumnsMayComeInAnyOrder) {
  v1::UnitSummary summary = MakeSummary();
  std::reverse(summary.mutable_columns()->begin(),
               summary.mutable_columns()->end());

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(core::Fingerprint(*decoded),
            core::Fingerprint(*Decode(MakeSummary())));
}

TEST(DecodeSummaryTest, WhereTheStepIsTheClusterThereAreNoClusterColumns) {
  v1::UnitSummary summary = MakeSummary();
  summary.set_cluster_is_step(true);
  RemoveColumn(summary, SUMMARY_COLUMN_CLUSTERS);
  RemoveColumn(summary, SUMMARY_COLUMN_FIRING_CLUSTERS);

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_FALSE(decoded->columns.clusters);
  EXPECT_EQ(decoded->firing_clusters.size(), 0);
}

TEST(DecodeSummaryTest, ColumnsThatTheSignalDoesNotNeedAreRefused) {
  core::ColumnSet columns = kAllColumns;
  columns.gate = false;

  EXPECT_THAT(Decode(MakeSummary(), columns),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("SUMMARY_COLUMN_POSITIVES is not a column")));
}

TEST(DecodeSummaryTest, WithoutFiringsThereAreNoFiringClusters) {
  core::ColumnSet columns = kAllColumns;
  columns.firings = false;
  v1::UnitSummary summary = MakeSummary();
  RemoveColumn(summary, SUMMARY_COLUMN_FIRINGS);
  RemoveColumn(summary, SUMMARY_COLUMN_FIRING_CLUSTERS);

  const auto decoded = Decode(summary, columns);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->clusters, core::UnitCounts(kUnits, 2));
}

// A summary of a signal that may carry proofs.
class DecodeProofTest : public ::testing::Test {
 protected:
  [[nodiscard]] absl::StatusOr<core::UnitSummary> DecodeWith(
      const std::vector<std::uint64_t>& proven) {
    *summary_.add_columns() = MakeCounts(SUMMARY_COLUMN_PROVEN, 1, proven);
    return Decode(summary_, columns_);
  }

  v1::UnitSummary summary_ = MakeSummary();
  core::ColumnSet columns_{.firings = true,
                           .clusters = true,
                           .gate = true,
                           .moments = true,
                           .proof = true};
};

TEST_F(DecodeProofTest, CarriesTheProofs) {
  const auto decoded = DecodeWith({2, 0, 0, 2});

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->proven, ElementsAre(2, 0, 0, 2));
}

TEST_F(DecodeProofTest, WithoutTheColumnNothingIsProven) {
  const auto decoded = Decode(summary_, columns_);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(decoded->proven, Each(0));
}

TEST_F(DecodeProofTest, MoreProofsThanObservationsAreRefused) {
  EXPECT_THAT(DecodeWith({2, 3, 0, 0}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("SUMMARY_COLUMN_PROVEN of unit 1 is 3; at "
                                 "most SUMMARY_COLUMN_OBSERVATIONS, 2")));
}

TEST_F(DecodeProofTest, OfASignalWithoutProofsTheyAreRefused) {
  columns_.proof = false;

  EXPECT_THAT(DecodeWith({2, 0, 0, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("SUMMARY_COLUMN_PROVEN is not a column")));
}

TEST(DecodeSummaryTest, AnUnobservedUnitIsTheIdentityWhateverWasSent) {
  v1::UnitSummary summary = MakeSummaryWithAnUnobservedUnit();
  SetReals(summary, SUMMARY_COLUMN_MEAN, {1.0, 0.5, kNan, 0.0});
  SetReals(summary, SUMMARY_COLUMN_MIN, {1.0, 0.0, -7.0, 0.0});
  SetReals(summary, SUMMARY_COLUMN_MAX, {1.0, 1.0, -9.0, 0.0});

  const auto decoded = Decode(summary);

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->mean[2], 0.0);
  EXPECT_EQ(decoded->m2[2], 0.0);
  EXPECT_EQ(decoded->abs_sum[2], 0.0);
  EXPECT_EQ(decoded->min[2], kInfinity);
  EXPECT_EQ(decoded->max[2], -kInfinity);
}

TEST(DecodeSummaryTest, ASignalWithoutUnitsIsRefused) {
  v1::UnitSummary summary = MakeSummary();
  summary.set_unit_count(0);

  EXPECT_THAT(DecodeSummary(summary, kAllColumns, 0, Limits{}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("declared no units")));
}

TEST(DecodeSummaryTest, ASingleUnitNeedsNoUniformForm) {
  v1::UnitSummary summary;
  summary.set_unit_count(1);
  summary.set_cluster_is_step(true);
  for (const v1::SummaryColumn column :
       {SUMMARY_COLUMN_OBSERVATIONS, SUMMARY_COLUMN_NON_FINITE}) {
    *summary.add_columns() =
        MakeCounts(column, 1, std::vector<std::uint64_t>{1});
  }

  const auto decoded = DecodeSummary(summary, core::ColumnSet{}, 1, Limits{});

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->observations[0], 1U);
}

}  // namespace
}  // namespace firekeeper::server
