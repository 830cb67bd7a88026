#include "client/cpp/progress_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace firekeeper::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ProgressLogTest, TheWatermarkWaitsForTheSnapshotsOfItsStep) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteDone(4, 10);
  log.NoteDone(5, 12);

  EXPECT_EQ(log.Take(11).complete_through_step(), 4);
  EXPECT_EQ(log.Take(12).complete_through_step(), 4);
  EXPECT_EQ(log.Take(13).complete_through_step(), 5);
}

TEST(ProgressLogTest, SaysMinusOneBeforeAnyStepIsDone) {
  ProgressLog log;
  log.OnOpened(0);

  EXPECT_FALSE(log.HasNews(1));
  EXPECT_EQ(log.Take(1).complete_through_step(), -1);
}

TEST(ProgressLogTest, StepsWithoutSnapshotsMoveTheWatermarkAtOnce) {
  ProgressLog log;
  log.OnOpened(0);
  for (std::int64_t step = 0; step < 100; ++step) log.NoteDone(step, 0);

  EXPECT_EQ(log.Take(1).complete_through_step(), 99);
  EXPECT_FALSE(log.HasNews(1));
}

TEST(ProgressLogTest, ASmallerStepChangesNothing) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteDone(7, 0);
  log.NoteDone(3, 0);

  EXPECT_EQ(log.Take(1).complete_through_step(), 7);
}

TEST(ProgressLogTest, TellsSampledStepsOnceAndInOrder) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteSampled(8, 2);
  log.NoteSampled(4, 1);
  log.NoteSampled(8, 3);

  EXPECT_THAT(log.Take(4).sampled_steps(), ElementsAre(4, 8));
  EXPECT_THAT(log.Take(4).sampled_steps(), IsEmpty());
}

TEST(ProgressLogTest, TellsAgainAfterAReconnectWhatTheServerMayNotHave) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteSampled(1, 1);
  log.NoteSampled(2, 2);
  log.NoteDone(1, 1);
  log.NoteDone(2, 2);
  (void)log.Take(3);

  log.OnOpened(1);

  const v1::Progress again = log.Take(2);
  EXPECT_THAT(again.sampled_steps(), ElementsAre(2));
  EXPECT_EQ(again.complete_through_step(), 1);
}

TEST(ProgressLogTest, ForgetsStepsThatWereToldAndAcked) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteSampled(1, 1);
  log.NoteDone(1, 1);
  (void)log.Take(2);

  log.OnAcked(1);
  log.OnOpened(0);

  const v1::Progress again = log.Take(2);
  EXPECT_THAT(again.sampled_steps(), IsEmpty());
  EXPECT_EQ(again.complete_through_step(), 1) << "the watermark stays";
}

TEST(ProgressLogTest, AMessageHoldsNoMoreThanTheProtocolAllows) {
  ProgressLog log;
  log.OnOpened(0);
  for (std::int64_t step = 0; step < 5000; ++step) log.NoteSampled(step, 1);
  log.NoteDone(4999, 1);
  for (int i = 0; i < 300; ++i) log.NoteScalar("loss", i, 0.5);

  const v1::Progress first = log.Take(2);
  const v1::Progress second = log.Take(2);

  EXPECT_EQ(first.sampled_steps_size(), 4096);
  EXPECT_EQ(first.scalars_size(), 256);
  EXPECT_EQ(first.complete_through_step(), 4095) << "no step beyond is told";
  EXPECT_EQ(second.sampled_steps_size(), 904);
  EXPECT_EQ(second.scalars_size(), 44);
  EXPECT_EQ(second.complete_through_step(), 4999);
}

TEST(ProgressLogTest, DisplacesTheOldestScalarWhenFull) {
  ProgressLog log;
  log.OnOpened(0);
  for (int i = 0; i < 4096; ++i) EXPECT_TRUE(log.NoteScalar("loss", i, 1.0));

  EXPECT_FALSE(log.NoteScalar("loss", 4096, 1.0));

  EXPECT_EQ(log.Take(1).scalars(0).step(), 1);
}

TEST(ProgressLogTest, TellsTheNewestOfEachScalarAgainAfterAReconnect) {
  ProgressLog log;
  log.OnOpened(0);
  log.NoteScalar("loss", 1, 0.9);
  log.NoteScalar("loss", 2, 0.8);
  (void)log.Take(1);

  log.OnOpened(0);

  const v1::Progress again = log.Take(1);
  ASSERT_EQ(again.scalars_size(), 1);
  EXPECT_EQ(again.scalars(0).step(), 2);
  EXPECT_EQ(again.scalars(0).value(), 0.8);
}

}  // namespace
}  // namespace firekeeper::client
