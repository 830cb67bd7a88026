#include "client/cpp/stream_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "tests/unit/client/session_fixture.h"

namespace firekeeper::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StreamSessionTest : public SessionFixture {};

TEST_F(StreamSessionTest, SendsNothingBeforeItIsOpened) {
  PushSummary(0);
  (void)session_.Begin(now_);

  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(StreamSessionTest, OpenNamesTheOldestNumberHeld) {
  Open();
  PushSummary(0);
  PushSummary(1);
  (void)Drain();
  ASSERT_TRUE(Ack(1).ok());
  (void)End(absl::UnavailableError("gone"));

  const v1::StreamRequest request = session_.Begin(now_);

  EXPECT_EQ(request.open().first_held_seq(), 2U);
  EXPECT_EQ(request.open().run_id(), "run");
}

TEST_F(StreamSessionTest, SendsConsecutiveSnapshotsTogether) {
  Open();
  PushSummary(0);
  PushSummary(0);
  PushSummary(1);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].batch().first_seq(), 1U);
  EXPECT_EQ(requests[0].batch().snapshots_size(), 3);
}

TEST_F(StreamSessionTest, ABatchKeepsToTheSizeOfAMessage) {
  Open();
  for (int i = 0; i < 5; ++i) PushSummary(0, 400);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(3));
  for (const auto& request : requests) EXPECT_LE(request.ByteSizeLong(), 1000U);
  EXPECT_EQ(requests[1].batch().first_seq(), 3U);
}

TEST_F(StreamSessionTest, CutsATensorIntoChunksUnderOneNumber) {
  Open();
  PushTensor(3, 2500);
  PushSummary(3);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(4));
  std::string data;
  for (int i = 0; i < 3; ++i) {
    const v1::Batch& batch = requests[static_cast<std::size_t>(i)].batch();
    EXPECT_EQ(batch.first_seq(), 1U);
    ASSERT_EQ(batch.snapshots_size(), 1);
    const v1::Tensor& chunk = batch.snapshots(0).tensor();
    EXPECT_EQ(chunk.chunk_index(), static_cast<std::uint32_t>(i));
    EXPECT_EQ(chunk.chunk_count(), 3U);
    EXPECT_EQ(chunk.byte_offset(), data.size());
    data += chunk.data();
  }
  EXPECT_EQ(data, std::string(2500, 't'));
  EXPECT_EQ(requests[3].batch().first_seq(), 2U);
}

TEST_F(StreamSessionTest, ResumesAfterTheAcceptedMark) {
  Open();
  for (int i = 0; i < 4; ++i) PushSummary(i);
  (void)Drain();
  (void)End(absl::UnavailableError("gone"));

  Open(2);

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].batch().first_seq(), 3U);
  EXPECT_EQ(requests[0].batch().snapshots_size(), 2);
  EXPECT_EQ(ring_.acked(), 2U);
}

TEST_F(StreamSessionTest, BeginsAnUnfinishedTensorAnewAfterAReconnect) {
  credit_ = 1500;
  Open();
  PushTensor(0, 2500);
  ASSERT_THAT(Drain(), SizeIs(1)) << "the credit covers one chunk";
  (void)End(absl::UnavailableError("gone"));
  credit_ = 1'000'000;

  Open(0);

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].batch().snapshots(0).tensor().chunk_index(), 0U);
}

TEST_F(StreamSessionTest, DeclaresWhatTheRingDropped) {
  Open();
  for (int i = 0; i < 4; ++i) PushSummary(10 + i);
  ring_.Drop(1);
  ring_.Drop(2);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(2));
  const v1::Gap& gap = requests[0].gap();
  EXPECT_EQ(gap.from_seq(), 1U);
  EXPECT_EQ(gap.to_seq(), 2U);
  EXPECT_EQ(gap.first_step(), 10);
  EXPECT_EQ(gap.last_step(), 11);
  EXPECT_EQ(requests[1].batch().first_seq(), 3U);
}

TEST_F(StreamSessionTest, DoesNotDeclareWhatThisStreamHasSent) {
  Open();
  PushSummary(0);
  PushSummary(1);
  ASSERT_THAT(Drain(), SizeIs(1));
  ring_.Drop(1);
  PushSummary(2);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].batch().first_seq(), 3U);
}

TEST_F(StreamSessionTest, DeclaresToAServerThatForgotWhatItOnceAcked) {
  Open();
  for (int i = 0; i < 3; ++i) PushSummary(i);
  (void)Drain();
  ASSERT_TRUE(Ack(2).ok());
  (void)End(absl::UnavailableError("restarts"));

  Open(0);

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].gap().from_seq(), 1U);
  EXPECT_EQ(requests[0].gap().to_seq(), 2U);
  EXPECT_EQ(requests[1].batch().first_seq(), 3U);
}

