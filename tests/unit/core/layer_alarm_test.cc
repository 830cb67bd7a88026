// When what happens to a layer becomes an event, and that it does so once.

#include "core/layer_alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace firekeeper::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "units_died/info", one for each event.
std::vector<std::string> NamesOf(const std::vector<LayerEvent>& events) {
  std::vector<std::string> names;
  names.reserve(events.size());
  for (const LayerEvent& event : events) {
    names.push_back(std::string(Name(event.kind)) + "/" + Name(event.severity));
  }
  return names;
}

class LayerAlarmTest : public ::testing::Test {
 protected:
  // Without the counts of deaths: what the alarm itself says.
  std::vector<std::string> SeeDead(std::uint64_t dead) {
    return NamesOf(
        alarm_.Observe({.step = ++step_, .units = 100, .dead = dead}));
  }

  LayerAlarm alarm_{AlarmSettings{}};
  std::int64_t step_ = 0;
};

TEST_F(LayerAlarmTest, SaysNothingOfAHealthyLayer) {
  EXPECT_THAT(SeeDead(0), IsEmpty());
  EXPECT_THAT(SeeDead(19), IsEmpty());
}

TEST_F(LayerAlarmTest, WarnsAtAFifthAndIsCriticalAtAHalf) {
  EXPECT_THAT(SeeDead(20), ElementsAre("layer_dying/warning"));
  EXPECT_THAT(SeeDead(49), IsEmpty());
  EXPECT_THAT(SeeDead(50), ElementsAre("layer_dying/critical"));
}

TEST_F(LayerAlarmTest, ReportsACollapseOnce) {
  EXPECT_THAT(SeeDead(100), ElementsAre("layer_collapsed/critical"));
  EXPECT_THAT(SeeDead(100), IsEmpty());
}

TEST_F(LayerAlarmTest, AProofIsACollapseWithoutACertificate) {
  EXPECT_THAT(NamesOf(alarm_.Observe({.step = 1,
                                      .units = 4,
                                      .dead = 0,
                                      .silent = 4,
                                      .proven_dead = true})),
              ElementsAre("layer_collapsed/critical"));
}

TEST_F(LayerAlarmTest, ALayerAtTheThresholdDoesNotReportBackAndForth) {
  EXPECT_THAT(SeeDead(20), ElementsAre("layer_dying/warning"));

  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(SeeDead(19), IsEmpty());
    EXPECT_THAT(SeeDead(20), IsEmpty());
  }
}

TEST_F(LayerAlarmTest, RecoversBelowTheThresholdAndMayAlarmAgain) {
  EXPECT_THAT(SeeDead(60), ElementsAre("layer_dying/critical"));
  EXPECT_THAT(SeeDead(30), IsEmpty()) << "still dying, but less";
  EXPECT_THAT(SeeDead(5), ElementsAre("layer_recovered/info"));
  EXPECT_THAT(SeeDead(60), ElementsAre("layer_dying/critical"));
}

TEST_F(LayerAlarmTest, SuspectsASilentLayerFromSixtyFourClustersOn) {
  LayerSituation now{.step = 1, .units = 8, .silent = 8, .silent_clusters = 63};
  EXPECT_THAT(alarm_.Observe(now), IsEmpty());

  now.silent_clusters = 64;
  EXPECT_THAT(NamesOf(alarm_.Observe(now)),
              ElementsAre("collapse_suspected/warning"));
}

TEST_F(LayerAlarmTest, OneUnitThatFiresIsNoSuspicion) {
  EXPECT_THAT(
      alarm_.Observe(
          {.step = 1, .units = 8, .silent = 7, .silent_clusters = 1000}),
      IsEmpty());
}

TEST_F(LayerAlarmTest, ASuspicionThatBecomesHalfDeadIsCritical) {
  EXPECT_THAT(NamesOf(alarm_.Observe(
                  {.step = 1, .units = 8, .silent = 8, .silent_clusters = 64})),
              ElementsAre("collapse_suspected/warning"));

  EXPECT_THAT(NamesOf(alarm_.Observe({.step = 2, .units = 8, .dead = 6})),
              ElementsAre("layer_dying/critical"));
}

