// Causes and events over the wire: DiagnoseRun, ListEvents, WatchEvents.

#include <cmath>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace firekeeper::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using grpc::StatusCode;
using EventReader = grpc::ClientReader<v1::WatchEventsResponse>;

// Both examples alike: one value for each of the four units.
v1::Snapshot ActivationsOf(std::int64_t step, const std::vector<float>& row) {
  std::vector<float> values = row;
  values.insert(values.end(), row.begin(), row.end());
  v1::Snapshot snapshot = MakeTensorSnapshot(step);
  snapshot.mutable_tensor()->set_data(BytesOf(values));
  return snapshot;
}

class AssessmentTest : public ServerFixture {
 protected:
  void SetUp() override {
    // Some ten silent observations are enough to die.
    options_.state.health.certificate = {.alpha = 0.01, .p0 = 0.9, .pc0 = 0.9};
    StartServer();
  }

  // A run in which every example of every step gave `row`; it has ended.
  void StreamSteps(const v1::Open& open, int steps,
                   const std::vector<float>& row) {
    const auto context = Call();
    const auto stream = OpenStream(*context, open);
    for (int step = 0; step < steps; ++step) {
      ASSERT_TRUE(stream->Write(Batched(static_cast<std::uint64_t>(step) + 1,
                                        {ActivationsOf(step, row)})));
    }
    ASSERT_TRUE(stream->Write(Closing(static_cast<std::uint64_t>(steps))));
    ReadAll(*stream);
    ASSERT_TRUE(stream->Finish().ok());
  }

  v1::DiagnoseRunResponse Diagnose(const std::string& run_id) {
    v1::DiagnoseRunRequest request;
    request.set_run_id(run_id);
    v1::DiagnoseRunResponse response;
    const auto status =
        diagnostics_->DiagnoseRun(Call().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::ListEventsResponse Events(const v1::ListEventsRequest& request) {
    v1::ListEventsResponse response;
    const auto status =
        diagnostics_->ListEvents(Call().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::RunGlance Glance() {
    v1::ListRunsResponse response;
    EXPECT_TRUE(diagnostics_->ListRuns(Call().get(), {}, &response).ok());
    return response.glances(0);
  }

  std::unique_ptr<EventReader> Watch(grpc::ClientContext& context,
                                     const std::string& run_id,
                                     std::uint64_t after = 0) {
    v1::WatchEventsRequest request;
    request.set_run_id(run_id);
    request.set_after_event_id(after);
    return diagnostics_->WatchEvents(&context, request);
  }
};

const std::vector<float> kAlive{1, 2, 3, 4};
const std::vector<float> kHalfDead{1, 2, 0, 0};
const std::vector<float> kBroken{1, 2, 3, NAN};

v1::ListEventsRequest EventsOf(const std::string& run_id) {
  v1::ListEventsRequest request;
  request.set_run_id(run_id);
  return request;
}

TEST_F(AssessmentTest, ARunThatFiresHasNoFaultAndSaysWhatCannotBeTold) {
  StreamSteps(MakeOpen("digits"), 8, kAlive);

  const auto diagnosis = Diagnose("digits");

  for (const v1::Finding& finding : diagnosis.findings()) {
    EXPECT_FALSE(finding.is_fault()) << finding.ShortDebugString();
  }
  EXPECT_THAT(diagnosis.not_observable(), Not(IsEmpty()))
      << "only ACTIVATION was streamed";
  EXPECT_EQ(diagnosis.evaluated_through_step(), 7);
  EXPECT_EQ(diagnosis.consequences().lost_share(), 0.0);
}

TEST_F(AssessmentTest, ARunWithNanIsANumericalFailureAndNotDead) {
  StreamSteps(MakeOpen("digits"), 8, kBroken);

  const auto diagnosis = Diagnose("digits");

  ASSERT_EQ(diagnosis.findings_size(), 1) << diagnosis.ShortDebugString();
  EXPECT_EQ(diagnosis.findings(0).cause(), v1::CAUSE_NUMERICAL_FAILURE);
  EXPECT_TRUE(diagnosis.findings(0).is_fault());
  EXPECT_GT(diagnosis.findings(0).remedies_size(), 0);
  EXPECT_EQ(diagnosis.consequences().lost_share(), 0.0);
}

TEST_F(AssessmentTest, DeadUnitsCostCapacity) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);

  const auto diagnosis = Diagnose("digits");

  ASSERT_EQ(diagnosis.consequences().layers_size(), 1);
  EXPECT_EQ(diagnosis.consequences().layers(0).dead_units(), 2U);
  EXPECT_EQ(diagnosis.consequences().lost_share(), 0.5);
}

TEST_F(AssessmentTest, AGlanceTellsHowMuchOfARunIsDead) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);
  Diagnose("digits");