TEST_F(StreamSessionTest, SendsNoByteBeyondTheCredit) {
  credit_ = 2000;
  Open();
  for (int i = 0; i < 10; ++i) PushSummary(0, 400);

  std::size_t sent = 0;
  for (const auto& request : Drain()) sent += request.ByteSizeLong();
  EXPECT_LE(sent, 2000U);
  EXPECT_GT(sent, 1000U);

  ASSERT_TRUE(Ack(2, 2000 + 900).ok());
  for (const auto& request : Drain()) sent += request.ByteSizeLong();
  EXPECT_LE(sent, 2900U);
  EXPECT_GT(sent, 2000U);
}

TEST_F(StreamSessionTest, ALongStreamDoesNotStarveOnRoundedSizes) {
  credit_ = 2000;
  Open();
  std::size_t sent = 0;
  for (std::uint64_t seq = 1; seq <= 5000; ++seq) {
    PushSummary(0, 400);
    const auto requests = Drain();
    ASSERT_THAT(requests, SizeIs(1)) << "at " << seq;
    sent += requests[0].ByteSizeLong();
    ASSERT_TRUE(Ack(seq, sent + 2000).ok());
  }
}

TEST_F(StreamSessionTest, CreditNeverShrinks) {
  Open();
  ASSERT_TRUE(Ack(0, 1).ok());
  PushSummary(0);

  EXPECT_THAT(Drain(), SizeIs(1));
}

TEST_F(StreamSessionTest, DropsWhatNoCreditCanEverCover) {
  v1::Opened opened = OpenedMessage();
  opened.mutable_limits()->set_credit_window_bytes(1000);
  (void)session_.Begin(now_);
  ASSERT_TRUE(Answer(opened).ok());
  PushSummary(0, 5000);
  PushSummary(1);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].gap().to_seq(), 1U);
  EXPECT_EQ(requests[1].batch().first_seq(), 2U);
  EXPECT_EQ(ring_.dropped(), 1U);
}

TEST_F(StreamSessionTest, DropsATensorThatTheServerWouldNotTake) {
  v1::Opened opened = OpenedMessage();
  opened.mutable_limits()->set_max_tensor_bytes(2499);
  (void)session_.Begin(now_);
  ASSERT_TRUE(Answer(opened).ok());
  PushTensor(0, 2500);
  PushTensor(1, 2499);

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_TRUE(requests[0].has_gap());
  EXPECT_EQ(ring_.dropped(), 1U);
}

TEST_F(StreamSessionTest, CountsARejectAndGoesOn) {
  Open();
  PushSummary(0);
  PushSummary(1);
  (void)Drain();
  v1::StreamResponse response;
  response.mutable_reject()->set_seq(1);
  response.mutable_reject()->mutable_status()->set_message("too odd");

  ASSERT_TRUE(session_.OnResponse(response, now_).ok());
  ASSERT_TRUE(Ack(2).ok());

  EXPECT_EQ(ring_.rejected(), 1U);
  EXPECT_EQ(ring_.acked(), 1U);
  bool logged = false;
  for (const LogLine& line : session_.TakeLog()) {
    logged = logged || line.text.find("too odd") != std::string::npos;
  }
  EXPECT_TRUE(logged);
}

TEST_F(StreamSessionTest, StopsSendingTheChunksOfARejectedTensor) {
  credit_ = 1500;
  Open();
  PushTensor(0, 2500);
  PushSummary(0);
  ASSERT_THAT(Drain(), SizeIs(1));
  v1::StreamResponse response;
  response.mutable_reject()->set_seq(1);

  ASSERT_TRUE(session_.OnResponse(response, now_).ok());
  ASSERT_TRUE(Ack(1, 3000).ok());

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].batch().first_seq(), 2U);
}

TEST_F(StreamSessionTest, NoAckIsTakenForATensorThatWaitsForCredit) {
  credit_ = 100;
  Open();
  PushTensor(0, 2500);
  ASSERT_THAT(Drain(), IsEmpty());

  EXPECT_FALSE(Ack(1, 3000).ok());

  EXPECT_EQ(ring_.acked(), 0U);
}

TEST_F(StreamSessionTest, ATensorThatIsRejectedBeforeItIsSentBecomesAGap) {
  credit_ = 100;
  Open();
  PushTensor(0, 2500);
  ASSERT_THAT(Drain(), IsEmpty());
  v1::StreamResponse response;
  response.mutable_reject()->set_seq(1);

  ASSERT_TRUE(session_.OnResponse(response, now_).ok());

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].gap().from_seq(), 1U);
  EXPECT_EQ(requests[0].gap().to_seq(), 1U);
}

