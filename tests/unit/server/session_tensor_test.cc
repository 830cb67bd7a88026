// Tensors in chunks, and the unary form of a stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "server/errors.h"
#include "server/ingest/session.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::Declaring;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kRunId;
using ::firekeeper::testing::kUnits;
using ::firekeeper::testing::MakeChunks;
using ::firekeeper::testing::MakeGap;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum absl::StatusCode;

// `whole` cut at these bytes.
std::vector<v1::Snapshot> CutAt(const v1::Snapshot& whole,
                                std::vector<std::size_t> cuts) {
  const std::string& bytes = whole.tensor().data();
  cuts.push_back(bytes.size());
  std::vector<v1::Snapshot> chunks(cuts.size(), whole);
  std::size_t begin = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    v1::Tensor& tensor = *chunks[i].mutable_tensor();
    tensor.set_chunk_index(static_cast<std::uint32_t>(i));
    tensor.set_chunk_count(static_cast<std::uint32_t>(cuts.size()));
    tensor.set_byte_offset(begin);
    tensor.set_data(bytes.substr(begin, cuts[i] - begin));
    begin = cuts[i];
  }
  return chunks;
}

// `rows` examples of both signs, with zeros and a NaN.
v1::Snapshot RandomTensor(std::mt19937* random, std::int64_t rows) {
  std::vector<float> values(static_cast<std::size_t>(rows * kUnits));
  std::normal_distribution<float> normal(0.0F, 100.0F);
  for (float& value : values) value = std::max(-20.0F, normal(*random));
  values[2] = 0.0F;
  values[5] = std::numeric_limits<float>::quiet_NaN();
  v1::Snapshot snapshot = MakeTensorSnapshot(0);
  snapshot.mutable_tensor()->set_shape(0, rows);
  snapshot.mutable_tensor()->set_data(::firekeeper::testing::BytesOf(values));
  return snapshot;
}

class SessionTensorTest : public ::testing::Test {
 protected:
  SessionTensorTest() { EXPECT_THAT(stream_.Say(Opening(MakeOpen())), IsOk()); }

  RunCounters Counters() {
    return (*registry_.Find({.tenant = "tenant", .run_id = kRunId}))
        ->View(now_)
        .counters;
  }

  absl::Time now_ = AtSeconds(0);
  Registry registry_{Limits(), SmallSettings(), [this] { return now_; }};
  SessionDriver stream_{registry_};
};

TEST_F(SessionTensorTest, ATensorIsAcceptedAfterItsLastChunkOnly) {
  const auto chunks = MakeChunks(0, 12);
  ASSERT_THAT(chunks, SizeIs(3));

  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_THAT(stream_.Send(1, {chunks[i]}), IsOk());
    EXPECT_EQ(stream_.acked(), 0U);
    EXPECT_EQ(Counters().accepted, 0U);
  }
  ASSERT_THAT(stream_.Send(1, {chunks[2]}), IsOk());

  EXPECT_EQ(stream_.acked(), 1U);
  EXPECT_EQ(Counters().accepted, 1U);
  EXPECT_EQ(Counters().payload_bytes, 32U);
}

// Equal content of one contribution is a duplicate: every integer is equal.
TEST_F(SessionTensorTest, ASummaryEqualsItsTensorHoweverItIsCut) {
  std::uint64_t seq = 0;
  ASSERT_THAT(stream_.Send(++seq, {MakeTensorSnapshot(0)}), IsOk());
  ASSERT_THAT(stream_.Send(++seq, {MakeSummarySnapshot(0)}), IsOk());
  ASSERT_EQ(Counters().duplicate, 1U);

  for (std::size_t size = 1; size < 32; ++size) {
    ++seq;
    for (const v1::Snapshot& chunk : MakeChunks(0, size)) {
      ASSERT_THAT(stream_.Send(seq, {chunk}), IsOk());
    }
    EXPECT_EQ(stream_.acked(), seq);
    EXPECT_EQ(Counters().duplicate, size + 1);
  }
}

