#include "core/unit_counts.h"

#include <gtest/gtest.h>

namespace firekeeper::core {
namespace {

CountArray Array(std::initializer_list<std::uint64_t> values) {
  CountArray array(static_cast<Index>(values.size()));
  Index i = 0;
  for (const std::uint64_t value : values) array[i++] = value;
  return array;
}

TEST(UnitCountsTest, StoresEqualValuesOnce) {
  const UnitCounts counts = UnitCounts::FromArray(Array({7, 7, 7}));

  EXPECT_TRUE(counts.is_uniform());
  EXPECT_EQ(counts[2], 7U);
}

TEST(UnitCountsTest, KeepsDifferentValuesApart) {
  const UnitCounts counts = UnitCounts::FromArray(Array({7, 8, 7}));

  EXPECT_FALSE(counts.is_uniform());
  EXPECT_EQ(counts[1], 8U);
  EXPECT_EQ(counts.Max(), 8U);
  EXPECT_EQ(counts.Sum(), 22U);
  EXPECT_TRUE((counts.ToArray() == Array({7, 8, 7})).all());
}

TEST(UnitCountsTest, ComparesValuesAndNotForms) {
  UnitCounts spread = UnitCounts::FromArray(Array({1, 2}));
  spread.AddAt(0, UnitCounts(1, 1));

  EXPECT_FALSE(spread.is_uniform());
  EXPECT_EQ(spread, UnitCounts(2, 2));
  EXPECT_FALSE(spread == UnitCounts(3, 2));
  EXPECT_FALSE(spread == UnitCounts(2, 3));
}

TEST(UnitCountsTest, GoesBackToOneValueWhenAsked) {
  UnitCounts spread = UnitCounts::FromArray(Array({1, 2}));
  spread.AddAt(0, UnitCounts(1, 1));

  spread.Compact();

  EXPECT_TRUE(spread.is_uniform());
  EXPECT_EQ(spread[1], 2U);
}

TEST(UnitCountsTest, StaysUniformWhereAllUnitsGainTheSame) {
  UnitCounts counts(4, 1);

  counts.AddAt(0, UnitCounts(4, 2));
  counts.AddUniform(3);

  EXPECT_TRUE(counts.is_uniform());
  EXPECT_EQ(counts.Sum(), 24U);
}

TEST(UnitCountsTest, AddsARangeAtItsOffset) {
  UnitCounts counts(4, 10);

  counts.AddAt(1, UnitCounts::FromArray(Array({1, 2})));
  counts.AddAt(2, UnitCounts(2, 5));

  EXPECT_TRUE((counts.ToArray() == Array({10, 11, 17, 15})).all());
}

TEST(UnitCountsTest, StaysUniformWhereARangeGainsNothing) {
  UnitCounts counts(4, 10);

  counts.AddAt(1, UnitCounts(2, 0));

  EXPECT_TRUE(counts.is_uniform());
}

TEST(UnitCountsTest, CountsBeyond32Bits) {
  UnitCounts counts(3, std::uint64_t{1} << 40U);

  counts.AddAt(0, counts);

  EXPECT_EQ(counts[0], std::uint64_t{1} << 41U);
  EXPECT_EQ(counts.Sum(), 3 * (std::uint64_t{1} << 41U));
}

TEST(UnitCountsTest, OfNoUnitsIsEmpty) {
  const UnitCounts none;

  EXPECT_EQ(none.unit_count(), 0);
  EXPECT_EQ(none.Max(), 0U);
  EXPECT_EQ(none.Sum(), 0U);
  EXPECT_EQ(none, UnitCounts(0, 5));
}

}  // namespace
}  // namespace firekeeper::core
