// Tables, numbers in words, and the decision of `check`.

#include "client/cpp/cli/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/cpp/cli/dead_check.h"
#include "client/cpp/cli/push_plan.h"
#include "client/cpp/cli/table.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::client::cli {
namespace {

using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

TEST(TableTest, LinesUpAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"COUNT", Align::kRight}, {"NOTE"}});
  table.AddRow({"a", "1", ""});
  table.AddRow({"long name", "1,000", "x"});

  std::ostringstream out;
  table.Print(out);

  EXPECT_EQ(out.str(),
            "NAME       COUNT  NOTE\n"
            "a              1\n"
            "long name  1,000  x\n");
}

TEST(TableTest, CountsCodePointsAndNotBytes) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"é", "x"});
  table.AddRow({"ab", "y"});

  std::ostringstream out;
  table.Print(out);

  EXPECT_THAT(out.str(), HasSubstr("é   x\nab  y\n"));
}

TEST(TableTest, ControlCharactersNeverReachTheTerminal) {
  Table table({{"A"}});
  table.AddRow({"\x1b[2Jgone\n\x7f"});

  std::ostringstream out;
  table.Print(out);

  EXPECT_THAT(out.str(), HasSubstr("?[2Jgone??"));
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatStep(-1), "-");
}

TEST(FormatTest, SharesAreNeverRoundedToNoneOrAll) {
  EXPECT_EQ(FormatShare(0.0), "0%");
  EXPECT_EQ(FormatShare(1e-6), "<0.1%");
  EXPECT_EQ(FormatShare(0.125), "12.5%");
  EXPECT_EQ(FormatShare(0.9999), ">99.9%");
  EXPECT_EQ(FormatShare(1.0), "100%");
}

TEST(FormatTest, BytesAndTimes) {
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(std::uint64_t{4} << 20), "4.0 MiB");
  google::protobuf::Timestamp time;
  EXPECT_EQ(FormatTime(time), "-");
  time.set_seconds(1'700'000'000);
  EXPECT_EQ(FormatTime(time), "2023-11-14 22:13:20Z");
}

TEST(FormatTest, EnumeratorsReadBothWays) {
  const auto& states = *v1::HealthState_descriptor();

  EXPECT_EQ(EnumName(states, v1::HEALTH_STATE_NON_FINITE), "non_finite");
  EXPECT_EQ(EnumName(states, 99), "99");
  EXPECT_EQ(*ParseEnum(states, "Non-Finite"), v1::HEALTH_STATE_NON_FINITE);
  EXPECT_THAT(ParseEnum(states, "gone"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"gone\" is not one of unobserved, ")));
  EXPECT_FALSE(ParseEnum(states, "unspecified").ok());
}

TEST(FormatTest, ADeathHasAnIntervalOrIsSince) {
  v1::UnitVerdict verdict;
  EXPECT_EQ(FormatDeath(verdict), "never fired");
  verdict.set_certified_step(256);
  EXPECT_EQ(FormatDeath(verdict), "never fired, by 256");
  verdict.set_last_firing_step(120);
  EXPECT_EQ(FormatDeath(verdict), "(120, 256]");
  verdict.clear_certified_step();
  EXPECT_EQ(FormatDeath(verdict), "after 120");
}

