// The interval of a change of a share.

#include "core/share_difference.h"

#include <gtest/gtest.h>

namespace firekeeper::core {
namespace {

// Newcombe, Statistics in Medicine 17 (1998), table II, method 10.
TEST(ShareDifferenceTest, ReproducesNewcombesTable) {
  const ShareDifference a = Compare({48, 80}, {56, 70});
  EXPECT_NEAR(a.difference, 0.2, 1e-12);
  EXPECT_NEAR(a.low, 0.0524, 5e-5);
  EXPECT_NEAR(a.high, 0.3339, 5e-5);

  const ShareDifference b = Compare({3, 10}, {9, 10});
  EXPECT_NEAR(b.low, 0.1705, 5e-5);
  EXPECT_NEAR(b.high, 0.8090, 5e-5);

  const ShareDifference c = Compare({0, 10}, {10, 10});
  EXPECT_NEAR(c.low, 0.6075, 5e-5);
  EXPECT_NEAR(c.high, 1.0, 5e-5);
}

TEST(ShareDifferenceTest, EqualSharesShowNoDifference) {
  const ShareDifference same = Compare({5, 64}, {5, 64});

  EXPECT_EQ(same.difference, 0.0);
  EXPECT_LT(same.low, 0.0);
  EXPECT_GT(same.high, 0.0);
}

TEST(ShareDifferenceTest, SwappingTheSidesTurnsTheSign) {
  const ShareDifference there = Compare({3, 20}, {11, 30});
  const ShareDifference back = Compare({11, 30}, {3, 20});

  EXPECT_DOUBLE_EQ(there.difference, -back.difference);
  EXPECT_DOUBLE_EQ(there.low, -back.high);
  EXPECT_DOUBLE_EQ(there.high, -back.low);
}

TEST(ShareDifferenceTest, NothingIsKnownOfNothing) {
  const ShareDifference unknown = Compare({0, 0}, {3, 10});

  EXPECT_EQ(unknown.low, -1.0);
  EXPECT_EQ(unknown.high, 1.0);
}

}  // namespace
}  // namespace firekeeper::core
