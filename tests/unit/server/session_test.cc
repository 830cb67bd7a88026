// The protocol of a stream: order, sequence numbers, gaps, credit, fences.

#include "server/ingest/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/errors.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::Declaring;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kLayerName;
using ::firekeeper::testing::kRunId;
using ::firekeeper::testing::MakeGap;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::Reporting;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum absl::StatusCode;

constexpr std::size_t kCredit = 10'000;

class SessionTest : public ::testing::Test {
 protected:
  RunView View() {
    return (*registry_.Find({.tenant = "tenant", .run_id = kRunId}))
        ->View(now_);
  }
  std::uint64_t Observations() {
    const auto run = registry_.Find({.tenant = "tenant", .run_id = kRunId});
    const auto layer = (*run)->FindLayer(kLayerName);
    std::uint64_t observations = 0;
    for (const SignalView& window :
         layer->History(core::Signal::kActivation, core::Phase::kTrain)) {
      observations += window.digest.observations;
    }
    return observations;
  }

  absl::Time now_ = AtSeconds(0);
  Registry registry_{Limits{.max_runs = 2,
                            .credit_window_bytes = kCredit,
                            .max_scalars_per_run = 2},
                     SmallSettings(), [this] { return now_; }};
  SessionDriver stream_{registry_};
};

// A stream that was opened.
class OpenSessionTest : public SessionTest {
 protected:
  OpenSessionTest() { EXPECT_THAT(stream_.Say(Opening(MakeOpen())), IsOk()); }

  // Snapshots of steps 0 to `count` - 1.
  void SendSteps(std::int64_t count) {
    for (std::int64_t step = 0; step < count; ++step) {
      ASSERT_THAT(stream_.Send(static_cast<std::uint64_t>(step) + 1,
                               {MakeTensorSnapshot(step)}),
                  IsOk());
    }
  }
};

TEST_F(SessionTest, OpenIsAnswered) {
  ASSERT_THAT(stream_.Say(Opening(MakeOpen())), IsOk());

  ASSERT_THAT(stream_.answers(), SizeIs(1));
  const v1::Opened& opened = stream_.answers()[0].opened();
  EXPECT_EQ(opened.attempt(), 1U);
  EXPECT_EQ(opened.accepted_seq(), 0U);
  EXPECT_EQ(opened.durability(), v1::DURABILITY_NONE);
  EXPECT_EQ(opened.credit_bytes(), kCredit);
  EXPECT_EQ(opened.limits().credit_window_bytes(), kCredit);
}

TEST_F(SessionTest, EverythingElseNeedsAnOpen) {
  for (const v1::StreamRequest& request :
       {::firekeeper::testing::Batched(1, {MakeTensorSnapshot(0)}),
        Declaring(MakeGap(1, 1)), Reporting(MakeProgress(0)), Closing(0)}) {
    SessionDriver stream(registry_);

    EXPECT_THAT(stream.Say(request),
                StatusIs(kFailedPrecondition, HasSubstr("must be open")));
    EXPECT_THAT(stream.answers(), IsEmpty());
  }
}

TEST_F(SessionTest, AMessageWithNothingInItIsRefused) {
  EXPECT_THAT(stream_.Say(v1::StreamRequest()),
              StatusIs(kInvalidArgument, HasSubstr("none of open")));
}

TEST_F(SessionTest, ARefusedOpenAnswersNothingAndLeavesNoRun) {
  v1::Open open = MakeOpen();
  open.mutable_layers(0)->set_unit_count(std::uint64_t{1} << 20U);
  open.add_layers()->CopyFrom(open.layers(0));
  open.mutable_layers(1)->set_name("fc2");
  for (int i = 2; i < 20; ++i) {
    open.add_layers()->CopyFrom(open.layers(0));
    open.mutable_layers(i)->set_name("layer" + std::to_string(i));
  }

  EXPECT_THAT(stream_.Say(Opening(open)), StatusIs(kResourceExhausted, _));
  EXPECT_THAT(stream_.answers(), IsEmpty());
  EXPECT_THAT(registry_.All(), IsEmpty());
}

