#include "core/tensor_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

auto Create(const std::vector<std::int64_t>& shape, int unit_axis,
            std::optional<int> cluster_axis = std::nullopt,
            DataType dtype = DataType::kF32) {
  return TensorLayout::Create(dtype, shape, unit_axis, cluster_axis);
}

auto IsRefused(const char* what) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what));
}

TEST(TensorLayoutTest, CountsWhatTheAxesHold) {
  const TensorLayout layout = *Create({256, 64, 7, 5}, 1, 0);

  EXPECT_THAT(layout.shape(), ElementsAre(256, 64, 7, 5));
  EXPECT_EQ(layout.unit_count(), 64);
  EXPECT_EQ(layout.cluster_count(), 256);
  EXPECT_EQ(layout.position_count(), 35);
  EXPECT_EQ(layout.row_count(), 256 * 35);
  EXPECT_EQ(layout.element_count(), 256 * 64 * 35);
  EXPECT_EQ(layout.byte_size(), 256 * 64 * 35 * 4);
}

TEST(TensorLayoutTest, IsOneClusterWithoutAClusterAxis) {
  const TensorLayout layout = *Create({10, 20}, 0);

  EXPECT_EQ(layout.cluster_count(), 1);
  EXPECT_EQ(layout.position_count(), 20);
}

TEST(TensorLayoutTest, TakesAxesOfLengthZero) {
  const TensorLayout layout = *Create({0, 20}, 1, 0);

  EXPECT_EQ(layout.element_count(), 0);
  EXPECT_EQ(layout.cluster_count(), 0);
  EXPECT_EQ(layout.unit_count(), 20);
}

TEST(TensorLayoutTest, RefusesRanksBeyondOneToEight) {
  EXPECT_THAT(Create({}, 0), IsRefused("shape has 0 axes"));
  EXPECT_THAT(Create(std::vector<std::int64_t>(kMaxRank, 1), 0), IsOk());
  EXPECT_THAT(Create(std::vector<std::int64_t>(kMaxRank + 1, 1), 0),
              IsRefused("shape has 9 axes"));
}

TEST(TensorLayoutTest, RefusesANegativeLength) {
  EXPECT_THAT(Create({3, -1}, 0), IsRefused("negative length: -1"));
}

TEST(TensorLayoutTest, RefusesAxesThatDoNotExist) {
  EXPECT_THAT(Create({3, 4}, 2), IsRefused("unit_axis is 2"));
  EXPECT_THAT(Create({3, 4}, -1), IsRefused("unit_axis is -1"));
  EXPECT_THAT(Create({3, 4}, 1, 2), IsRefused("cluster_axis is 2"));
  EXPECT_THAT(Create({3, 4}, 1, -1), IsRefused("cluster_axis is -1"));
}

TEST(TensorLayoutTest, RefusesOneAxisForUnitsAndClusters) {
  EXPECT_THAT(Create({3, 4}, 1, 1),
              IsRefused("cluster_axis and unit_axis are both 1"));
}

TEST(TensorLayoutTest, RefusesMoreBytesThan63Bits) {
  EXPECT_THAT(Create({kLargest / 4}, 0), IsOk());
  EXPECT_THAT(Create({kLargest / 4 + 1}, 0), IsRefused("63 bits"));
  EXPECT_THAT(Create({std::int64_t{1} << 31, std::int64_t{1} << 31}, 0),
              IsRefused("63 bits"));
  EXPECT_THAT(Create({std::int64_t{1} << 62, 4, 4}, 0), IsRefused("63 bits"));
}

TEST(TensorLayoutTest, RefusesAnOverflowThatAZeroWouldHide) {
  EXPECT_THAT(Create({kLargest, kLargest, 0}, 2), IsRefused("63 bits"));
}

TEST(TensorLayoutTest, RefusesAnUnknownDtype) {
  EXPECT_THAT(Create({3}, 0, std::nullopt, static_cast<DataType>(0)),
              IsRefused("dtype"));
  EXPECT_THAT(Create({3}, 0, std::nullopt, static_cast<DataType>(5)),
              IsRefused("dtype"));
}

TEST(DataTypeTest, HasTheSmallestNormalOfItsFormat) {
  EXPECT_DOUBLE_EQ(SmallestNormal(DataType::kF16), 6.103515625e-5);
  EXPECT_NEAR(SmallestNormal(DataType::kBf16), 1.175e-38, 1e-41);
  EXPECT_NEAR(SmallestNormal(DataType::kF32), 1.175e-38, 1e-41);
  EXPECT_EQ(SmallestNormal(DataType::kF64), std::numeric_limits<double>::min());
}

}  // namespace
}  // namespace firekeeper::core