TEST_F(SessionTensorTest, RandomCutsGiveTheSameIntegers) {
  std::mt19937 random(3);
  const v1::Snapshot whole = RandomTensor(&random, 57);
  std::uint64_t seq = 1;
  ASSERT_THAT(stream_.Send(seq, {whole}), IsOk());
  ASSERT_EQ(stream_.acked(), 1U);

  for (std::uint64_t round = 1; round <= 50; ++round) {
    std::vector<std::size_t> cuts(1 + random() % 9);
    for (std::size_t& cut : cuts) {
      cut = random() % (whole.tensor().data().size() + 1);
    }
    std::sort(cuts.begin(), cuts.end());
    ++seq;
    for (const v1::Snapshot& chunk : CutAt(whole, cuts)) {
      ASSERT_THAT(stream_.Send(seq, {chunk}), IsOk());
    }
    ASSERT_EQ(Counters().duplicate, round);
  }
}

TEST_F(SessionTensorTest, AnUnfinishedTensorIsNeverAcked) {
  const auto chunks = MakeChunks(0, 12);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());
  ASSERT_THAT(stream_.Send(1, {chunks[1]}), IsOk());
  stream_.HangUp();
  SessionDriver again(registry_);

  ASSERT_THAT(again.Say(Opening(MakeOpen())), IsOk());

  EXPECT_EQ(again.answers()[0].opened().accepted_seq(), 0U);
  for (const v1::Snapshot& chunk : chunks) {
    ASSERT_THAT(again.Send(1, {chunk}), IsOk());
  }
  EXPECT_EQ(again.acked(), 1U);
  EXPECT_EQ(Counters().accepted, 1U);
}

TEST_F(SessionTensorTest, GivesBackTheMemoryOfATensorInFlight) {
  const std::size_t before = registry_.memory().used();
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 12)[0]}), IsOk());
  EXPECT_GT(registry_.memory().used(), before);

  stream_.HangUp();

  EXPECT_EQ(registry_.memory().used(), before);
}

TEST_F(SessionTensorTest, AChunkTravelsAlone) {
  const auto chunks = MakeChunks(0, 16);

  EXPECT_THAT(stream_.Send(1, {chunks[0], chunks[1]}),
              StatusIs(kInvalidArgument, HasSubstr("must travel alone")));
}

TEST_F(SessionTensorTest, AChunkOfAnotherTensorRefusesTheOneInFlight) {
  const auto chunks = MakeChunks(0, 12);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());

  ASSERT_THAT(stream_.Send(1, {MakeChunks(1, 12)[1]}), IsOk());
  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(stream_.rejects()[0].seq(), 1U);
  EXPECT_EQ(stream_.acked(), 1U);

  ASSERT_THAT(stream_.Send(1, {chunks[1]}), IsOk());
  EXPECT_THAT(stream_.rejects(), IsEmpty()) << "refused before: ignored";
  ASSERT_THAT(stream_.Send(2, {MakeTensorSnapshot(2)}), IsOk());
  EXPECT_EQ(stream_.acked(), 2U);
  EXPECT_EQ(Counters().rejected, 1U);
  EXPECT_EQ(Counters().accepted, 1U);
}

TEST_F(SessionTensorTest, ASummaryInBetweenRefusesTheOneInFlight) {
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 12)[0]}), IsOk());

  ASSERT_THAT(stream_.Send(1, {MakeSummarySnapshot(0)}), IsOk());

  EXPECT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(Counters().accepted, 0U);
}

TEST_F(SessionTensorTest, ChunksComeInOrder) {
  const auto chunks = MakeChunks(0, 8);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());

  ASSERT_THAT(stream_.Send(1, {chunks[2]}), IsOk());

  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_THAT(stream_.rejects()[0].status().message(),
              HasSubstr("chunk_index: 2; chunk 1 is next"));
}

TEST_F(SessionTensorTest, ChunksContinueWhereTheLastOneEnded) {
  auto chunks = MakeChunks(0, 8);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());
  chunks[1].mutable_tensor()->set_byte_offset(4);

  ASSERT_THAT(stream_.Send(1, {chunks[1]}), IsOk());

  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_THAT(stream_.rejects()[0].status().message(),
              HasSubstr("byte_offset: 4; the last chunk ended at 8"));
}

