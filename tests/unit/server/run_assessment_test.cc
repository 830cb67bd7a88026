// Which events a run's looks raise, and that each is raised once.

#include "server/state/run_assessment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace firekeeper::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

core::Finding FindingOf(core::Cause cause) {
  core::Finding finding;
  finding.cause = cause;
  finding.is_fault = core::IsFault(cause);
  finding.last_step = 7;
  return finding;
}

class RunAssessmentTest : public ::testing::Test {
 protected:
  // What one more look adds: "layer kind/severity".
  std::vector<std::string> Take(const RunLook& look) {
    const auto before = log_.After(0, 100);
    assessment_.Take(look);
    std::vector<std::string> names;
    for (const RunEvent& event : log_.After(before.size(), 100)) {
      names.push_back(event.layer + (event.layer.empty() ? "" : " ") +
                      core::Name(event.kind) + "/" +
                      core::Name(event.severity));
    }
    return names;
  }

  static RunLook LookWith(const std::vector<core::Cause>& causes) {
    RunLook look;
    for (const core::Cause cause : causes) {
      look.diagnosis.findings.push_back(FindingOf(cause));
    }
    return look;
  }

  EventLog log_{100};
  RunAssessment assessment_{core::AlarmSettings{}, log_};
};

TEST_F(RunAssessmentTest, NamesTheLayerOfAnAlarm) {
  RunLook look;
  look.layers = {{"fc1", {.step = 3, .units = 4, .dead = 4}},
                 {"fc2", {.step = 3, .units = 4}}};

  EXPECT_THAT(Take(look), ElementsAre("fc1 layer_collapsed/critical"));
  EXPECT_THAT(Take(look), IsEmpty());
}

TEST_F(RunAssessmentTest, ReportsAFindingOnceWithItsCause) {
  const RunLook look = LookWith({core::Cause::kLearningRateTooHigh});

  EXPECT_THAT(Take(look), ElementsAre("finding/warning"));
  EXPECT_THAT(Take(look), IsEmpty());
  EXPECT_EQ(log_.After(0, 1)[0].cause, core::Cause::kLearningRateTooHigh);
  EXPECT_EQ(log_.After(0, 1)[0].step, 7);
}

TEST_F(RunAssessmentTest, AFindingThatComesAndGoesIsNotReportedEachTime) {
  const RunLook with = LookWith({core::Cause::kLearningRateTooHigh});
  EXPECT_THAT(Take(with), ElementsAre("finding/warning"));

  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Take(LookWith({})), IsEmpty());
    EXPECT_THAT(Take(with), IsEmpty());
  }
}

TEST_F(RunAssessmentTest, AFindingIsHeldUntilItIsCleared) {
  RunLook look = LookWith({core::Cause::kLearningRateTooHigh});
  look.diagnosis.findings[0].score = 0.75;
  Take(look);

  Take(LookWith({}));
  ASSERT_THAT(assessment_.Findings(), SizeIs(1));
  EXPECT_EQ(assessment_.Findings()[0].cause, core::Cause::kLearningRateTooHigh);
  EXPECT_EQ(assessment_.Findings()[0].score, 0.75);
  Take(LookWith({}));
  EXPECT_THAT(assessment_.Findings(), IsEmpty());
}

TEST_F(RunAssessmentTest, WhatIsHeldComesBackFromItsBytes) {
  RunLook look = LookWith({core::Cause::kLearningRateTooHigh});
  look.diagnosis.findings[0].score = 0.75;
  look.layers = {{"fc1", {.step = 3, .units = 4, .dead = 4}}};
  Take(look);
  const std::string bytes = assessment_.Encode();
  EventLog log(100);

  RunAssessment restored{core::AlarmSettings{}, log};
  ASSERT_TRUE(restored.Restore(bytes).ok());
  ASSERT_THAT(restored.Findings(), SizeIs(1));
  EXPECT_EQ(restored.Findings()[0].score, 0.75);
  EXPECT_TRUE(restored.AlarmsOf("fc1").collapsed);

  RunAssessment earlier{core::AlarmSettings{}, log};
  const std::string without_scores = bytes.substr(0, bytes.size() - 8);
  ASSERT_TRUE(earlier.Restore(without_scores).ok())
      << "as the release before wrote it";
  EXPECT_EQ(earlier.Findings()[0].score, 0.0);
}

TEST_F(RunAssessmentTest, AFindingThatStaysAwayIsCleared) {
  Take(LookWith({core::Cause::kLearningRateTooHigh}));

  EXPECT_THAT(Take(LookWith({})), IsEmpty());
  EXPECT_THAT(Take(LookWith({})), ElementsAre("finding_cleared/info"));
  EXPECT_THAT(Take(LookWith({})), IsEmpty());
}

TEST_F(RunAssessmentTest, ANumericalFailureIsCriticalAndAnExplanationIsNot) {
  EXPECT_THAT(
      Take(LookWith({core::Cause::kNumericalFailure, core::Cause::kConverged})),
      ElementsAre("finding/critical", "finding/info"));
}

TEST_F(RunAssessmentTest, SaysThatARunWentSilentAndThatItIsBack) {
  RunLook silent;
  silent.silent = true;

  EXPECT_THAT(Take(silent), ElementsAre("no_data/warning"));
  EXPECT_THAT(Take(silent), IsEmpty());
  EXPECT_THAT(Take(RunLook{}), ElementsAre("data_resumed/info"));
}

}  // namespace
}  // namespace firekeeper::server