  const v1::RunGlance glance = Glance();

  EXPECT_TRUE(glance.has_looked());
  EXPECT_EQ(glance.dead_units(), 2U);
  EXPECT_EQ(glance.observable_units(), 4U);
  EXPECT_EQ(glance.worst_layer(), kLayerName);
  EXPECT_EQ(glance.worst_dead_share(), 0.5);
  EXPECT_EQ(glance.collapsed_layers(), 0U);
  EXPECT_EQ(glance.non_finite_layers(), 0U);
}

TEST_F(AssessmentTest, AGlanceAtNanShowsTheFaultAndNothingDead) {
  StreamSteps(MakeOpen("digits"), 8, kBroken);
  Diagnose("digits");

  const v1::RunGlance glance = Glance();

  EXPECT_EQ(glance.dead_units(), 0U);
  EXPECT_EQ(glance.unsaid_units(), 1U);
  EXPECT_TRUE(glance.worst_layer().empty());
  EXPECT_EQ(glance.non_finite_layers(), 1U);
  EXPECT_THAT(glance.faults(),
              ::testing::ElementsAre(v1::CAUSE_NUMERICAL_FAILURE));
}

TEST_F(AssessmentTest, AGlanceCallsSilenceOpen) {
  StreamSteps(MakeOpen("digits"), 1, kHalfDead);
  Diagnose("digits");

  const v1::RunGlance glance = Glance();

  EXPECT_EQ(glance.dead_units(), 0U);
  EXPECT_EQ(glance.open_units(), 2U);
  EXPECT_EQ(glance.unsaid_units(), 0U);
}

TEST_F(AssessmentTest, AGlanceAtWhatWasNotLookedAtSaysNothing) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);

  const v1::RunGlance glance = Glance();

  EXPECT_FALSE(glance.has_looked());
  EXPECT_EQ(glance.observable_units(), 0U);
}

TEST_F(AssessmentTest, ARemedyIsComparedWithTheRunItIsFor) {
  StreamSteps(MakeOpen("before"), 32, kHalfDead);
  v1::Open open = MakeOpen("after");
  open.set_remedy_of("before");
  StreamSteps(open, 32, kAlive);

  const auto diagnosis = Diagnose("after");

  ASSERT_TRUE(diagnosis.has_remedy_outcome());
  const v1::RemedyOutcome& outcome = diagnosis.remedy_outcome();
  EXPECT_EQ(outcome.before_run_id(), "before");
  EXPECT_EQ(outcome.before_dead(), 2U);
  EXPECT_EQ(outcome.after_dead(), 0U);
  EXPECT_EQ(outcome.difference(), -0.5);
  EXPECT_EQ(outcome.verdict(), v1::REMEDY_VERDICT_NO_DIFFERENCE_SHOWN)
      << "two of four units prove nothing";
}

TEST_F(AssessmentTest, AnAttemptIsComparedWithTheOneBefore) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);
  Diagnose("digits");
  v1::Open again = MakeOpen("digits");
  again.set_launch_token("again");
  again.set_instance_id(again.instance_id() + 1);
  StreamSteps(again, 32, kAlive);

  const auto outcome = Diagnose("digits").remedy_outcome();

  EXPECT_EQ(outcome.before_attempt(), 1U);
  EXPECT_EQ(outcome.before_dead(), 2U);
  EXPECT_EQ(outcome.after_dead(), 0U);
}

TEST_F(AssessmentTest, EventsTellOfDeathsOnce) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);

  const auto first = Events(EventsOf("digits"));
  const auto second = Events(EventsOf("digits"));

  ASSERT_GE(first.events_size(), 2) << first.ShortDebugString();
  EXPECT_EQ(first.events(0).kind(), v1::EVENT_KIND_UNITS_DIED);
  EXPECT_EQ(first.events(0).layer(), kLayerName);
  EXPECT_EQ(first.events(0).unit_count(), 2U);
  EXPECT_EQ(first.events(0).event_id(), 1U);
  EXPECT_EQ(first.events(1).kind(), v1::EVENT_KIND_LAYER_DYING);
  EXPECT_EQ(first.events(1).severity(), v1::EVENT_SEVERITY_CRITICAL);
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
}

