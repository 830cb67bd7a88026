#include "core/window_plan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace firekeeper::core {
namespace {

// The first `count` windows, each found from the end of the one before.
std::vector<StepRange> Plan(std::int64_t longest, int count) {
  std::vector<StepRange> windows;
  std::int64_t step = 0;
  for (int i = 0; i < count; ++i) {
    windows.push_back(WindowOf(step, longest));
    step = windows.back().end;
  }
  return windows;
}

TEST(WindowPlanTest, LengthsDoubleUpToTheLongestAndThenStay) {
  const std::vector<StepRange> expected = {
      {0, 1},   {1, 2},    {2, 4},     {4, 8},     {8, 16},   {16, 32},
      {32, 64}, {64, 128}, {128, 256}, {256, 384}, {384, 512}};

  EXPECT_EQ(Plan(128, 11), expected);
}

TEST(WindowPlanTest, LongestOfOneGivesEveryStepItsWindow) {
  const std::vector<StepRange> expected = {{0, 1}, {1, 2}, {2, 3}, {3, 4}};

  EXPECT_EQ(Plan(1, 4), expected);
}

TEST(WindowPlanTest, LongestOfTwoPairsFromStepTwo) {
  const std::vector<StepRange> expected = {{0, 1}, {1, 2}, {2, 4}, {4, 6}};

  EXPECT_EQ(Plan(2, 4), expected);
}

TEST(WindowPlanTest, DefaultLongestIs128) {
  EXPECT_EQ(WindowOf(1000), WindowOf(1000, 128));
  EXPECT_EQ(WindowOf(1000).end - WindowOf(1000).first, 128);
}

TEST(WindowPlanTest, EveryStepOfAWindowNamesThatWindow) {
  for (const std::int64_t longest : {1, 2, 4, 128, 1024}) {
    for (std::int64_t step = 0; step < 5000; ++step) {
      const StepRange window = WindowOf(step, longest);
      ASSERT_TRUE(window.Contains(step)) << step << " of " << longest;
      ASSERT_EQ(WindowOf(window.first, longest), window);
      ASSERT_EQ(WindowOf(window.end - 1, longest), window);
      ASSERT_EQ(WindowOf(window.end, longest).first, window.end);
    }
  }
}

TEST(WindowPlanTest, LargestStepHasAWindow) {
  for (const std::int64_t longest :
       {std::int64_t{1}, std::int64_t{2}, kDefaultWindowSteps, kMaxStep}) {
    const StepRange window = WindowOf(kMaxStep, longest);

    EXPECT_EQ(window.first, kMaxStep);
    EXPECT_EQ(window.end, kMaxStep + longest);
  }
}

TEST(WindowPlanTest, StepBelowTheLargestEndsAtIt) {
  EXPECT_EQ(WindowOf(kMaxStep - 1), (StepRange{kMaxStep - 128, kMaxStep}));
}

TEST(WindowPlanTest, NumbersCountTheWindowsAndLeadBack) {
  for (const std::int64_t longest : {1, 2, 4, 128}) {
    SCOPED_TRACE(longest);
    std::int64_t step = 0;
    for (std::uint32_t number = 0; number < 300; ++number) {
      const StepRange window = WindowOf(step, longest);
      EXPECT_EQ(WindowNumber(step, longest), number);
      EXPECT_EQ(WindowNumber(window.end - 1, longest), number);
      EXPECT_EQ(WindowNumbered(number, longest), window);
      step = window.end;
    }
  }
}

}  // namespace
}  // namespace firekeeper::core
