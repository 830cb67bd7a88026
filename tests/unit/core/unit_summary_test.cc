#include "core/unit_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/reduce.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-12;

constexpr ColumnSet kAllColumns = {
    .firings = true, .clusters = true, .gate = true, .moments = true};

using Rows = std::vector<std::vector<double>>;

// The summary of rows of units, each row a cluster.
UnitSummary Summarise(const Rows& rows, Index units, std::int64_t step = 0) {
  std::vector<double> values;
  for (const auto& row : rows) {
    values.insert(values.end(), row.begin(), row.end());
  }
  const std::array<std::int64_t, 2> shape = {
      static_cast<std::int64_t>(rows.size()), units};
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF64, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  // Chunks of a stream see the same zeros; only a whole snapshot may say that
  // they are underflow.
  UnitSummary summary =
      *ReduceReference(view, {.rule = FiringRule::Positive(),
                              .columns = kAllColumns,
                              .zeros_may_be_underflow = false});
  summary.StampStep(step);
  return summary;
}

UnitSummary Merged(UnitSummary a, const UnitSummary& b) {
  EXPECT_THAT(a.Merge(b), IsOk());
  return a;
}

void ExpectNear(const Eigen::ArrayXd& actual, const Eigen::ArrayXd& expected,
                double floor) {
  for (Index i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i],
                kTolerance * std::max(std::abs(expected[i]), floor));
  }
}

// `size` is that of the values: means near zero are sums that cancel.
void ExpectSame(const UnitSummary& actual, const UnitSummary& expected,
                double size = 0.0) {
  EXPECT_EQ(Fingerprint(actual), Fingerprint(expected));
  EXPECT_EQ(actual.observations, expected.observations);
  EXPECT_EQ(actual.clusters, expected.clusters);
  EXPECT_EQ(actual.non_finite, expected.non_finite);
  EXPECT_TRUE((actual.firings == expected.firings).all());
  EXPECT_TRUE((actual.firing_clusters == expected.firing_clusters).all());
  EXPECT_TRUE((actual.positives == expected.positives).all());
  EXPECT_TRUE((actual.closed_high == expected.closed_high).all());
  EXPECT_TRUE((actual.zeros == expected.zeros).all());
  EXPECT_TRUE((actual.min == expected.min).all());
  EXPECT_TRUE((actual.max == expected.max).all());
  EXPECT_TRUE((actual.last_firing_step == expected.last_firing_step).all());
  EXPECT_TRUE((actual.first_seen_step == expected.first_seen_step).all());
  ExpectNear(actual.abs_sum, expected.abs_sum, 0.0);
  ExpectNear(actual.mean, expected.mean, size);
  ExpectNear(actual.m2, expected.m2, 0.0);
}

// The kinds of data on which every law must hold.
struct LawData {
  const char* name;
  double (*draw)(std::mt19937_64&);
  double size;  // of the values
};

double Normal(std::mt19937_64& generator) {
  return std::normal_distribution<double>()(generator);
}

double WithNonFinite(std::mt19937_64& generator) {
  switch (generator() % 10) {
    case 0:
      return std::nan("");
    case 1:
      return kInfinity;
    case 2:
      return -kInfinity;
    default:
      return Normal(generator);
  }
}

double WithZeros(std::mt19937_64& generator) {
  const std::array<double, 3> values = {0.0, -0.0, 1.0};
  return values[generator() % values.size()];
}

double Subnormal(std::mt19937_64& generator) {
  return std::numeric_limits<double>::denorm_min() *
         static_cast<double>(generator() % 1000);
}

double Negative(std::mt19937_64& generator) {
  return -1.0 - std::abs(Normal(generator));
}

double Equal(std::mt19937_64& /*generator*/) { return 0.1; }

constexpr std::array<LawData, 6> kLawData = {{
    {"Normal", Normal, 1.0},
    {"NonFinite", WithNonFinite, 1.0},
    {"Zeros", WithZeros, 1.0},
    {"Subnormal", Subnormal, 1e-308},
    {"Negative", Negative, 1.0},
    {"Equal", Equal, 1.0},
}};