TEST_F(AssessmentTest, EventsArePagedAndFiltered) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);
  const auto all = Events(EventsOf("digits"));

  v1::ListEventsRequest request = EventsOf("digits");
  request.set_page_size(1);
  int seen = 0;
  do {
    const auto page = Events(request);
    ASSERT_EQ(page.events_size(), 1);
    EXPECT_EQ(page.events(0).event_id(), all.events(seen).event_id());
    ++seen;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, all.events_size());

  request = EventsOf("digits");
  request.set_min_severity(v1::EVENT_SEVERITY_CRITICAL);
  const auto critical = Events(request);
  EXPECT_GT(critical.events_size(), 0);
  for (const v1::Event& event : critical.events()) {
    EXPECT_EQ(event.severity(), v1::EVENT_SEVERITY_CRITICAL);
  }
  request = EventsOf("digits");
  request.set_layer("another");
  EXPECT_THAT(Events(request).events(), IsEmpty());
}

TEST_F(AssessmentTest, MalformedRequestsNameTheirField) {
  StreamSteps(MakeOpen("digits"), 1, kAlive);
  v1::ListEventsResponse response;

  v1::ListEventsRequest severity = EventsOf("digits");
  severity.set_min_severity(static_cast<v1::EventSeverity>(99));
  EXPECT_THAT(diagnostics_->ListEvents(Call().get(), severity, &response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("min_severity")));
  v1::ListEventsRequest layer = EventsOf("digits");
  layer.set_layer("a/../b");
  EXPECT_THAT(diagnostics_->ListEvents(Call().get(), layer, &response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("layer")));
  v1::DiagnoseRunResponse diagnosis;
  v1::DiagnoseRunRequest nobody;
  nobody.set_run_id("nobody");
  EXPECT_THAT(diagnostics_->DiagnoseRun(Call().get(), nobody, &diagnosis),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("nobody")));
}

TEST_F(AssessmentTest, WatchingAnEndedRunSendsAllAndEnds) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);
  const auto all = Events(EventsOf("digits"));
  const auto context = Call();

  const auto watch = Watch(*context, "digits", /*after=*/1);

  v1::WatchEventsResponse response;
  for (int i = 1; i < all.events_size(); ++i) {
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.event().SerializeAsString(),
              all.events(i).SerializeAsString());
  }
  // The sweep closes the log of an ended run.
  server_->registry().Sweep();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_TRUE(watch->Finish().ok());
}

TEST_F(AssessmentTest, AWatchHearsOfWhatHappensAndOfTheEnd) {
  const auto stream_context = Call();
  const auto stream = OpenStream(*stream_context, MakeOpen("digits"));
  const auto context = Call();
  const auto watch = Watch(*context, "digits");

  ASSERT_TRUE(stream->Write(Batched(1, {ActivationsOf(0, kBroken)})));
  v1::StreamResponse ack;
  ASSERT_TRUE(stream->Read(&ack));
  Diagnose("digits");
  v1::WatchEventsResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.event().kind(), v1::EVENT_KIND_NON_FINITE);
  EXPECT_EQ(response.event().run_id(), "digits");

  v1::DeleteRunRequest request;
  request.set_run_id("digits");
  v1::DeleteRunResponse deleted;
  ASSERT_TRUE(diagnostics_->DeleteRun(Call().get(), request, &deleted).ok());
  while (watch->Read(&response)) {
  }
  EXPECT_THAT(watch->Finish(), HasCode(StatusCode::NOT_FOUND, HasSubstr("")));
}

TEST_F(AssessmentTest, ManyWatchesOfOneRunAllHear) {
  StreamSteps(MakeOpen("digits"), 32, kHalfDead);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<EventReader>> watches;
  for (int i = 0; i < 8; ++i) {
    contexts.push_back(Call());
    watches.push_back(Watch(*contexts.back(), "digits"));
  }

  for (const auto& watch : watches) {
    v1::WatchEventsResponse response;
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.event().event_id(), 1U);
  }
  for (const auto& context : contexts) context->TryCancel();
}

TEST_F(AssessmentTest, WatchingARunThatIsNotThereSaysSo) {
  const auto context = Call();

  EXPECT_THAT(Watch(*context, "nobody")->Finish(),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("nobody")));
}

}  // namespace
}  // namespace firekeeper::testing