TEST_F(LayerAlarmTest, CountsDeathsAndRevivalsSinceTheLastReport) {
  const auto events = alarm_.Observe(
      {.step = 9, .units = 100, .dead = 3, .deaths = 4, .revivals = 1});
  ASSERT_THAT(NamesOf(events),
              ElementsAre("units_died/info", "units_revived/info"));
  EXPECT_EQ(events[0].unit_count, 4U);
  EXPECT_EQ(events[0].step, 9);
  EXPECT_THAT(events[0].message, HasSubstr("3 of 100 units are dead"));

  EXPECT_THAT(
      alarm_.Observe(
          {.step = 10, .units = 100, .dead = 3, .deaths = 4, .revivals = 1}),
      IsEmpty());
}

TEST_F(LayerAlarmTest, SaysOnceThatValuesAreNotFinite) {
  const LayerSituation broken{.step = 1, .units = 8, .non_finite = 8};

  EXPECT_THAT(NamesOf(alarm_.Observe(broken)),
              ElementsAre("non_finite/critical"));
  EXPECT_THAT(alarm_.Observe(broken), IsEmpty());
}

TEST_F(LayerAlarmTest, SaysWhenALayerStopsReportingAndWhenItIsBack) {
  EXPECT_THAT(
      alarm_.Observe({.step = 1, .units = 8, .windows_without_data = 2}),
      IsEmpty());
  EXPECT_THAT(NamesOf(alarm_.Observe(
                  {.step = 1, .units = 8, .windows_without_data = 3})),
              ElementsAre("no_data/warning"));
  EXPECT_THAT(NamesOf(alarm_.Observe({.step = 9, .units = 8})),
              ElementsAre("data_resumed/info"));
}

TEST_F(LayerAlarmTest, TheGravestAlarmIsActiveUntilItIsOver) {
  EXPECT_EQ(alarm_.active(), LayerAlarms());
  SeeDead(20);
  EXPECT_EQ(alarm_.active(), LayerAlarms{.dying = true});
  SeeDead(50);
  EXPECT_EQ(alarm_.active(), LayerAlarms{.dead = true});
  SeeDead(100);
  EXPECT_EQ(alarm_.active(), LayerAlarms{.collapsed = true});
  SeeDead(20);
  SeeDead(19);
  EXPECT_EQ(alarm_.active(), LayerAlarms{.dying = true}) << "hysteresis";
  SeeDead(0);
  EXPECT_EQ(alarm_.active(), LayerAlarms());
}

TEST_F(LayerAlarmTest, ASuspicionLeavesActiveWhatIsCertain) {
  SeeDead(60);
  EXPECT_THAT(NamesOf(alarm_.Observe({.step = ++step_,
                                      .units = 100,
                                      .dead = 60,
                                      .silent = 40,
                                      .silent_clusters = 64})),
              ElementsAre("collapse_suspected/warning"));

  const LayerAlarms both{.dead = true, .collapse_suspected = true};
  EXPECT_EQ(alarm_.active(), both);
}

TEST_F(LayerAlarmTest, ANewAttemptIsNoRecovery) {
  SeeDead(60);

  // Nothing is known of it yet.
  EXPECT_THAT(alarm_.Observe({.step = -1, .units = 100}), IsEmpty());
  EXPECT_EQ(alarm_.active(), LayerAlarms{.dead = true});

  EXPECT_THAT(SeeDead(0), ElementsAre("layer_recovered/info"));
}

TEST_F(LayerAlarmTest, MissingDataAndNanAreActiveBesideIt) {
  EXPECT_THAT(NamesOf(alarm_.Observe({.step = 1,
                                      .units = 8,
                                      .silent = 7,
                                      .non_finite = 1,
                                      .windows_without_data = 3})),
              ElementsAre("non_finite/critical", "no_data/warning"));

  const LayerAlarms both{
      .non_finite = true, .no_data = true, .windows_without_data = 3};
  EXPECT_EQ(alarm_.active(), both);
}

}  // namespace
}  // namespace firekeeper::core