class UnitSummaryLawTest : public ::testing::TestWithParam<LawData> {
 protected:
  static constexpr Index kUnits = 5;

  Rows Draw(std::size_t count) {
    Rows rows(count, std::vector<double>(kUnits));
    for (auto& row : rows) {
      for (double& value : row) value = GetParam().draw(generator_);
    }
    return rows;
  }

  UnitSummary DrawSummary(std::int64_t step) {
    return Summarise(Draw(1 + generator_() % 30), kUnits, step);
  }

  std::mt19937_64 generator_{42};
};

TEST_P(UnitSummaryLawTest, AFreshSummaryIsTheIdentity) {
  const UnitSummary summary = DrawSummary(3);
  const UnitSummary identity(kUnits, kAllColumns);

  ExpectSame(Merged(summary, identity), summary);
  ExpectSame(Merged(identity, summary), summary);
  EXPECT_TRUE((Merged(identity, summary).mean == summary.mean).all());
  EXPECT_TRUE((Merged(summary, identity).m2 == summary.m2).all());
}

TEST_P(UnitSummaryLawTest, MergeIsCommutative) {
  for (int i = 0; i < 20; ++i) {
    const UnitSummary a = DrawSummary(i);
    const UnitSummary b = DrawSummary(7);

    ExpectSame(Merged(a, b), Merged(b, a), GetParam().size);
  }
}

TEST_P(UnitSummaryLawTest, MergeIsAssociative) {
  for (int i = 0; i < 20; ++i) {
    const UnitSummary a = DrawSummary(i);
    const UnitSummary b = DrawSummary(7);
    const UnitSummary c = DrawSummary(12);

    ExpectSame(Merged(Merged(a, b), c), Merged(a, Merged(b, c)),
               GetParam().size);
  }
}

TEST_P(UnitSummaryLawTest, AnySplitInAnyOrderEqualsTheWhole) {
  for (int i = 0; i < 20; ++i) {
    const Rows rows = Draw(60);
    std::vector<Rows> parts(1 + generator_() % 8);
    for (const auto& row : rows) {
      parts[generator_() % parts.size()].push_back(row);
    }

    UnitSummary merged(kUnits, kAllColumns);
    for (const Rows& part : parts) {
      ASSERT_THAT(merged.Merge(Summarise(part, kUnits)), IsOk());
    }

    ExpectSame(merged, Summarise(rows, kUnits), GetParam().size);
  }
}

TEST_P(UnitSummaryLawTest, RangesOfUnitsMakeTheWhole) {
  const Rows rows = Draw(40);
  Rows left;
  Rows right;
  for (const auto& row : rows) {
    left.emplace_back(row.begin(), row.begin() + 2);
    right.emplace_back(row.begin() + 2, row.end());
  }

  UnitSummary merged(kUnits, kAllColumns);
  ASSERT_THAT(merged.MergeAt(2, Summarise(right, 3)), IsOk());
  ASSERT_THAT(merged.MergeAt(0, Summarise(left, 2)), IsOk());

  ExpectSame(merged, Summarise(rows, kUnits));
}

INSTANTIATE_TEST_SUITE_P(Data, UnitSummaryLawTest,
                         ::testing::ValuesIn(kLawData),
                         [](const ::testing::TestParamInfo<LawData>& data) {
                           return std::string(data.param.name);
                         });

TEST(UnitSummaryTest, RefusesOtherColumnsAndChangesNothing) {
  UnitSummary summary = Summarise({{1.0, 2.0}}, 2);
  const UnitSummary before = summary;

  EXPECT_THAT(summary.Merge(UnitSummary(2, {.moments = true})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("different columns")));

  ExpectSame(summary, before);
}

TEST(UnitSummaryTest, RefusesUnitsThatDoNotFitAndChangesNothing) {
  UnitSummary summary = Summarise({{1.0, 2.0}}, 2);
  const UnitSummary before = summary;
  const UnitSummary one = Summarise({{1.0}}, 1);

  for (const Index offset : {Index{2}, Index{-1}}) {
    EXPECT_THAT(summary.MergeAt(offset, one),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("cannot merge 1 units at")));
  }
  EXPECT_THAT(summary.Merge(Summarise({{1.0, 2.0, 3.0}}, 3)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("into a summary of 2")));

  ExpectSame(summary, before);
}