TEST_F(SessionTest, ASupersededTokenIsFenced) {
  ASSERT_THAT(stream_.Say(Opening(MakeOpen())), IsOk());
  v1::Open newer = MakeOpen();
  newer.set_launch_token("life-2");
  SessionDriver second(registry_);
  ASSERT_THAT(second.Say(Opening(newer)), IsOk());
  SessionDriver late(registry_);

  EXPECT_THAT(late.Say(Opening(MakeOpen())), StatusIs(kAborted, _));
  EXPECT_THAT(late.answers(), SizeIs(1));
  EXPECT_TRUE(late.fenced());
}

TEST_F(SessionTest, RefusesOneRunTooMany) {
  SessionDriver a(registry_);
  SessionDriver b(registry_);
  ASSERT_THAT(a.Say(Opening(MakeOpen("a"))), IsOk());
  ASSERT_THAT(b.Say(Opening(MakeOpen("b"))), IsOk());

  const absl::Status status = stream_.Say(Opening(MakeOpen("c")));

  EXPECT_EQ(FieldOf(status), "open.run_id");
}

TEST_F(OpenSessionTest, OpenMayComeOnlyOnce) {
  EXPECT_THAT(stream_.Say(Opening(MakeOpen())),
              StatusIs(kFailedPrecondition, HasSubstr("only once")));
  EXPECT_THAT(stream_.answers(), IsEmpty());
}

TEST_F(OpenSessionTest, AcksWhatItMerged) {
  ASSERT_THAT(stream_.Send(1, {MakeTensorSnapshot(0), MakeTensorSnapshot(1)}),
              IsOk());

  EXPECT_EQ(stream_.acked(), 2U);
  EXPECT_EQ(stream_.answers().back().ack().durable_seq(), 2U);
  EXPECT_EQ(View().counters.accepted, 2U);
  EXPECT_EQ(View().last_step, 1);
  EXPECT_EQ(Observations(), 4U);
}

TEST_F(OpenSessionTest, ResendsAreAckedAndIgnored) {
  SendSteps(3);

  ASSERT_THAT(stream_.Send(2, {MakeTensorSnapshot(1), MakeTensorSnapshot(2),
                               MakeTensorSnapshot(3)}),
              IsOk());

  EXPECT_EQ(stream_.acked(), 4U);
  EXPECT_EQ(View().counters.accepted, 4U);
  EXPECT_EQ(View().counters.duplicate, 0U) << "by number, not by content";
  EXPECT_EQ(Observations(), 8U);
}

TEST_F(OpenSessionTest, AHoleEndsTheStream) {
  SendSteps(1);

  const absl::Status status = stream_.Send(3, {MakeTensorSnapshot(2)});

  EXPECT_THAT(status, StatusIs(kOutOfRange, HasSubstr("next expected is 2")));
  EXPECT_EQ(ReasonOf(status), "SEQUENCE_HOLE");
  EXPECT_EQ(stream_.acked(), 1U);
  EXPECT_EQ(Observations(), 2U);
}

TEST_F(OpenSessionTest, ABatchNeedsANumberAndASnapshot) {
  EXPECT_EQ(FieldOf(stream_.Send(0, {MakeTensorSnapshot(0)})),
            "batch.first_seq");
  EXPECT_EQ(FieldOf(stream_.Send(1, {})), "batch.snapshots");
}

TEST_F(OpenSessionTest, ARefusedSnapshotCountsAsAccepted) {
  v1::Snapshot broken = MakeTensorSnapshot(1);
  broken.mutable_tensor()->mutable_data()->pop_back();

  ASSERT_THAT(
      stream_.Send(1, {MakeTensorSnapshot(0), broken, MakeTensorSnapshot(2)}),
      IsOk());

  EXPECT_EQ(stream_.acked(), 3U);
  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(stream_.rejects()[0].seq(), 2U);
  EXPECT_THAT(stream_.rejects()[0].status().message(),
              HasSubstr("batch.snapshots[1].tensor.data"));
  EXPECT_EQ(View().counters.rejected, 1U);
  EXPECT_EQ(Observations(), 4U);
}

TEST_F(OpenSessionTest, RefusesASnapshotOfAnUnknownLayer) {
  v1::Snapshot snapshot = MakeTensorSnapshot(0);
  snapshot.set_layer("fc9");

  ASSERT_THAT(stream_.Send(1, {snapshot}), IsOk());

  EXPECT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(stream_.acked(), 1U);
}