TEST_F(StreamSessionTest, SendsNothingWhileThrottled) {
  Open();
  v1::StreamResponse response;
  response.mutable_throttle()->mutable_retry_after()->set_seconds(2);
  ASSERT_TRUE(session_.OnResponse(response, now_).ok());
  PushSummary(0);

  EXPECT_THAT(Drain(), IsEmpty());
  EXPECT_EQ(session_.WakeAt(now_), now_ + milliseconds(2000));
  Advance(milliseconds(2000));
  EXPECT_THAT(Drain(), SizeIs(1));
}

TEST_F(StreamSessionTest, NoServerMakesItWaitLongerThanAMinute) {
  Open();
  PushSummary(0);
  for (const std::int64_t seconds :
       {std::int64_t{61}, std::numeric_limits<std::int64_t>::max()}) {
    v1::StreamResponse response;
    response.mutable_throttle()->mutable_retry_after()->set_seconds(seconds);

    ASSERT_TRUE(session_.OnResponse(response, now_).ok());

    EXPECT_EQ(session_.WakeAt(now_), now_ + milliseconds(60'000)) << seconds;
  }
}

TEST_F(StreamSessionTest, ANegativeWaitIsNone) {
  Open();
  PushSummary(0);
  v1::StreamResponse response;
  response.mutable_throttle()->mutable_retry_after()->set_seconds(
      std::numeric_limits<std::int64_t>::min());

  ASSERT_TRUE(session_.OnResponse(response, now_).ok());

  EXPECT_THAT(Drain(), SizeIs(1));
}

TEST_F(StreamSessionTest, HoldsWhatIsAcceptedButNotDurable) {
  v1::Opened opened = OpenedMessage();
  opened.set_durability(v1::DURABILITY_COMMITTED);
  (void)session_.Begin(now_);
  ASSERT_TRUE(Answer(opened).ok());
  PushSummary(0);
  PushSummary(1);
  (void)Drain();

  ASSERT_TRUE(Ack(2, 0, 1).ok());

  EXPECT_EQ(ring_.acked(), 1U);
  EXPECT_EQ(ring_.buffered(), 1U);
}

TEST_F(StreamSessionTest, ReportsProgressOnceAnIntervalAndAsAHeartbeat) {
  Open();
  progress_.NoteDone(0, 0);
  EXPECT_THAT(Drain(), IsEmpty()) << "collected first";
  progress_.NoteDone(1, 0);
  Advance(milliseconds(100));

  const auto requests = Drain();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].progress().complete_through_step(), 1);

  Advance(milliseconds(19'999));
  EXPECT_THAT(Drain(), IsEmpty());
  Advance(milliseconds(1));
  EXPECT_THAT(Drain(), SizeIs(1)) << "also without news";
}

TEST_F(StreamSessionTest, ProgressComesAfterTheSnapshotsOfItsSteps) {
  Open();
  PushSummary(0);
  progress_.NoteDone(0, 1);
  Advance(milliseconds(100));
  session_.BeginClose();

  const auto requests = Drain();

  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_TRUE(requests[0].has_batch());
  EXPECT_EQ(requests[1].progress().complete_through_step(), 0);
  EXPECT_EQ(requests[2].close().final_seq(), 1U);
}

TEST_F(StreamSessionTest, ClosesOnceEverythingIsSent) {
  credit_ = 100;
  Open();
  PushSummary(0, 50);
  PushSummary(1, 50);
  session_.BeginClose();

  const auto first = Drain();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_TRUE(first[0].has_batch());
  ASSERT_TRUE(Ack(1, 1000).ok());
  EXPECT_TRUE(Drain().back().has_close());

  ASSERT_TRUE(Ack(2, 1000).ok());
  EXPECT_FALSE(End(absl::OkStatus()).has_value());
  EXPECT_TRUE(session_.closed_cleanly());
  EXPECT_EQ(session_.state(), ConnectionState::kClosed);
}

TEST_F(StreamSessionTest, AnAckOfWhatWasNeverSentBreaksTheProtocol) {
  Open();
  PushSummary(0);

  EXPECT_THAT(std::string(Ack(1).message()), HasSubstr("only 0 were sent"));
  EXPECT_EQ(ring_.acked(), 0U);
}

TEST_F(StreamSessionTest, OpenedBeyondWhatWasGivenBreaksTheProtocol) {
  PushSummary(0);
  (void)session_.Begin(now_);

  EXPECT_FALSE(Answer(OpenedMessage(2)).ok());
}

TEST_F(StreamSessionTest, AnswersBeforeOpenedBreakTheProtocol) {
  (void)session_.Begin(now_);

  EXPECT_FALSE(Ack(0).ok());
}

TEST_F(StreamSessionTest, GivesUpOnAServerThatDoesNotAnswerOpen) {
  (void)session_.Begin(now_);

  Advance(milliseconds(19'999));
  EXPECT_FALSE(session_.TimedOut(now_));
  Advance(milliseconds(1));
  EXPECT_TRUE(session_.TimedOut(now_));
}

}  // namespace
}  // namespace firekeeper::client