TEST(UnitSummaryTest, TakesASummaryOfNoUnitsAnywhereInside) {
  UnitSummary summary = Summarise({{1.0, 2.0}}, 2);
  const UnitSummary before = summary;

  EXPECT_THAT(summary.MergeAt(2, UnitSummary(0, kAllColumns)), IsOk());

  ExpectSame(summary, before);
}

// STATISTICS.md 5.1: {4, 7, 13, 16} has the variance 30 (n - 1) wherever it
// lies; every value and mean of the vectors is a double.
TEST(UnitSummaryTest, KeepsTheSpreadOfDataFarFromZero) {
  for (const double offset : {0.0, 1e8, 1e9, 1e12}) {
    UnitSummary merged(1, kAllColumns);
    for (const double value : {4.0, 7.0, 13.0, 16.0}) {
      ASSERT_THAT(merged.Merge(Summarise({{offset + value}}, 1)), IsOk());
    }

    EXPECT_NEAR(merged.m2[0] / 3.0, 30.0, 30.0 * 1e-4);
    EXPECT_NEAR(merged.mean[0], offset + 10.0, 1e-12 * (offset + 10.0));
  }
}

TEST(UnitSummaryTest, KeepsTheSpreadOfPairsFarFromZeroExactly) {
  for (const double offset : {1e8, 1e9, 1e12}) {
    const UnitSummary merged =
        Merged(Summarise({{offset + 4.0}, {offset + 16.0}}, 1),
               Summarise({{offset + 7.0}, {offset + 13.0}}, 1));

    EXPECT_EQ(merged.m2[0] / 3.0, 30.0);
    EXPECT_EQ(merged.mean[0], offset + 10.0);
  }
}

TEST(UnitSummaryTest, CountsAndWeighsExactlyAtHugeCounts) {
  constexpr std::uint64_t kMany = std::uint64_t{1} << 40U;
  UnitSummary summary(1, kAllColumns);
  summary.observations = UnitCounts(1, kMany);
  summary.clusters = UnitCounts(1, kMany);
  summary.firings[0] = kMany;
  summary.mean[0] = 2.0;
  summary.m2[0] = 1.0;
  UnitSummary other = summary;
  other.mean[0] = 4.0;

  ASSERT_THAT(summary.Merge(other), IsOk());

  EXPECT_EQ(summary.observations[0], 2 * kMany);
  EXPECT_EQ(summary.firings[0], 2 * kMany);
  EXPECT_EQ(summary.mean[0], 3.0);
  EXPECT_EQ(summary.m2[0], 2.0 + 2.0 * static_cast<double>(kMany));
}

TEST(UnitSummaryTest, HugeMeansBesideAnEmptySideStayFinite) {
  const UnitSummary huge = Summarise({{1e300}}, 1);
  const UnitSummary identity(1, kAllColumns);

  const UnitSummary merged = Merged(identity, huge);

  EXPECT_EQ(merged.mean[0], 1e300);
  EXPECT_EQ(merged.m2[0], 0.0);
}

TEST(UnitSummaryTest, IsEmptyWhereNothingWasObserved) {
  const UnitSummary summary = Summarise({{std::nan(""), 1.0}}, 2);

  EXPECT_EQ(summary.observations[0], 0U);
  EXPECT_EQ(summary.non_finite[0], 1U);
  EXPECT_EQ(summary.mean[0], 0.0);
  EXPECT_EQ(summary.min[0], kInfinity);
  EXPECT_EQ(summary.max[0], -kInfinity);
  EXPECT_EQ(summary.first_seen_step[0], kNeverSeen);
  EXPECT_EQ(summary.last_firing_step[0], kNeverFired);
}

