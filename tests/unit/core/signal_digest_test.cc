#include "core/signal_digest.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/reduce.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::IsOk;

constexpr ColumnSet kAllColumns = {
    .firings = true, .clusters = true, .gate = true, .moments = true};
constexpr StepRange kSteps = {.first = 0, .end = 1};

using Rows = std::vector<std::vector<double>>;

// Each row a cluster, each column a unit.
UnitSummary Summarise(const Rows& rows) {
  std::vector<double> values;
  for (const auto& row : rows) {
    values.insert(values.end(), row.begin(), row.end());
  }
  const std::array<std::int64_t, 2> shape = {
      static_cast<std::int64_t>(rows.size()),
      static_cast<std::int64_t>(rows.front().size())};
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF64, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  return *ReduceReference(view, {.rule = FiringRule::Positive(),
                                 .columns = kAllColumns,
                                 .zeros_may_be_underflow = false});
}

SignalDigest Digest(const Rows& rows) {
  return DigestOf(Summarise(rows), kSteps);
}

TEST(SignalDigestTest, PoolsUnits) {
  const SignalDigest digest = Digest({{1.0, 0.0}, {3.0, 0.0}, {2.0, -6.0}});

  EXPECT_EQ(digest.units, 2U);
  EXPECT_EQ(digest.observations, 3U);
  EXPECT_EQ(digest.clusters, 3U);
  EXPECT_EQ(digest.total_observations, 6U);
  EXPECT_EQ(digest.units_never_fired, 1U);
  EXPECT_EQ(digest.units_always_positive, 1U);
  EXPECT_DOUBLE_EQ(*digest.firing_ratio, 0.5);
  EXPECT_DOUBLE_EQ(*digest.zero_ratio, 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(digest.mean, 0.0);
  EXPECT_DOUBLE_EQ(digest.mean_absolute, 2.0);
  EXPECT_DOUBLE_EQ(digest.root_mean_square, std::sqrt(50.0 / 6.0));
  EXPECT_DOUBLE_EQ(digest.min, -6.0);
  EXPECT_DOUBLE_EQ(digest.max, 3.0);
  EXPECT_DOUBLE_EQ(digest.mean_square_of_means, 4.0);
  EXPECT_DOUBLE_EQ(digest.mean_variance, (2.0 / 3.0 + 8.0) / 2.0);
}

TEST(SignalDigestTest, OfAnySplitEqualsThatOfTheWhole) {
  std::mt19937 engine(7);
  std::normal_distribution<double> normal(0.5, 2.0);
  Rows rows(60, std::vector<double>(9));
  for (auto& row : rows) {
    for (double& value : row) value = std::max(0.0, normal(engine));
  }
  const SignalDigest whole = Digest(rows);
  for (const std::ptrdiff_t cut : {1, 17, 59}) {
    UnitSummary merged = Summarise({rows.begin(), rows.begin() + cut});
    ASSERT_THAT(merged.Merge(Summarise({rows.begin() + cut, rows.end()})),
                IsOk());

    const SignalDigest split = DigestOf(merged, kSteps);

    EXPECT_EQ(split.units_never_fired, whole.units_never_fired);
    EXPECT_EQ(split.total_observations, whole.total_observations);
    EXPECT_EQ(split.clusters, whole.clusters);
    EXPECT_DOUBLE_EQ(*split.firing_ratio, *whole.firing_ratio);
    EXPECT_NEAR(split.mean, whole.mean, 1e-12);
    EXPECT_NEAR(split.mean_variance, whole.mean_variance, 1e-12);
    EXPECT_NEAR(split.mean_square_of_means, whole.mean_square_of_means, 1e-12);
    EXPECT_NEAR(split.unit_spread, whole.unit_spread, 1e-12);
  }
}

TEST(SignalDigestTest, SecondMomentsAddUp) {
  const SignalDigest digest = Digest({{1.0, -4.0}, {2.5, 7.0}, {-1.0, 0.5}});

  EXPECT_NEAR(digest.mean_square_of_means + digest.mean_variance,
              digest.root_mean_square * digest.root_mean_square, 1e-12);
}

TEST(SignalDigestTest, IdenticalUnitsHaveNoSpread) {
  EXPECT_EQ(Digest({{1.0, 1.0}, {-2.0, -2.0}}).unit_spread, 0.0);
  EXPECT_EQ(Digest({{0.0, 0.0}, {0.0, 0.0}}).unit_spread, 0.0);
}

TEST(SignalDigestTest, SpreadIsRelative) {
  const SignalDigest digest = Digest({{1e6, 1e6 + 1.0}, {-1e6, -1e6}});

  EXPECT_GT(digest.unit_spread, 5e-7);
  EXPECT_LT(digest.unit_spread, 2e-6);
}

TEST(SignalDigestTest, CountsConstantUnits) {
  const SignalDigest digest = Digest({{0.0, 5.0, 1.0}, {0.0, 5.0, 2.0}});

  EXPECT_EQ(digest.units_all_zero, 1U);
  EXPECT_EQ(digest.units_constant, 2U);
}

TEST(SignalDigestTest, NonFiniteValuesEnterNoOtherFigure) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const SignalDigest digest = Digest({{1.0, nan}, {3.0, nan}});

  EXPECT_EQ(digest.non_finite, 2U);
  EXPECT_EQ(digest.unit_count, 2U);
  EXPECT_EQ(digest.units, 1U);
  EXPECT_EQ(digest.units_never_fired, 0U);
  EXPECT_DOUBLE_EQ(digest.mean, 2.0);
  EXPECT_DOUBLE_EQ(digest.unit_spread, 0.0);
  EXPECT_DOUBLE_EQ(digest.max, 3.0);
}

