// Who may stream: attempts, sources, incarnations, layers and limits.

#include "server/state/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/errors.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AcceptedAt;
using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::OpenOf;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::RunNowhere;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class RunTest : public ::testing::Test {
 protected:
  // Opens at second 0; whoever is fenced later is named in fenced_.
  absl::StatusOr<OpenResult> Open(const OpenRequest& request,
                                  const std::string& name = "stream") {
    return run_.Open(
        request,
        [this, name](const std::string& /*reason*/) {
          // Would never return if a lock were held.
          (void)run_.View(AtSeconds(0));
          fenced_.push_back(name);
        },
        AtSeconds(0));
  }

  SourceHandle MustOpen(const OpenRequest& request,
                        const std::string& name = "stream") {
    const auto result = Open(request, name);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->handle : SourceHandle{};
  }

  absl::Status Touch(const SourceHandle& handle) {
    return run_.Receive(handle, 0, AtSeconds(0));
  }

  Limits limits_{.max_layers_per_run = 3,
                 .max_units_per_run = 10,
                 .max_attempts_per_run = 5,
                 .max_scalars_per_run = 2};
  MemoryBudget memory_{std::size_t{1} << 24U};
  server::Run run_{"tenant", "digits",     limits_,     SmallSettings(),
                   memory_,  RunNowhere(), AtSeconds(0)};
  std::vector<std::string> fenced_;
};

TEST_F(RunTest, NumbersAttemptsInOrderOfArrival) {
  EXPECT_EQ(MustOpen(OpenOf("b")).attempt, 1U);
  EXPECT_EQ(MustOpen(OpenOf("a")).attempt, 2U);

  const RunView view = run_.View(AtSeconds(0));
  ASSERT_THAT(view.attempts, SizeIs(2));
  EXPECT_TRUE(view.attempts[0].superseded);
  EXPECT_EQ(view.attempts[0].sources_opened, 1U);
  EXPECT_EQ(view.attempts[0].sources_connected, 0U);
  EXPECT_FALSE(view.attempts[1].superseded);
  EXPECT_EQ(view.attempts[1].sources_connected, 1U);
}

TEST_F(RunTest, RanksOfOneTokenShareTheAttempt) {
  EXPECT_EQ(MustOpen(OpenOf("a", 0, 2)).attempt, 1U);
  EXPECT_EQ(MustOpen(OpenOf("a", 1, 2)).attempt, 1U);

  EXPECT_THAT(fenced_, IsEmpty());
  EXPECT_EQ(run_.View(AtSeconds(0)).attempts[0].sources_opened, 2U);
}

