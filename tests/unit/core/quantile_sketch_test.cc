#include "core/quantile_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace firekeeper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();

QuantileSketch SketchOf(const std::vector<double>& values) {
  QuantileSketch sketch;
  for (const double value : values) sketch.Add(value);
  return sketch;
}

// STATISTICS.md 6: 2e5 log-normal values.
std::vector<double> LogNormalValues() {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> distribution(0.0, 1.5);
  std::vector<double> values(200'000);
  for (double& value : values) value = distribution(random);
  return values;
}

TEST(QuantileSketchTest, EveryQuantileIsWithinOnePercent) {
  std::vector<double> values = LogNormalValues();
  // Both signs, and zeros between them.
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = -values[i];
  for (std::size_t i = 1; i < values.size(); i += 7) values[i] = 0.0;
  const QuantileSketch sketch = SketchOf(values);
  std::sort(values.begin(), values.end());

  for (int i = 0; i <= 1000; ++i) {
    const double q = i / 1000.0;
    const auto rank =
        static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
    const auto quantile = sketch.Quantile(q);
    ASSERT_TRUE(quantile.has_value());
    EXPECT_NEAR(*quantile, values[rank],
                QuantileSketch::kRelativeAccuracy * std::abs(values[rank]) *
                    (1.0 + 1e-9))
        << "at " << q;
  }
}

TEST(QuantileSketchTest, AnySplitAndOrderGivesTheSameSketch) {
  std::vector<double> values = LogNormalValues();
  const QuantileSketch whole = SketchOf(values);
  std::mt19937_64 random(5);
  std::shuffle(values.begin(), values.end(), random);

  std::vector<QuantileSketch> parts(7);
  for (const double value : values) parts[random() % parts.size()].Add(value);
  QuantileSketch merged;
  for (const QuantileSketch& part : parts) merged.Merge(part);

  EXPECT_EQ(merged, whole);
  EXPECT_EQ(merged.Total(), values.size());
}

TEST(QuantileSketchTest, TheLowestBucketsGiveWayInAnyOrder) {
  // Far more than kMaxBuckets between the smallest and the largest.
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> exponent(-300.0, 300.0);
  std::vector<double> values(2'000);
  for (double& value : values) value = std::pow(10.0, exponent(random));
  const QuantileSketch whole = SketchOf(values);

  QuantileSketch merged;
  std::sort(values.begin(), values.end());
  for (std::size_t i = 0; i < values.size(); i += 100) {
    QuantileSketch part;
    for (std::size_t j = i; j < i + 100; ++j) part.Add(values[j]);
    merged.Merge(part);
  }

  EXPECT_EQ(merged, whole);
  EXPECT_EQ(whole.Total(), values.size());
  EXPECT_EQ(whole.positive().counts().size(), SketchBuckets::kMaxBuckets);
  EXPECT_EQ(whole.positive().first() +
                static_cast<std::int32_t>(SketchBuckets::kMaxBuckets) - 1,
            QuantileSketch::BucketOf(values.back()));
  EXPECT_LE(whole.MemoryUsed(), QuantileSketch::kMaxBytes);
}

TEST(QuantileSketchTest, ABucketEndsWithItsBound) {
  for (const std::int32_t bucket : {-35'000, -1, 0, 1, 2, 749, 35'000}) {
    const double bound = QuantileSketch::UpperBound(bucket);

    EXPECT_EQ(QuantileSketch::BucketOf(bound * (1.0 - 1e-9)), bucket);
    EXPECT_EQ(QuantileSketch::BucketOf(-bound * (1.0 + 1e-9)), bucket + 1);
  }
  EXPECT_EQ(QuantileSketch::BucketOf(1.0), 0);
}

TEST(QuantileSketchTest, TakesEveryFiniteDouble) {
  const QuantileSketch sketch =
      SketchOf({kLargest, -kLargest, kSmallest, -kSmallest, 0.0, -0.0});

  EXPECT_EQ(QuantileSketch::BucketOf(kSmallest), QuantileSketch::kMinBucket);
  EXPECT_EQ(QuantileSketch::BucketOf(kLargest), QuantileSketch::kMaxBucket);
  EXPECT_EQ(sketch.zeros(), 2U);
  EXPECT_EQ(sketch.Total(), 6U);
  const auto quantile = sketch.Quantile(1.0);
  ASSERT_TRUE(quantile.has_value());
  EXPECT_NEAR(*quantile / kLargest, 1.0, QuantileSketch::kRelativeAccuracy);
}

TEST(QuantileSketchTest, OfNothingThereIsNoQuantile) {
  EXPECT_TRUE(QuantileSketch().empty());
  EXPECT_EQ(QuantileSketch().Quantile(0.5), std::nullopt);
  EXPECT_THAT(SketchOf({0.0}).Quantile(0.5), Optional(0.0));
}

TEST(QuantileSketchTest, CountsOfNothingTakeNoRoom) {
  SketchBuckets buckets;
  buckets.Add(9, 0);
  buckets.Add(4, 2);
  buckets.Add(9, 0);

  EXPECT_EQ(buckets.first(), 4);
  EXPECT_THAT(buckets.counts(), ElementsAre(2));
}

TEST(QuantileSketchTest, IsChargedTheSameHoweverItGrew) {
  SketchBuckets grown;
  for (int bucket = 0; bucket < 300; ++bucket) grown.Add(bucket, 1);
  SketchBuckets at_once;
  at_once.Add(0, std::vector<std::uint64_t>(300, 1));
  const SketchBuckets copied = grown;  // as large as its content

  EXPECT_EQ(grown.MemoryUsed(), at_once.MemoryUsed());
  EXPECT_EQ(grown.MemoryUsed(), copied.MemoryUsed());
  EXPECT_GE(grown.MemoryUsed(), 300 * sizeof(std::uint64_t));
  EXPECT_EQ(SketchBuckets().MemoryUsed(), 0U);
}

}  // namespace
}  // namespace firekeeper::core
