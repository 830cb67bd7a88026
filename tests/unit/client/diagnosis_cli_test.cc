// What `firekeeper diagnose` and `firekeeper events` print.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "client/cpp/cli/cli.h"
#include "client/cpp/cli/diagnosis_report.h"
#include "tests/support/fake_diagnostics_service.h"
#include "tests/support/fake_ingest_service.h"

namespace firekeeper::client::cli {
namespace {

using ::firekeeper::testing::FakeDiagnosticsService;
using ::firekeeper::testing::FakeServer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

v1::Evidence EvidenceOf(double measured, double threshold, bool supports) {
  v1::Evidence evidence;
  evidence.set_signal("S7");
  evidence.set_description("largest update ratio");
  evidence.set_measured(measured);
  evidence.set_threshold(threshold);
  evidence.set_comparison(v1::COMPARISON_ABOVE);
  evidence.set_weight(1.0);
  evidence.set_supports(supports);
  return evidence;
}

v1::DiagnoseRunResponse LearningRateDiagnosis() {
  v1::DiagnoseRunResponse diagnosis;
  diagnosis.set_evaluated_through_step(460);
  v1::Finding& finding = *diagnosis.add_findings();
  finding.set_cause(v1::CAUSE_LEARNING_RATE_TOO_HIGH);
  finding.set_is_fault(true);
  finding.set_score(0.95);
  finding.set_summary("units died under large updates");
  finding.add_layers("hidden.1");
  finding.set_last_step(460);
  *finding.add_evidence() = EvidenceOf(0.05, 0.1, false);
  *finding.add_evidence() = EvidenceOf(0.24, 0.1, true);
  v1::Remedy& lower = *finding.add_remedies();
  lower.set_title("a lower learning rate");
  lower.set_action("set it to 0.009");
  lower.set_recommended(true);
  v1::Remedy& clip = *finding.add_remedies();
  clip.set_title("clip the gradient");
  clip.set_reason("it bounds one step only");
  v1::NotObservableCause& unseen = *diagnosis.add_not_observable();
  unseen.set_cause(v1::CAUSE_UNNORMALIZED_INPUT);
  unseen.add_missing("INPUT of the first layer");
  v1::LayerCapacity& layer = *diagnosis.mutable_consequences()->add_layers();
  layer.set_layer("hidden.1");
  layer.set_unit_count(64);
  layer.set_dead_units(16);
  layer.set_lost_share(0.25);
  diagnosis.mutable_consequences()->set_lost_share(0.25);
  return diagnosis;
}

v1::Event EventOf(std::uint64_t id, v1::EventSeverity severity,
                  const std::string& message) {
  v1::Event event;
  event.set_event_id(id);
  event.set_kind(v1::EVENT_KIND_UNITS_DIED);
  event.set_severity(severity);
  event.set_layer("hidden.1");
  event.set_step(128);
  event.set_message(message);
  return event;
}

class DiagnosisCliTest : public ::testing::Test {
 protected:
  DiagnosisCliTest()
      : server_(
            std::string("diagnosis-") +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    service_.diagnosis = LearningRateDiagnosis();
    service_.events = {EventOf(1, v1::EVENT_SEVERITY_INFO, "two units died"),
                       EventOf(2, v1::EVENT_SEVERITY_INFO, "one more died"),
                       EventOf(3, v1::EVENT_SEVERITY_CRITICAL, "half died")};
    server_.Start({&service_});
  }

  int Run(std::vector<std::string> words) {
    words.insert(words.begin(), "firekeeper");
    words.insert(words.end(), {"--endpoint", server_.endpoint()});
    std::vector<const char*> argv;
    argv.reserve(words.size());
    for (const std::string& word : words) argv.push_back(word.c_str());
    out_.str("");
    return RunCommandLine(static_cast<int>(argv.size()), argv.data(),
                          {.out = out_, .err = err_});
  }

  FakeDiagnosticsService service_;
  FakeServer server_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(DiagnosisCliTest, SaysTheCauseTheEvidenceAndWhatToDo) {
  EXPECT_EQ(Run({"diagnose", "run"}), 0);

  EXPECT_THAT(
      out_.str(),
      AllOf(HasSubstr("16 of 64 units dead (25.0%), one cause found"),
            HasSubstr("1. LEARNING RATE TOO HIGH"), HasSubstr("hidden.1"),
            HasSubstr("for      largest update ratio: 0.24 > 0.1  [S7]"),
            HasSubstr("do 1.    a lower learning rate: set it to 0.009"),
            HasSubstr("not      clip the gradient: it bounds one step only"),
            HasSubstr("unnormalized input (needs INPUT of the first layer)")));
}

TEST_F(DiagnosisCliTest, PutsWhatHoldsBeforeWhatSpeaksAgainst) {
  Run({"diagnose", "run"});

  const std::string text = out_.str();
  EXPECT_LT(text.find("   for "), text.find("   against "));
  EXPECT_THAT(text, HasSubstr("0.05 < 0.1 (would have to be above)"));
}

TEST_F(DiagnosisCliTest, NoLineIsWiderThanAHundredColumns) {
  service_.diagnosis.mutable_findings(0)->set_summary(
      std::string("word ") + std::string(40, 'x') + std::string(300, ' ') +
      "end");
  Run({"diagnose", "run"});

  std::istringstream lines(out_.str());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST_F(DiagnosisCliTest, AGateFailsOnAFaultOnly) {
  EXPECT_EQ(Run({"diagnose", "run", "--gate"}), 1);

  service_.diagnosis.mutable_findings(0)->set_is_fault(false);
  EXPECT_EQ(Run({"diagnose", "run", "--gate"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("no fault found"));
}

TEST_F(DiagnosisCliTest, JsonIsTheResponse) {
  EXPECT_EQ(Run({"diagnose", "run", "--json"}), 0);

  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["findings"][0]["cause"], "CAUSE_LEARNING_RATE_TOO_HIGH");
}

TEST_F(DiagnosisCliTest, MarkdownHasATableOfEvidence) {
  EXPECT_EQ(Run({"diagnose", "run", "--markdown"}), 0);

  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("## 1. learning rate too high"),
                    HasSubstr("| largest update ratio | 0.24 > 0.1 | S7 | for"),
                    HasSubstr("1. **a lower learning rate**")));
}

TEST_F(DiagnosisCliTest, ControlCharactersOfAServerDoNotReachTheTerminal) {
  service_.diagnosis.mutable_findings(0)->set_summary("red \x1b[31m alert");
  service_.events[0].set_message("red \x1b[31m alert");

  Run({"diagnose", "run"});
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
  Run({"events", "run"});
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
}

TEST_F(DiagnosisCliTest, ListsTheEventsOfAllPages) {
  EXPECT_EQ(Run({"events", "run"}), 0);

  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("two units died"), HasSubstr("one more died"),
                    HasSubstr("step 128  critical  units_died  hidden.1: half "
                              "died")));
}

TEST_F(DiagnosisCliTest, FiltersEventsBySeverity) {
  EXPECT_EQ(Run({"events", "run", "--severity", "critical"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("half died"), Not(HasSubstr("two units"))));

  EXPECT_EQ(Run({"events", "run", "--severity", "deadly"}), 2);
}

TEST_F(DiagnosisCliTest, FollowsUntilTheRunEnds) {
  EXPECT_EQ(Run({"events", "run", "--follow", "--json"}), 0);

  std::istringstream lines(out_.str());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(nlohmann::json::parse(line)["event_id"],
              std::to_string(count + 1));
  }
  EXPECT_EQ(count, 3);
}

}  // namespace
}  // namespace firekeeper::client::cli
