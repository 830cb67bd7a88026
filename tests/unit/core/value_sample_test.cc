#include "core/value_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>
#include <vector>

namespace firekeeper::core {
namespace {

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max() / 8;

TEST(ValueSampleTest, IsAllOfAFewAndOneInAThousandOfMany) {
  EXPECT_EQ(SampleSize(0), 0);
  EXPECT_EQ(SampleSize(255), 255);
  EXPECT_EQ(SampleSize(257), 256);
  EXPECT_EQ(SampleSize(300 * 1024), 300);
  EXPECT_EQ(SampleSize(kHuge), 1024);
}

TEST(ValueSampleTest, ChoosesOneOfEveryStretch) {
  for (const std::int64_t count : {1L, 256L, 257L, 999L, 1L << 20, kHuge}) {
    const std::int64_t size = SampleSize(count);
    std::int64_t last = -1;
    for (std::int64_t pick = 0; pick < size; ++pick) {
      const std::int64_t entry = SampledEntry(pick, size, count);
      EXPECT_GT(entry, last);
      const double stretch =
          static_cast<double>(count) / static_cast<double>(size);
      EXPECT_NEAR(static_cast<double>(entry),
                  (static_cast<double>(pick) + 0.5) * stretch,
                  0.5 * stretch + 1.0);
      last = entry;
    }
    EXPECT_LT(last, count);
  }
}

TEST(ValueSampleTest, IsInStepWithNoAxis) {
  // A stretch is a whole number of rows: a fixed place in it would be one unit.
  constexpr std::int64_t kUnits = 512;
  constexpr std::int64_t kCount = 1024 * kUnits;
  const std::int64_t size = SampleSize(kCount);
  std::set<std::int64_t> units;
  for (std::int64_t pick = 0; pick < size; ++pick) {
    units.insert(SampledEntry(pick, size, kCount) % kUnits);
  }

  EXPECT_GT(units.size(), static_cast<std::size_t>(0.6 * kUnits))
      << "so many of " << size << " picks fall on units of their own";
}

TEST(ValueSampleTest, LeavesOutWhatIsNoObservation) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {1.0, kNan, 2.0, 3.0, 0.0, 4.0};
  const std::vector<std::int64_t> shape = {3, 2};
  // Rows of two units; the second row is masked.
  const std::vector<std::byte> mask = {std::byte{0b101}};
  const TensorLayout layout =
      *TensorLayout::Create(DataType::kF64, shape, 1, 0);
  ValueSample sample;

  sample.Begin(layout, mask, 2.0);
  sample.Add(std::as_bytes(std::span(values)));

  QuantileSketch expected;
  for (const double value : {2.0, 8.0}) expected.Add(value);
  EXPECT_EQ(sample.Finish(/*zeros_count=*/false), expected);
  expected.AddZeros(1);
  EXPECT_EQ(sample.Finish(/*zeros_count=*/true), expected);
}

}  // namespace
}  // namespace firekeeper::core