TEST_F(SessionTensorTest, ATensorBeginsWithChunkZero) {
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 8)[1]}), IsOk());

  EXPECT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(stream_.acked(), 1U);
}

TEST_F(SessionTensorTest, ALastChunkThatIsTooShortIsRefused) {
  auto chunks = MakeChunks(0, 16);
  chunks[1].mutable_tensor()->mutable_data()->resize(15);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());

  ASSERT_THAT(stream_.Send(1, {chunks[1]}), IsOk());

  EXPECT_THAT(stream_.rejects(), SizeIs(1));
  ASSERT_THAT(stream_.Send(2, {MakeTensorSnapshot(0)}), IsOk());
  EXPECT_EQ(Counters().accepted, 1U) << "the key was never taken";
}

TEST_F(SessionTensorTest, AChunkThatIsTooLongIsRefused) {
  auto chunks = MakeChunks(0, 8);
  chunks[1].mutable_tensor()->mutable_data()->resize(33);
  ASSERT_THAT(stream_.Send(1, {chunks[0]}), IsOk());

  ASSERT_THAT(stream_.Send(1, {chunks[1]}), IsOk());

  EXPECT_THAT(stream_.rejects(), SizeIs(1));
}

TEST_F(SessionTensorTest, TheNextNumberBeforeTheLastChunkIsAHole) {
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 12)[0]}), IsOk());

  EXPECT_THAT(stream_.Send(2, {MakeTensorSnapshot(1)}),
              StatusIs(kOutOfRange, _));
  EXPECT_EQ(stream_.acked(), 0U);
}

TEST_F(SessionTensorTest, AGapDropsATensorInFlight) {
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 12)[0]}), IsOk());

  ASSERT_THAT(stream_.Say(Declaring(MakeGap(1, 1))), IsOk());
  ASSERT_THAT(stream_.Send(2, {MakeTensorSnapshot(1)}), IsOk());

  EXPECT_THAT(stream_.rejects(), IsEmpty());
  EXPECT_EQ(stream_.acked(), 2U);
  EXPECT_EQ(Counters().gap, 1U);
}

TEST_F(SessionTensorTest, AnOldGapLeavesATensorInFlight) {
  ASSERT_THAT(stream_.Send(1, {MakeTensorSnapshot(0)}), IsOk());
  const auto chunks = MakeChunks(1, 16);
  ASSERT_THAT(stream_.Send(2, {chunks[0]}), IsOk());

  ASSERT_THAT(stream_.Say(Declaring(MakeGap(1, 1))), IsOk());
  ASSERT_THAT(stream_.Send(2, {chunks[1]}), IsOk());

  EXPECT_EQ(stream_.acked(), 2U);
  EXPECT_EQ(Counters().accepted, 2U);
}

TEST_F(SessionTensorTest, CloseBeforeTheLastChunkHasTheWrongMark) {
  ASSERT_THAT(stream_.Send(1, {MakeChunks(0, 12)[0]}), IsOk());

  EXPECT_THAT(stream_.Say(Closing(1)), StatusIs(kOutOfRange, _));
}

TEST(SessionMemoryTest, AReductionThatDoesNotFitIsToComeBackLater) {
  Registry registry(Limits{.max_state_bytes = 100}, SmallSettings(),
                    [] { return AtSeconds(0); });
  SessionDriver stream(registry);
  ASSERT_THAT(stream.Say(Opening(MakeOpen())), IsOk());

  EXPECT_THAT(stream.Send(1, {MakeTensorSnapshot(0)}),
              StatusIs(kUnavailable, _));
  EXPECT_EQ(stream.acked(), 0U);
  EXPECT_THAT(stream.rejects(), IsEmpty());
  EXPECT_EQ(registry.memory().used(), 0U);
}

// The unary form.
class ReportTest : public SessionTensorTest {
 protected:
  ReportTest() { stream_.HangUp(); }