TEST(UnitSummaryTest, StampsOnlyWhatWasSeenAndWhatFired) {
  UnitSummary summary = Summarise({{1.0, -1.0, std::nan("")}}, 3, 8);

  ASSERT_THAT(summary.Merge(Summarise({{-1.0, -1.0, 2.0}}, 3, 5)), IsOk());

  EXPECT_EQ(summary.last_firing_step[0], 8);
  EXPECT_EQ(summary.first_seen_step[0], 5);
  EXPECT_EQ(summary.last_firing_step[1], kNeverFired);
  EXPECT_EQ(summary.first_seen_step[1], 5);
  EXPECT_EQ(summary.last_firing_step[2], 5);
}

TEST(UnitSummaryTest, ScalesValuesAndKeepsCounts) {
  UnitSummary summary = Summarise({{-2.0}, {4.0}}, 1);

  summary.ScaleValues(0.5);

  EXPECT_EQ(summary.observations[0], 2U);
  EXPECT_EQ(summary.abs_sum[0], 3.0);
  EXPECT_EQ(summary.mean[0], 0.5);
  EXPECT_EQ(summary.m2[0], 4.5);
  EXPECT_EQ(summary.min[0], -1.0);
  EXPECT_EQ(summary.max[0], 2.0);
}

TEST(FingerprintTest, DiffersWhereAnyIntegerOrExtremeDiffers) {
  const UnitSummary base = Summarise({{1.0, -1.0}, {0.0, 2.0}}, 2);
  std::vector<UnitSummary> others(11, base);
  others[0].observations.AddUniform(1);
  others[1].clusters.AddUniform(1);
  others[2].firings[1] += 1;
  others[3].firing_clusters[0] += 1;
  others[4].positives[0] += 1;
  others[5].closed_high[0] += 1;
  others[6].zeros[0] += 1;
  others[7].non_finite.AddUniform(1);
  others[8].min[0] -= 1.0;
  others[9].max[0] += 1.0;
  others[10].columns.moments = false;

  for (const UnitSummary& other : others) {
    EXPECT_NE(Fingerprint(other), Fingerprint(base));
  }
}

TEST(FingerprintTest, IgnoresFormsSumsAndTheSignOfZero) {
  const UnitSummary base = Summarise({{0.0, 3.0}}, 2);
  UnitSummary other = base;
  other.observations = UnitCounts(2, 0);
  other.observations.AddAt(0, UnitCounts(1, 1));
  other.observations.AddAt(1, UnitCounts(1, 1));
  other.mean[0] += 1.0;
  other.abs_sum[0] += 1.0;
  other.m2[0] += 1.0;
  other.min[0] = -0.0;

  EXPECT_EQ(Fingerprint(other), Fingerprint(base));
}

TEST(UnitSummaryTest, ProofsAddUp) {
  const ColumnSet columns{.moments = true, .proof = true};
  UnitSummary whole(3, columns);
  UnitSummary part(2, columns);
  part.observations.AddUniform(4);
  part.proven = CountArray{{4, 0}};
  const std::uint32_t before = Fingerprint(part);

  ASSERT_THAT(whole.MergeAt(1, part), IsOk());
  ASSERT_THAT(whole.MergeAt(1, part), IsOk());

  EXPECT_EQ(whole.proven[0], 0U);
  EXPECT_EQ(whole.proven[1], 8U);
  EXPECT_EQ(whole.proven[2], 0U);
  part.proven[1] = 4;
  EXPECT_NE(Fingerprint(part), before) << "another content";
}

TEST(ColumnsForTest, HoldsWhatTheSignalNeeds) {
  EXPECT_EQ(ColumnsFor(Signal::kPreActivation, true), kAllColumns);
  EXPECT_EQ(ColumnsFor(Signal::kActivation, false),
            (ColumnSet{.clusters = true, .gate = true, .moments = true}));
  EXPECT_EQ(ColumnsFor(Signal::kOutputGradient, true),
            (ColumnSet{.firings = true, .clusters = true, .moments = true}));
  EXPECT_EQ(ColumnsFor(Signal::kWeight, true),
            (ColumnSet{.firings = true, .moments = true, .proof = true}));
  EXPECT_EQ(ColumnsFor(Signal::kBias, true),
            (ColumnSet{.firings = true, .moments = true}));
}

}  // namespace
}  // namespace firekeeper::core
