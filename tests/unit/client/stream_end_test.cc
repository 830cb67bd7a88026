// What a StreamSession makes of the ways a stream can end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/retry_policy.h"
#include "client/cpp/stream_session.h"
#include "tests/unit/client/session_fixture.h"

namespace firekeeper::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class StreamEndTest : public SessionFixture {
 protected:
  // Lines logged as errors since the last call.
  std::size_t ErrorsLogged() {
    std::size_t errors = 0;
    for (const LogLine& line : session_.TakeLog()) {
      if (line.severity == LogSeverity::kError) ++errors;
    }
    return errors;
  }
};

TEST_F(StreamEndTest, BacksOffWithFullJitterUpToTheLongest) {
  random_ = 0.999999;
  std::vector<std::int64_t> delays;

  for (int i = 0; i < 9; ++i) {
    (void)session_.Begin(now_);
    delays.push_back(End(absl::UnavailableError("gone"))->count());
  }

  EXPECT_THAT(delays, ::testing::ElementsAre(99, 199, 399, 799, 1599, 3199,
                                             6399, 9999, 9999));
  random_ = 0.0;
  (void)session_.Begin(now_);
  EXPECT_EQ(End(absl::UnavailableError("gone")), milliseconds(0));
}

TEST_F(StreamEndTest, AnAckResetsTheBackoff) {
  random_ = 0.5;
  for (int i = 0; i < 8; ++i) {
    (void)session_.Begin(now_);
    (void)End(absl::UnavailableError("gone"));
  }
  Open();
  PushSummary(0);
  (void)Drain();
  ASSERT_TRUE(Ack(1).ok());

  EXPECT_EQ(End(absl::UnavailableError("gone")), milliseconds(50));
}

TEST_F(StreamEndTest, WaitsAsLongAsTheServerAsks) {
  (void)session_.Begin(now_);

  const auto delay = session_.End({.status = absl::UnavailableError("busy"),
                                   .retry_after = milliseconds(5000)},
                                  now_);

  EXPECT_EQ(delay, milliseconds(5000));
  EXPECT_EQ(session_.state(), ConnectionState::kBackingOff);
}

TEST_F(StreamEndTest, FencedIsFinalAndLoud) {
  Open();
  PushSummary(0);
  v1::StreamResponse response;
  response.mutable_fenced()->set_reason("attempt 2 has begun");
  EXPECT_EQ(session_.OnResponse(response, now_).code(),
            absl::StatusCode::kAborted);

  EXPECT_FALSE(End(absl::UnavailableError("whatever comes")).has_value());

  EXPECT_EQ(session_.state(), ConnectionState::kFenced);
  EXPECT_THAT(session_.last_error(), HasSubstr("attempt 2 has begun"));
  EXPECT_EQ(ErrorsLogged(), 1U);
  EXPECT_EQ(ring_.dropped(), 1U);
  EXPECT_EQ(ring_.buffered(), 0U);
}

TEST_F(StreamEndTest, AbortedWithoutAWordIsFencedToo) {
  Open();

  EXPECT_FALSE(End(absl::AbortedError("superseded")).has_value());
  EXPECT_EQ(session_.state(), ConnectionState::kFenced);
}

TEST_F(StreamEndTest, TriesAProtocolErrorAFewTimesOnly) {
  for (int i = 0; i < 4; ++i) {
    (void)session_.Begin(now_);
    EXPECT_TRUE(End(absl::OutOfRangeError("hole")).has_value()) << i;
  }
  (void)session_.Begin(now_);

  EXPECT_FALSE(End(absl::OutOfRangeError("hole")).has_value());

  EXPECT_EQ(session_.state(), ConnectionState::kFailed);
  EXPECT_EQ(ErrorsLogged(), 1U);
}

TEST_F(StreamEndTest, ProgressBetweenProtocolErrorsKeepsItTrying) {
  for (std::uint64_t seq = 1; seq <= 20; ++seq) {
    Open(seq - 1);
    PushSummary(0);
    (void)Drain();
    ASSERT_TRUE(Ack(seq).ok());
    EXPECT_TRUE(End(absl::InternalError("reset")).has_value());
  }
}

TEST_F(StreamEndTest, LogsTheSameErrorOnce) {
  for (int i = 0; i < 10; ++i) {
    (void)session_.Begin(now_);
    (void)End(absl::UnavailableError("connection refused"));
  }

  EXPECT_EQ(session_.TakeLog().size(), 1U);
}

TEST_F(StreamEndTest, OkWithoutCloseIsALostConnection) {
  Open();

  EXPECT_TRUE(End(absl::OkStatus()).has_value());
  EXPECT_EQ(session_.state(), ConnectionState::kBackingOff);
}

TEST_F(StreamEndTest, AStreamThatBreaksAfterCloseIsClosedAgain) {
  Open();
  PushSummary(0);
  session_.BeginClose();
  ASSERT_TRUE(Drain().back().has_close());
  ASSERT_TRUE(End(absl::UnavailableError("gone")).has_value());

  Open(1);

  const auto requests = Drain();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].close().final_seq(), 1U);
}

class FinalStatusTest : public SessionFixture,
                        public ::testing::WithParamInterface<absl::StatusCode> {
};

TEST_P(FinalStatusTest, EndsForGoodAtOnce) {
  Open();
  PushSummary(0);

  EXPECT_FALSE(End(absl::Status(GetParam(), "no")).has_value());

  EXPECT_EQ(session_.state(), ConnectionState::kFailed);
  EXPECT_EQ(ring_.dropped(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Codes, FinalStatusTest,
    ::testing::Values(absl::StatusCode::kUnauthenticated,
                      absl::StatusCode::kPermissionDenied,
                      absl::StatusCode::kInvalidArgument,
                      absl::StatusCode::kNotFound,
                      absl::StatusCode::kUnimplemented,
                      absl::StatusCode::kResourceExhausted));

TEST(RetryPolicyTest, OnlyALostConnectionIsTriedForEver) {
  EXPECT_EQ(Classify(absl::StatusCode::kUnavailable), AfterEnd::kRetry);
  EXPECT_EQ(Classify(absl::StatusCode::kDeadlineExceeded), AfterEnd::kRetry);
  EXPECT_EQ(Classify(absl::StatusCode::kInternal), AfterEnd::kRetryFewTimes);
  EXPECT_EQ(Classify(absl::StatusCode::kOutOfRange), AfterEnd::kRetryFewTimes);
}

}  // namespace
}  // namespace firekeeper::client