  static v1::ReportRequest RequestOf(
      std::uint64_t first_seq, const std::vector<v1::Snapshot>& snapshots) {
    v1::ReportRequest request;
    *request.mutable_open() = MakeOpen();
    v1::Batch& batch = *request.add_batches();
    batch.set_first_seq(first_seq);
    batch.mutable_snapshots()->Assign(snapshots.begin(), snapshots.end());
    return request;
  }

  absl::Status Report(const v1::ReportRequest& request) {
    response_.Clear();
    return SessionDriver(registry_).session().OnReport(request, &response_);
  }

  v1::ReportResponse response_;
};

TEST_F(ReportTest, OpensFoldsAndLeavesTheRunOpen) {
  v1::ReportRequest request = RequestOf(1, {MakeTensorSnapshot(0)});
  *request.mutable_progress() = MakeProgress(0);

  ASSERT_THAT(Report(request), IsOk());

  EXPECT_EQ(response_.opened().attempt(), 1U);
  EXPECT_EQ(response_.ack().accepted_seq(), 1U);
  const RunView view =
      (*registry_.Find({.tenant = "tenant", .run_id = kRunId}))->View(now_);
  EXPECT_EQ(view.state, RunState::kActive);
  EXPECT_EQ(view.attempts[0].sources_connected, 0U);
}

TEST_F(ReportTest, CallsOfOneInstanceContinueItsSequence) {
  ASSERT_THAT(Report(RequestOf(1, {MakeTensorSnapshot(0)})), IsOk());

  ASSERT_THAT(Report(RequestOf(2, {MakeTensorSnapshot(1)})), IsOk());

  EXPECT_EQ(response_.opened().accepted_seq(), 1U);
  EXPECT_EQ(response_.ack().accepted_seq(), 2U);
  EXPECT_EQ(Counters().accepted, 2U);
}

TEST_F(ReportTest, NamesWhatItRefused) {
  v1::Snapshot broken = MakeTensorSnapshot(0);
  broken.mutable_tensor()->clear_data();

  ASSERT_THAT(Report(RequestOf(1, {MakeTensorSnapshot(1), broken})), IsOk());

  ASSERT_EQ(response_.rejects_size(), 1);
  EXPECT_EQ(response_.rejects(0).seq(), 2U);
  EXPECT_THAT(response_.rejects(0).status().message(),
              HasSubstr("batches[0].snapshots[1].tensor.data"));
  EXPECT_EQ(response_.ack().accepted_seq(), 2U);
}

TEST_F(ReportTest, NamesTheBatchWithAHole) {
  EXPECT_THAT(Report(RequestOf(5, {MakeTensorSnapshot(0)})),
              StatusIs(kOutOfRange, HasSubstr("batches[0].first_seq is 5")));
}

TEST_F(ReportTest, RefusesATensorInChunks) {
  EXPECT_EQ(FieldOf(Report(RequestOf(1, {MakeChunks(0, 16)[0]}))),
            "batches[0].snapshots");
  EXPECT_EQ(Counters().accepted, 0U);
}

TEST_F(ReportTest, ClosesWhereItIsAskedTo) {
  v1::ReportRequest request = RequestOf(1, {MakeTensorSnapshot(0)});
  request.set_close(true);

  ASSERT_THAT(Report(request), IsOk());

  EXPECT_EQ((*registry_.Find({.tenant = "tenant", .run_id = kRunId}))
                ->View(now_)
                .state,
            RunState::kEnded);
}

TEST_F(ReportTest, TakesOverFromAStreamOfTheSource) {
  SessionDriver stream(registry_);
  ASSERT_THAT(stream.Say(Opening(MakeOpen())), IsOk());

  ASSERT_THAT(Report(RequestOf(1, {MakeTensorSnapshot(0)})), IsOk());

  EXPECT_EQ(stream.fences(), 1);
  EXPECT_THAT(stream.Send(2, {MakeTensorSnapshot(1)}), StatusIs(kAborted, _));
}

}  // namespace
}  // namespace firekeeper::server