TEST_F(OpenSessionTest, RefusesASnapshotWithoutPayload) {
  v1::Snapshot snapshot = MakeTensorSnapshot(0);
  snapshot.clear_tensor();

  ASSERT_THAT(stream_.Send(1, {snapshot}), IsOk());

  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_THAT(stream_.rejects()[0].status().message(), HasSubstr("payload"));
}

TEST_F(OpenSessionTest, RefusesOtherContentOfAKnownContribution) {
  SendSteps(1);
  v1::Snapshot other = MakeTensorSnapshot(1);
  other.set_step(0);

  ASSERT_THAT(stream_.Send(2, {other}), IsOk());

  ASSERT_THAT(stream_.rejects(), SizeIs(1));
  EXPECT_EQ(stream_.rejects()[0].status().code(),
            static_cast<int>(kAlreadyExists));
  EXPECT_EQ(View().counters.conflicting, 1U);
  EXPECT_EQ(Observations(), 2U);
}

TEST_F(OpenSessionTest, ADuplicateIsCountedAndNotRefused) {
  SendSteps(1);

  ASSERT_THAT(stream_.Send(2, {MakeSummarySnapshot(0)}), IsOk());

  EXPECT_THAT(stream_.rejects(), IsEmpty());
  EXPECT_EQ(View().counters.duplicate, 1U);
}

TEST_F(OpenSessionTest, AGapMovesTheMark) {
  SendSteps(1);

  ASSERT_THAT(stream_.Say(Declaring(MakeGap(2, 4))), IsOk());
  EXPECT_EQ(stream_.acked(), 4U);
  ASSERT_THAT(stream_.Send(5, {MakeTensorSnapshot(4)}), IsOk());

  EXPECT_EQ(View().counters.gap, 3U);
  EXPECT_EQ(stream_.acked(), 5U);
}

TEST_F(OpenSessionTest, AGapMayBeginWithKnownNumbers) {
  SendSteps(3);

  ASSERT_THAT(stream_.Say(Declaring(MakeGap(1, 2))), IsOk());
  EXPECT_EQ(stream_.acked(), 3U);
  ASSERT_THAT(stream_.Say(Declaring(MakeGap(2, 5))), IsOk());

  EXPECT_EQ(stream_.acked(), 5U);
  EXPECT_EQ(View().counters.gap, 2U) << "only those that never came";
}

TEST_F(OpenSessionTest, AGapMayNotLeaveAHole) {
  SendSteps(1);

  EXPECT_THAT(stream_.Say(Declaring(MakeGap(3, 5))),
              StatusIs(kOutOfRange, HasSubstr("gap.from_seq")));
  EXPECT_EQ(stream_.acked(), 1U);
}

TEST_F(OpenSessionTest, ProgressClosesWindows) {
  SendSteps(1);

  ASSERT_THAT(stream_.Say(Reporting(MakeProgress(0))), IsOk());

  const auto run = registry_.Find({.tenant = "tenant", .run_id = kRunId});
  EXPECT_FALSE((*run)
                   ->FindLayer(kLayerName)
                   ->History(core::Signal::kActivation, core::Phase::kTrain)
                   .at(0)
                   .open);
}

TEST_F(OpenSessionTest, ProgressMayNotShrink) {
  ASSERT_THAT(stream_.Say(Reporting(MakeProgress(5))), IsOk());
  EXPECT_THAT(stream_.Say(Reporting(MakeProgress(5))), IsOk());

  EXPECT_EQ(FieldOf(stream_.Say(Reporting(MakeProgress(4)))),
            "progress.complete_through_step");
}

TEST_F(OpenSessionTest, ProgressCarriesScalars) {
  v1::Progress progress = MakeProgress(-1);
  v1::Scalar& scalar = *progress.add_scalars();
  scalar.set_name("loss");
  scalar.set_step(3);
  scalar.set_value(0.25);

  ASSERT_THAT(stream_.Say(Reporting(progress)), IsOk());

  EXPECT_EQ(View().scalars.at("loss"), 0.25);
}

TEST_F(OpenSessionTest, CloseNeedsTheRightMark) {
  SendSteps(2);

  EXPECT_THAT(stream_.Say(Closing(3)),
              StatusIs(kOutOfRange, HasSubstr("the accepted mark is 2")));
  EXPECT_FALSE(stream_.session().closed());
}

