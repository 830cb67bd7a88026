// What is kept of values by step.

#include "core/step_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace firekeeper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::int64_t> StepsOf(const StepHistory<int>& history) {
  std::vector<std::int64_t> steps;
  for (const auto& [step, value] : history.Values()) steps.push_back(step);
  return steps;
}

StepHistory<int> HistoryOf(const std::vector<std::int64_t>& steps) {
  StepHistory<int> history(/*dense_steps=*/4, /*capacity=*/4);
  for (const std::int64_t step : steps) history.Insert(step, 0);
  return history;
}

TEST(StepHistoryTest, HoldsNothingAtFirst) {
  const StepHistory<int> history(4, 4);

  EXPECT_TRUE(history.empty());
  EXPECT_THAT(history.Values(), IsEmpty());
}

TEST(StepHistoryTest, KeepsEarlyStepsAndTheNewestOfALongRun) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 0; step <= 1000; ++step) steps.push_back(step);

  EXPECT_THAT(StepsOf(HistoryOf(steps)),
              ElementsAre(0, 1, 2, 3, 4, 256, 512, 768, 1000));
}

TEST(StepHistoryTest, KeepsTheSameUnderAnyOrder) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 0; step < 300; ++step) steps.push_back(3 * step + 1);
  const auto in_order = StepsOf(HistoryOf(steps));
  std::mt19937 random(7);

  for (int i = 0; i < 20; ++i) {
    std::ranges::shuffle(steps, random);
    EXPECT_EQ(StepsOf(HistoryOf(steps)), in_order);
  }
}

TEST(StepHistoryTest, ASecondValueOfAStepReplacesTheFirst) {
  StepHistory<int> history(4, 4);
  history.Insert(2, 1);
  history.Insert(9, 1);

  history.Insert(2, 5);
  history.Insert(9, 6);

  EXPECT_THAT(history.Values(), ElementsAre(Pair(2, 5), Pair(9, 6)));
}

TEST(StepHistoryTest, AnAttemptTakesItsStepsAnew) {
  StepHistory<int> history(4, 4);
  for (const std::int64_t step : {1, 3, 5, 6, 7}) history.Insert(step, 1);

  history.EraseFrom(6);
  history.Insert(6, 2);

  EXPECT_THAT(history.Values(),
              ElementsAre(Pair(1, 1), Pair(3, 1), Pair(5, 1), Pair(6, 2)));
}

}  // namespace
}  // namespace firekeeper::core