TEST(SignalDigestTest, OfNothingIsEmpty) {
  const SignalDigest digest = DigestOf(UnitSummary(4, kAllColumns), kSteps);

  EXPECT_EQ(digest.unit_count, 4U);
  EXPECT_EQ(digest.units, 0U);
  EXPECT_FALSE(digest.has_moments);
  EXPECT_FALSE(digest.firing_ratio.has_value());
  EXPECT_FALSE(CosineOf(digest).has_value());
}

TEST(SignalDigestTest, ValuesWithoutFiniteSquaresHaveNoCosine) {
  const SignalDigest digest = Digest({{1e200}, {-1e200}});

  EXPECT_FALSE(CosineOf(digest).has_value());
  EXPECT_FALSE(OffsetOf(digest).has_value());
}

TEST(SignalDigestTest, LacksWhatTheSummaryLacks) {
  UnitSummary summary(2, {.moments = true});
  summary.observations.AddUniform(3);

  const SignalDigest digest = DigestOf(summary, kSteps);

  EXPECT_FALSE(digest.firing_ratio.has_value());
  EXPECT_FALSE(digest.zero_ratio.has_value());
  EXPECT_EQ(digest.clusters, 0U);
  EXPECT_TRUE(digest.has_moments);
}

TEST(SignalDigestTest, CosineOfCentredDataIsNothing) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal;
  Rows rows(64, std::vector<double>(200));
  for (auto& row : rows) {
    for (double& value : row) value = normal(engine);
  }

  // The means of 64 examples alone would give 1 / 64.
  EXPECT_LT(*CosineOf(Digest(rows)), 0.003);
}

TEST(SignalDigestTest, OffsetIsMeanOverDeviation) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal(10.0, 1.0);
  Rows rows(64, std::vector<double>(200));
  for (auto& row : rows) {
    for (double& value : row) value = normal(engine);
  }

  EXPECT_NEAR(*OffsetOf(Digest(rows)), 10.0, 0.3);
  EXPECT_NEAR(*CosineOf(Digest(rows)), 100.0 / 101.0, 1e-3);
}

TEST(SignalDigestTest, OffsetOfWhatNeverVariesIsInfinite) {
  EXPECT_TRUE(std::isinf(*OffsetOf(Digest({{5.0, 5.0}, {5.0, 5.0}}))));
}

TEST(SignalDigestTest, OneExampleHasNoOffset) {
  EXPECT_FALSE(OffsetOf(Digest({{5.0, 4.0}})).has_value());
}

TEST(SignalDigestTest, ShareEntropyIsThatOfGuessing) {
  const SignalDigest digest =
      Digest({{1.0, 0.0}, {1.0, 0.0}, {1.0, 0.0}, {0.0, 1.0}});

  EXPECT_NEAR(*digest.share_entropy,
              -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-12);
  EXPECT_FALSE(Digest({{1.0, 1.0}, {1.0, 0.0}}).share_entropy.has_value());
}

}  // namespace
}  // namespace firekeeper::core
