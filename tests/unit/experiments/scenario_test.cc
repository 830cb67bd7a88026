#include "tests/experiments/trainer/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "client/cpp/examples/trainer/activation.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::experiments {
namespace {

using ::firekeeper::testing::IsOk;

bool IsRemedy(const Scenario& scenario) { return !scenario.remedy_of.empty(); }

bool IsHealthy(const Scenario& scenario) {
  return scenario.causes.empty() && !IsRemedy(scenario);
}

TEST(ScenarioTest, NamesAreUniqueAndFitForARun) {
  std::set<std::string> names;
  for (const Scenario& scenario : AllScenarios()) {
    EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
    EXPECT_EQ(scenario.name.find_first_not_of(
                  "abcdefghijklmnopqrstuvwxyz0123456789./+-"),
              std::string::npos)
        << scenario.name;
    EXPECT_EQ(FindScenario(scenario.name), &scenario);
  }
  EXPECT_EQ(FindScenario("no such"), nullptr);
}

TEST(ScenarioTest, EveryRemedyMendsASingleCauseAndHasAnEffect) {
  for (const Scenario& scenario : AllScenarios()) {
    SCOPED_TRACE(scenario.name);
    EXPECT_EQ(IsRemedy(scenario), scenario.effect != Effect::kNone);
    if (!IsRemedy(scenario)) continue;
    const Scenario* const mended = FindScenario(scenario.remedy_of);
    ASSERT_NE(mended, nullptr);
    EXPECT_EQ(mended->causes.size(), 1U);
    EXPECT_TRUE(scenario.causes.empty());
    EXPECT_EQ(IsDigits(scenario), IsDigits(*mended));
  }
}

TEST(ScenarioTest, EveryCauseIsThereOnBothKindsOfDataAndInTheMatrix) {
  std::set<std::pair<Cause, bool>> all;
  std::set<Cause> in_matrix;
  for (const Scenario& scenario : AllScenarios()) {
    if (scenario.causes.size() != 1) continue;
    all.emplace(scenario.causes[0], IsDigits(scenario));
    if (scenario.in_matrix) in_matrix.insert(scenario.causes[0]);
  }

  EXPECT_EQ(all.size(), 12U);
  EXPECT_EQ(in_matrix.size(), 6U);
}

TEST(ScenarioTest, AHundredControlsAreHealthyAndPairsHaveTwoCauses) {
  const auto& table = AllScenarios();

  EXPECT_GE(std::ranges::count_if(table, IsHealthy), 100);
  EXPECT_GE(std::ranges::count_if(
                table, [](const auto& s) { return s.causes.size() == 2; }),
            20);
}

TEST(ScenarioTest, EveryActivationHasThatName) {
  for (const Scenario& scenario : AllScenarios()) {
    EXPECT_THAT(trainer::ParseActivation(scenario.activation), IsOk())
        << scenario.name;
  }
}

TEST(ScenarioTest, CausesAreCalledAsInTheProtocol) {
  EXPECT_EQ(Name(Cause::kLearningRate), "CAUSE_LEARNING_RATE_TOO_HIGH");
  EXPECT_EQ(Name(Cause::kDepth), "CAUSE_TOO_DEEP_OR_NARROW");
  EXPECT_EQ(Name(Effect::kHeals), "heals");
}

}  // namespace
}  // namespace firekeeper::experiments
