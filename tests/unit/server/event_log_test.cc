// What the log of a run keeps and whom it tells.

#include "server/state/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

RunEvent EventOf(const std::string& layer) {
  RunEvent event;
  event.layer = layer;
  return event;
}

std::vector<std::string> LayersOf(const std::vector<RunEvent>& events) {
  std::vector<std::string> layers;
  layers.reserve(events.size());
  for (const RunEvent& event : events) layers.push_back(event.layer);
  return layers;
}

TEST(EventLogTest, NumbersFromOne) {
  EventLog log(4);
  log.Append(EventOf("a"));
  log.Append(EventOf("b"));

  const auto events = log.After(0, 10);

  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].event_id, 1U);
  EXPECT_EQ(events[1].event_id, 2U);
}

TEST(EventLogTest, GivesWhatIsNewerAndNoMoreThanAsked) {
  EventLog log(8);
  for (const char* layer : {"a", "b", "c", "d"}) log.Append(EventOf(layer));

  EXPECT_THAT(LayersOf(log.After(1, 2)), ElementsAre("b", "c"));
  EXPECT_THAT(log.After(4, 2), IsEmpty());
}

TEST(EventLogTest, ForgetsTheOldest) {
  EventLog log(2);
  for (const char* layer : {"a", "b", "c"}) log.Append(EventOf(layer));

  const auto events = log.After(0, 10);

  EXPECT_THAT(LayersOf(events), ElementsAre("b", "c"));
  EXPECT_EQ(events[0].event_id, 2U) << "numbers stay";
}

TEST(EventLogTest, TellsSubscribersOfEventsAndOfTheEnd) {
  EventLog log(2);
  int told = 0;
  const auto subscription = log.Subscribe([&told] { ++told; });

  log.Append(EventOf("a"));
  log.Close(absl::OkStatus());
  EXPECT_EQ(told, 2);

  log.Unsubscribe(subscription);
  log.Append(EventOf("b"));
  EXPECT_EQ(told, 2);
}

TEST(EventLogTest, ASubscriberMayReadTheLog) {
  EventLog log(2);
  std::vector<std::string> seen;
  const auto subscription =
      log.Subscribe([&] { seen = LayersOf(log.After(0, 10)); });

  log.Append(EventOf("a"));

  EXPECT_THAT(seen, ElementsAre("a"));
  log.Unsubscribe(subscription);
}

TEST(EventLogTest, ARunThatGoesOnOpensItAgain) {
  EventLog log(2);
  EXPECT_FALSE(log.closed().has_value());

  log.Close(absl::OkStatus());
  ASSERT_TRUE(log.closed().has_value());
  EXPECT_THAT(*log.closed(), IsOk());

  log.Reopen();
  EXPECT_FALSE(log.closed().has_value());
}

}  // namespace
}  // namespace firekeeper::server