TEST(FormatTest, CertaintyNamesTheBoundAndItsConfidence) {
  v1::UnitVerdict verdict;
  v1::Certificate certificate;
  certificate.set_alpha(0.01);
  EXPECT_EQ(FormatCertainty(verdict, certificate), "-");
  verdict.set_silent_observations(40'000);
  verdict.set_rate_upper_bound(1.2e-4);

  EXPECT_EQ(FormatCertainty(verdict, certificate), "rate <= 1.2e-04 at 99%");
}

TEST(FormatTest, SharesOfTheCommandLine) {
  EXPECT_DOUBLE_EQ(*ParseShare("5%"), 0.05);
  EXPECT_DOUBLE_EQ(*ParseShare("0.05"), 0.05);
  EXPECT_DOUBLE_EQ(*ParseShare("100%"), 1.0);
  EXPECT_DOUBLE_EQ(*ParseShare("0"), 0.0);
  for (const std::string bad :
       {"", "%", "5", "101%", "-1%", "five", "5%%", "0.05x", "nan"}) {
    EXPECT_FALSE(ParseShare(bad).ok()) << bad;
  }
}

v1::LayerReport Report(std::uint64_t units, std::uint64_t dead,
                       std::uint64_t alive, std::uint64_t silent = 0) {
  v1::LayerReport report;
  report.mutable_layer()->set_name("fc");
  report.mutable_layer()->set_unit_count(units);
  report.set_observability(v1::OBSERVABILITY_OBSERVABLE);
  const auto add = [&report](v1::HealthState state, std::uint64_t count) {
    v1::StateCount& entry = *report.add_units_by_state();
    entry.set_state(state);
    entry.set_units(count);
  };
  add(v1::HEALTH_STATE_DEAD, dead);
  add(v1::HEALTH_STATE_ALIVE, alive);
  add(v1::HEALTH_STATE_SILENT, silent);
  return report;
}

TEST(DeadCheckTest, ExactlyTheShareIsAllowed) {
  EXPECT_EQ(CheckLayer(Report(100, 5, 95), 0.05).verdict, CheckVerdict::kOk);
  EXPECT_EQ(CheckLayer(Report(100, 6, 94), 0.05).verdict,
            CheckVerdict::kExceeded);
}

TEST(DeadCheckTest, UndecidedUnitsMatterOnlyWhereTheyCouldDecide) {
  EXPECT_EQ(CheckLayer(Report(100, 2, 95, 3), 0.05).verdict, CheckVerdict::kOk);
  EXPECT_EQ(CheckLayer(Report(100, 2, 94, 4), 0.05).verdict,
            CheckVerdict::kUnknown);
  EXPECT_EQ(CheckLayer(Report(100, 6, 50, 44), 0.05).verdict,
            CheckVerdict::kExceeded);
}

TEST(DeadCheckTest, UnitsThatNobodyCountedAreUndecided) {
  const LayerCheck check = CheckLayer(Report(100, 0, 10), 0.05);

  EXPECT_EQ(check.undecided, 90U);
  EXPECT_EQ(check.verdict, CheckVerdict::kUnknown);
}

TEST(DeadCheckTest, ALayerThatIsNotObservableIsUnknown) {
  v1::LayerReport report = Report(100, 0, 100);
  report.set_observability(v1::OBSERVABILITY_NOT_OBSERVABLE);

  EXPECT_EQ(CheckLayer(report, 0.05).verdict, CheckVerdict::kUnknown);
  EXPECT_EQ(CheckLayer(report, 1.0).verdict, CheckVerdict::kOk);
}

TEST(DeadCheckTest, BornDeadIsDead) {
  v1::LayerReport report = Report(100, 0, 90);
  v1::StateCount& born = *report.add_units_by_state();
  born.set_state(v1::HEALTH_STATE_BORN_DEAD);
  born.set_units(10);

  EXPECT_EQ(CheckLayer(report, 0.05).verdict, CheckVerdict::kExceeded);
}

class PushAxesTest : public ::testing::Test {
 protected:
  core::TensorLayout LayoutFor(const std::string& signal) {
    arguments_.signal = signal;
    const auto plan = MakePushPlan(arguments_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    const NpyArray array{.shape = {2, 3, 4},
                         .data = std::vector<std::byte>(96)};
    const auto view = plan->View(array);
    EXPECT_TRUE(view.ok()) << view.status();
    return view->layout;
  }

  PushArguments arguments_;
};

TEST_F(PushAxesTest, ActivationsHaveUnitsLastAndExamplesFirst) {
  const core::TensorLayout layout = LayoutFor("pre_activation");

  EXPECT_EQ(layout.unit_axis(), 2U);
  EXPECT_EQ(layout.cluster_axis(), 0U);
}

TEST_F(PushAxesTest, WeightsHaveUnitsFirstAndNoExamples) {
  const core::TensorLayout layout = LayoutFor("weight");

  EXPECT_EQ(layout.unit_axis(), 0U);
  EXPECT_FALSE(layout.cluster_axis().has_value());
}

TEST_F(PushAxesTest, AreAsAskedFor) {
  arguments_.unit_axis = 1;
  arguments_.cluster_axis = "2";
  EXPECT_EQ(LayoutFor("activation").cluster_axis(), 2U);
  arguments_.cluster_axis = "none";
  EXPECT_FALSE(LayoutFor("activation").cluster_axis().has_value());
  arguments_.cluster_axis = "";
  arguments_.unit_axis = 0;
  EXPECT_FALSE(LayoutFor("activation").cluster_axis().has_value())
      << "the first axis is taken";
}

TEST_F(PushAxesTest, NonsenseIsRefused) {
  arguments_.cluster_axis = "-1";
  EXPECT_FALSE(MakePushPlan(arguments_).ok());
  arguments_ = {.activation = "magic"};
  EXPECT_FALSE(MakePushPlan(arguments_).ok());
}

}  // namespace
}  // namespace firekeeper::client::cli
