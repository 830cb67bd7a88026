#include "tests/experiments/trainer/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace firekeeper::experiments {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

Outcome OutcomeOf(Scenario scenario) {
  scenario.steps = 30;
  const Examples examples = MakeSynthetic(scenario.data, Seeds(1).data);
  auto network = BuildNetwork(scenario, examples, 1);
  EXPECT_THAT(network, IsOk());
  return Train(scenario, examples, 1, *network, nullptr);
}

TEST(ExperimentTest, AHealthyScenarioLearns) {
  const Outcome outcome = OutcomeOf({});

  EXPECT_LT(outcome.train.loss, outcome.first.loss);
  EXPECT_LT(HiddenShare(outcome.before, &UnitCounts::dead), 0.05);
  EXPECT_FALSE(outcome.diverged);
  EXPECT_EQ(outcome.after.size(), 5U);
  EXPECT_NEAR(outcome.signals[1].weight_gain, 1.0, 0.1);
}

TEST(ExperimentTest, AVeryNegativeBiasIsDeadFromTheStart) {
  const Outcome outcome = OutcomeOf(*FindScenario("bias-3-x2"));

  EXPECT_NEAR(HiddenShare(outcome.before, &UnitCounts::dead), 0.5, 0.02);
  EXPECT_EQ(HiddenShare(outcome.before, &UnitCounts::gated),
            HiddenShare(outcome.before, &UnitCounts::dead));
}

TEST(ExperimentTest, ADivergedRunIsSaidToBe) {
  Scenario scenario;
  scenario.optimizer.learning_rate = 1e6;

  EXPECT_TRUE(OutcomeOf(scenario).diverged);
}

TEST(ExperimentTest, AnUnknownActivationIsRefused) {
  Scenario scenario;
  scenario.activation = "rellu";
  const Examples examples = MakeSynthetic({}, 1);

  EXPECT_THAT(BuildNetwork(scenario, examples, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rellu")));
}

TEST(HiddenShareTest, LeavesTheOutputOut) {
  const std::vector<UnitCounts> layers{{.units = 4, .dead = 1},
                                       {.units = 4, .dead = 3},
                                       {.units = 2, .dead = 2}};

  EXPECT_EQ(HiddenShare(layers, &UnitCounts::dead), 0.5);
}

}  // namespace
}  // namespace firekeeper::experiments