TEST_F(OpenSessionTest, CloseEndsTheRunAndTheStream) {
  SendSteps(2);

  ASSERT_THAT(stream_.Say(Closing(2)), IsOk());

  EXPECT_TRUE(stream_.session().closed());
  EXPECT_EQ(stream_.acked(), 2U);
  EXPECT_EQ(View().state, RunState::kEnded);
  EXPECT_THAT(stream_.Say(Reporting(MakeProgress(2))),
              StatusIs(kFailedPrecondition, HasSubstr("after close")));
}

TEST_F(OpenSessionTest, CreditGrowsWithWhatCame) {
  const v1::StreamRequest request = Reporting(MakeProgress(0));
  ASSERT_THAT(stream_.Say(request, 600), IsOk());
  EXPECT_EQ(stream_.answers().back().ack().credit_bytes(), 600 + kCredit);

  ASSERT_THAT(stream_.Say(request, 400), IsOk());

  EXPECT_EQ(stream_.answers().back().ack().credit_bytes(), 1'000 + kCredit);
}

TEST_F(OpenSessionTest, TheWholeCreditMayBeSentAndNoByteMore) {
  const v1::StreamRequest request = Reporting(MakeProgress(0));
  ASSERT_THAT(stream_.Say(request, kCredit), IsOk())
      << "open itself is not charged";

  const absl::Status status = stream_.Say(request, kCredit + 1);

  EXPECT_THAT(status, StatusIs(kResourceExhausted, _));
  EXPECT_EQ(ReasonOf(status), "CREDIT_EXCEEDED");
}

TEST_F(OpenSessionTest, ASupersededStreamIsFencedAndChangesNothing) {
  SendSteps(1);
  SessionDriver second(registry_);
  ASSERT_THAT(second.Say(Opening(MakeOpen())), IsOk());
  EXPECT_EQ(stream_.fences(), 1);

  const absl::Status status = stream_.Send(2, {MakeTensorSnapshot(1)});

  EXPECT_THAT(status, StatusIs(kAborted, _));
  EXPECT_EQ(ReasonOf(status), "FENCED");
  EXPECT_TRUE(stream_.fenced());
  EXPECT_EQ(Observations(), 2U) << "not even merged";
  stream_.HangUp();
  EXPECT_EQ(View().attempts[0].sources_connected, 1U);
}

TEST_F(OpenSessionTest, AReconnectResumesAfterTheMark) {
  SendSteps(2);
  stream_.HangUp();
  EXPECT_EQ(View().attempts[0].sources_connected, 0U);
  SessionDriver again(registry_);

  ASSERT_THAT(again.Say(Opening(MakeOpen())), IsOk());

  EXPECT_EQ(again.answers()[0].opened().accepted_seq(), 2U);
  EXPECT_EQ(stream_.fences(), 0) << "it had gone";
  ASSERT_THAT(again.Send(3, {MakeTensorSnapshot(2)}), IsOk());
  EXPECT_EQ(again.acked(), 3U);
}

TEST_F(OpenSessionTest, ADeletedRunEndsTheStream) {
  ASSERT_THAT(registry_.Delete({.tenant = "tenant", .run_id = kRunId}), IsOk());

  const absl::Status status = stream_.Send(1, {MakeTensorSnapshot(0)});

  EXPECT_EQ(stream_.fences(), 1);
  EXPECT_THAT(status, StatusIs(kNotFound, _));
  EXPECT_EQ(ReasonOf(status), "RUN_DELETED");
}

TEST_F(OpenSessionTest, AStepBeforeTheResumeStepIsRefused) {
  v1::Open resumed = MakeOpen();
  resumed.set_launch_token("life-2");
  resumed.set_resume_step(10);
  SessionDriver second(registry_);
  ASSERT_THAT(second.Say(Opening(resumed)), IsOk());

  ASSERT_THAT(second.Send(1, {MakeTensorSnapshot(9), MakeTensorSnapshot(10)}),
              IsOk());

  ASSERT_THAT(second.rejects(), SizeIs(1));
  EXPECT_EQ(second.rejects()[0].seq(), 1U);
}

}  // namespace
}  // namespace firekeeper::server