TEST_F(RunTest, ANewAttemptFencesTheStreamsOfTheOldOne) {
  const SourceHandle first = MustOpen(OpenOf("a", 0, 2), "first");
  MustOpen(OpenOf("a", 1, 2), "second");

  MustOpen(OpenOf("b"), "third");

  EXPECT_THAT(fenced_, ElementsAre("first", "second"));
  EXPECT_THAT(Touch(first), StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_EQ(ReasonOf(Touch(first)), "FENCED");
  EXPECT_EQ(run_.View(AtSeconds(0)).counters.fenced, 2U);
}

TEST_F(RunTest, ASupersededTokenIsFencedForGood) {
  MustOpen(OpenOf("a"));
  const SourceHandle newest = MustOpen(OpenOf("b"));

  const auto late = Open(OpenOf("a"));

  EXPECT_THAT(late, StatusIs(absl::StatusCode::kAborted,
                             HasSubstr("superseded by attempt 2")));
  EXPECT_EQ(ReasonOf(late.status()), "FENCED");
  EXPECT_THAT(Touch(newest), IsOk());
}

TEST_F(RunTest, ANewStreamOfASourceFencesTheOldOne) {
  const SourceHandle old = MustOpen(OpenOf("a"), "old");

  const SourceHandle fresh = MustOpen(OpenOf("a"), "fresh");

  EXPECT_THAT(fenced_, ElementsAre("old"));
  EXPECT_GT(fresh.incarnation, old.incarnation);
  EXPECT_THAT(Touch(old), StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(Touch(fresh), IsOk());
}

TEST_F(RunTest, AStreamThatWentIsNotFenced) {
  const SourceHandle old = MustOpen(OpenOf("a"), "old");
  run_.Disconnect(old, AtSeconds(1));

  MustOpen(OpenOf("a"));
  MustOpen(OpenOf("b"));

  EXPECT_THAT(fenced_, ElementsAre("stream")) << "old was told nothing";
}

TEST_F(RunTest, ASourceThatSaidGoodbyeIsNoLongerConnected) {
  const SourceHandle handle = MustOpen(OpenOf("token"));

  ASSERT_THAT(run_.CloseSource(handle, AtSeconds(1)), IsOk());

  EXPECT_EQ(run_.View(AtSeconds(1)).attempts.at(0).sources_connected, 0U);
}

TEST_F(RunTest, AFencedStreamChangesNothing) {
  const SourceHandle old = MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.Accept(old, AcceptedAt(1, 0), AtSeconds(0)), IsOk());
  MustOpen(OpenOf("a"));

  EXPECT_THAT(run_.Receive(old, 99, AtSeconds(5)),
              StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(run_.Accept(old, AcceptedAt(2, 8), AtSeconds(5)),
              StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(run_.AcceptGap(old, 9, AtSeconds(5)),
              StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(run_.SetProgress(old, 8, {}, AtSeconds(5)),
              StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(run_.CloseSource(old, AtSeconds(5)),
              StatusIs(absl::StatusCode::kAborted, _));
  run_.Disconnect(old, AtSeconds(5));

  const RunView view = run_.View(AtSeconds(5));
  EXPECT_EQ(view.last_step, 0);
  EXPECT_EQ(view.last_seen, AtSeconds(0));
  EXPECT_EQ(view.counters.payload_bytes, 0U);
  EXPECT_EQ(view.counters.gap, 0U);
  EXPECT_EQ(view.attempts[0].sources_connected, 1U);
}

TEST_F(RunTest, AKnownInstanceContinuesItsSequence) {
  const SourceHandle first = MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.Accept(first, AcceptedAt(1, 0), AtSeconds(0)), IsOk());
  ASSERT_THAT(run_.AcceptGap(first, 5, AtSeconds(0)), IsOk());

  const auto again = Open(OpenOf("a"));

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->accepted_seq, 5U);
}

TEST_F(RunTest, AnotherInstanceBeginsAtOne) {
  const SourceHandle first = MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.Accept(first, AcceptedAt(1, 0), AtSeconds(0)), IsOk());
  OpenRequest other = OpenOf("a");
  other.instance_id = 7;

  const auto result = Open(other);

  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->accepted_seq, 0U);
  EXPECT_THAT(run_.Accept(result->handle, AcceptedAt(1, 0), AtSeconds(0)),
              IsOk());
}

// A refused Open must leave everything as it was.
class RefusedOpenTest : public RunTest {
 protected:
  RefusedOpenTest() { handle_ = MustOpen(OpenOf("a", 0, 2)); }

  absl::Status Refused(const OpenRequest& request) {
    const auto result = Open(request);
    EXPECT_FALSE(result.ok());
    EXPECT_THAT(Touch(handle_), IsOk());
    EXPECT_THAT(fenced_, IsEmpty());
    const RunView view = run_.View(AtSeconds(0));
    EXPECT_THAT(view.attempts, SizeIs(1));
    EXPECT_EQ(view.attempts[0].sources_opened, 1U);
    EXPECT_EQ(view.layer_count, 1U);
    EXPECT_EQ(view.unit_count, 2U);
    EXPECT_THAT(run_.Layers(), SizeIs(1));
    return result.status();
  }

  SourceHandle handle_;
};

TEST_F(RefusedOpenTest, AnotherSourceCount) {
  EXPECT_THAT(Refused(OpenOf("a", 1, 3)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "source_count: 3; this attempt began with 2"));
}

TEST_F(RefusedOpenTest, AnotherResumeStep) {
  OpenRequest request = OpenOf("a", 1, 2);
  request.resume_step = 5;

  EXPECT_EQ(FieldOf(Refused(request)), "resume_step");
}

TEST_F(RefusedOpenTest, AShareThatOverlaps) {
  OpenRequest request = OpenOf("a", 1, 2);
  request.layers[0].share = {
      .first_unit = 1, .unit_count = 1, .data_shard = 1, .data_shards = 2};

  EXPECT_EQ(FieldOf(Refused(request)), "layers[0].unit_range");
}

TEST_F(RefusedOpenTest, AChangedLayerEvenInANewAttempt) {
  OpenRequest request = OpenOf("b");
  request.layers[0].spec.activation.kind = core::Activation::kTanh;

  const absl::Status status = Refused(request);

  EXPECT_EQ(FieldOf(status), "layers[0]");
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fc1")));
}

TEST_F(RefusedOpenTest, MoreUnitsThanARunMayHave) {
  OpenRequest request = OpenOf("b");
  request.layers.push_back(
      {.spec = ReluLayer("fc2", 9), .share = ShardOf(9, 0, 1)});

  EXPECT_THAT(Refused(request), StatusIs(absl::StatusCode::kResourceExhausted,
                                         HasSubstr("11 units; at most 10")));
}

TEST_F(RefusedOpenTest, MoreLayersThanARunMayHave) {
  OpenRequest request = OpenOf("a", 1, 2);
  for (const char* name : {"fc2", "fc3", "fc4"}) {
    request.layers.push_back(
        {.spec = ReluLayer(name, 1), .share = ShardOf(1, 1, 2)});
  }

  EXPECT_THAT(Refused(request), StatusIs(absl::StatusCode::kResourceExhausted,
                                         HasSubstr("4 layers; at most 3")));
}

TEST_F(RunTest, AsManyLayersAndUnitsAsAllowed) {
  OpenRequest request = OpenOf("a");
  request.layers.push_back(
      {.spec = ReluLayer("fc2", 5), .share = ShardOf(5, 0, 1)});
  request.layers.push_back(
      {.spec = ReluLayer("fc3", 3), .share = ShardOf(3, 0, 1)});

  EXPECT_THAT(Open(request), IsOk());
  EXPECT_EQ(run_.UnitCount(), 10U);
}

TEST_F(RunTest, RemembersOnlySoManyAttempts) {
  for (const char* token : {"a", "b", "c", "d", "e"}) MustOpen(OpenOf(token));

  EXPECT_THAT(Open(OpenOf("f")),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("5 attempts, the most allowed")));
  EXPECT_THAT(Open(OpenOf("e")), IsOk()) << "the newest goes on";
}

TEST_F(RunTest, GivesTheLayersInTheOrderOfTheRequest) {
  OpenRequest request = OpenOf("a");
  request.layers.insert(request.layers.begin(), {.spec = ReluLayer("fc2", 1),
                                                 .share = ShardOf(1, 0, 1)});

  const auto result = Open(request);

  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(result->layers, SizeIs(2));
  EXPECT_EQ(result->layers[0], run_.FindLayer("fc2"));
  EXPECT_EQ(result->layers[1], run_.FindLayer("fc1"));
  EXPECT_EQ(run_.FindLayer("fc3"), nullptr);
}

TEST_F(RunTest, ListsLayersInForwardOrder) {
  OpenRequest request = OpenOf("a");
  request.layers[0].spec.order = 2;
  for (const char* name : {"z", "b"}) {
    request.layers.push_back(
        {.spec = ReluLayer(name, 1), .share = ShardOf(1, 0, 1)});
    request.layers.back().spec.order = 1;
  }
  MustOpen(request);

  std::vector<std::string> names;
  for (const auto& layer : run_.Layers()) names.push_back(layer->spec().name);

  EXPECT_THAT(names, ElementsAre("b", "z", "fc1"));
}

TEST_F(RunTest, TheFirstOpenDecidesTheLabels) {
  OpenRequest first = OpenOf("a");
  first.labels = {{"model", "mlp"}};
  first.remedy_of = "digits-0";
  MustOpen(first);
  OpenRequest second = OpenOf("b");
  second.labels = {{"model", "cnn"}};
  MustOpen(second);

  const RunView view = run_.View(AtSeconds(0));

  EXPECT_EQ(view.labels.at("model"), "mlp");
  EXPECT_EQ(view.remedy_of, "digits-0");
}

TEST_F(RunTest, CountsWhatBecameOfSnapshots) {
  const SourceHandle handle = MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.Receive(handle, 10, AtSeconds(0)), IsOk());
  using enum core::MergeOutcome;
  std::uint64_t seq = 0;
  for (const std::optional<core::MergeOutcome> outcome :
       {std::optional(kMerged), std::optional(kMerged),
        std::optional(kDuplicate), std::optional(kCopy),
        std::optional(kConflicting), std::optional<core::MergeOutcome>()}) {
    ASSERT_THAT(
        run_.Accept(handle, AcceptedAt(++seq, 0, outcome), AtSeconds(0)),
        IsOk());
  }
  ASSERT_THAT(run_.AcceptGap(handle, seq + 3, AtSeconds(0)), IsOk());

  const RunCounters counters = run_.View(AtSeconds(0)).counters;

  EXPECT_EQ(counters.payload_bytes, 10U);
  EXPECT_EQ(counters.accepted, 2U);
  EXPECT_EQ(counters.duplicate, 1U);
  EXPECT_EQ(counters.copies, 1U);
  EXPECT_EQ(counters.conflicting, 1U);
  EXPECT_EQ(counters.rejected, 1U);
  EXPECT_EQ(counters.gap, 3U);
}

TEST_F(RunTest, AGapOfKnownNumbersMovesNothing) {
  const SourceHandle handle = MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.AcceptGap(handle, 3, AtSeconds(0)), IsOk());

  ASSERT_THAT(run_.AcceptGap(handle, 2, AtSeconds(0)), IsOk());

  EXPECT_EQ(run_.View(AtSeconds(0)).counters.gap, 3U);
  EXPECT_EQ(Open(OpenOf("a"))->accepted_seq, 3U);
}

TEST_F(RunTest, AScalarIsThatOfTheGreatestStep) {
  ASSERT_THAT(run_.SetScalar("loss", 5, 0.5), IsOk());
  ASSERT_THAT(run_.SetScalar("loss", 3, 0.9), IsOk());
  EXPECT_EQ(run_.View(AtSeconds(0)).scalars.at("loss"), 0.5);

  ASSERT_THAT(run_.SetScalar("loss", 6, 0.4), IsOk());

  EXPECT_EQ(run_.View(AtSeconds(0)).scalars.at("loss"), 0.4);
}

TEST_F(RunTest, KeepsTheCourseOfTheLossAndTheNewestOfOthers) {
  for (const std::int64_t step : {0, 2}) {
    ASSERT_THAT(run_.SetScalar("loss", step, 0.5), IsOk());
    ASSERT_THAT(run_.SetScalar("accuracy", step, 0.5), IsOk());
  }

  EXPECT_THAT(run_.ScalarHistory("loss"),
              ElementsAre(Pair(0, 0.5), Pair(2, 0.5)));
  EXPECT_THAT(run_.ScalarHistory("accuracy"), IsEmpty());
  EXPECT_THAT(run_.ScalarHistory("rate"), IsEmpty());
}

TEST_F(RunTest, RefusesOneScalarTooMany) {
  ASSERT_THAT(run_.SetScalar("loss", 5, 0.5), IsOk());
  ASSERT_THAT(run_.SetScalar("rate", 5, 0.5), IsOk());

  EXPECT_THAT(run_.SetScalar("norm", 5, 0.5),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_THAT(run_.SetScalar("loss", 6, 0.4), IsOk());
}

// Step 3 of the new attempt is newer than step 5 of the old one.
TEST_F(RunTest, AResumedAttemptReplacesScalars) {
  MustOpen(OpenOf("a"));
  ASSERT_THAT(run_.SetScalar("loss", 5, 0.5), IsOk());
  OpenRequest resumed = OpenOf("b");
  resumed.resume_step = 3;
  MustOpen(resumed);

  ASSERT_THAT(run_.SetScalar("loss", 3, 0.8), IsOk());

  EXPECT_EQ(run_.View(AtSeconds(0)).scalars.at("loss"), 0.8);
}

}  // namespace
}  // namespace firekeeper::server
