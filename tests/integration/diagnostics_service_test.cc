#include "server/query/diagnostics_service.h"

#include <algorithm>
#include <functional>
#include <set>

#include "tests/integration/server_fixture.h"

namespace firekeeper::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using grpc::StatusCode;

class DiagnosticsServiceTest : public ServerFixture {
 protected:
  void SetUp() override { StartServer(); }

  static v1::Open OpenWithLayers(int count) {
    v1::Open open = MakeOpen("digits");
    open.clear_layers();
    for (int i = 0; i < count; ++i) {
      v1::Layer layer = MakeLayer("fc" + std::to_string(i), kUnits);
      layer.set_order(static_cast<std::uint32_t>(i));
      *open.add_layers() = layer;
    }
    return open;
  }

  grpc::Status ListLayers(const v1::ListLayersRequest& request,
                          v1::ListLayersResponse* response) {
    return diagnostics_->ListLayers(Call().get(), request, response);
  }

  grpc::Status ListUnits(const v1::ListUnitsRequest& request,
                         v1::ListUnitsResponse* response) {
    return diagnostics_->ListUnits(Call().get(), request, response);
  }
};

TEST_F(DiagnosticsServiceTest, ServerInfoTellsLimitsAndWhatIsPromised) {
  v1::GetServerInfoResponse info;

  ASSERT_TRUE(diagnostics_->GetServerInfo(Call().get(), {}, &info).ok());

  EXPECT_EQ(info.version(), FIREKEEPER_VERSION);
  EXPECT_EQ(info.durability(), v1::DURABILITY_NONE);
  EXPECT_EQ(info.tenant(), "default");
  EXPECT_EQ(info.started().seconds(), 1'000'000);
  EXPECT_TRUE(info.diagnosis_available());
  EXPECT_FALSE(info.kernel_target().empty());
  EXPECT_EQ(info.limits().max_message_bytes(),
            options_.limits.max_message_bytes);
  EXPECT_EQ(info.limits().max_streams_per_connection(), 16U);
  EXPECT_GT(info.limits().max_connections(), 0U);
}

TEST_F(DiagnosticsServiceTest, RunsArePagedInOrderAndEachComesOnce) {
  for (const char* run : {"c", "a", "e", "b", "d"}) StreamRun(MakeOpen(run));
  v1::ListRunsRequest request;
  request.set_page_size(2);
  std::vector<std::string> runs;
  int pages = 0;

  do {
    v1::ListRunsResponse response;
    ASSERT_TRUE(diagnostics_->ListRuns(Call().get(), request, &response).ok());
    EXPECT_LE(response.runs_size(), 2);
    for (const auto& run : response.runs()) runs.push_back(run.run_id());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());

  EXPECT_THAT(runs, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(pages, 3);
}

TEST_F(DiagnosticsServiceTest, LayersArePagedInForwardOrder) {
  StreamRun(OpenWithLayers(5), "");
  v1::ListLayersRequest request;
  request.set_run_id("digits");
  request.set_page_size(2);
  std::vector<std::string> layers;

  do {
    v1::ListLayersResponse response;
    ASSERT_TRUE(ListLayers(request, &response).ok());
    for (const auto& layer : response.layers()) {
      layers.push_back(layer.layer().name());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());

  EXPECT_THAT(layers, ElementsAre("fc0", "fc1", "fc2", "fc3", "fc4"));
}

TEST_F(DiagnosticsServiceTest, UnitsArePagedAndCounted) {
  StreamRun(MakeOpen("digits"));
  v1::ListUnitsRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  request.set_page_size(3);

  v1::ListUnitsResponse first;
  ASSERT_TRUE(ListUnits(request, &first).ok());
  EXPECT_EQ(first.units_size(), 3);
  EXPECT_EQ(first.total_size(), static_cast<std::uint64_t>(kUnits));
  EXPECT_GT(first.certificate().alpha(), 0.0);

  request.set_page_token(first.next_page_token());
  v1::ListUnitsResponse second;
  ASSERT_TRUE(ListUnits(request, &second).ok());
  ASSERT_EQ(second.units_size(), kUnits - 3);
  EXPECT_EQ(second.units(0).unit(), 3U);
  EXPECT_TRUE(second.next_page_token().empty());
}

TEST_F(DiagnosticsServiceTest, UnitsAreFilteredByState) {
  StreamRun(MakeOpen("digits"));
  v1::ListUnitsRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  // A state that none of them is in.
  request.add_states(v1::HEALTH_STATE_DYING);

  v1::ListUnitsResponse response;
  ASSERT_TRUE(ListUnits(request, &response).ok());

  EXPECT_EQ(response.units_size(), 0);
  EXPECT_EQ(response.total_size(), 0U);
}

TEST_F(DiagnosticsServiceTest, UnitsAreSortedAcrossPages) {
  StreamRun(MakeOpen("digits"));
  v1::ListUnitsRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  request.set_order(v1::UNIT_ORDER_UNIT);
  request.set_descending(true);
  request.set_page_size(3);
  std::vector<std::uint64_t> units;

  do {
    v1::ListUnitsResponse response;
    ASSERT_TRUE(ListUnits(request, &response).ok());
    for (const auto& unit : response.units()) units.push_back(unit.unit());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());

  ASSERT_EQ(units.size(), kUnits);
  EXPECT_TRUE(std::is_sorted(units.rbegin(), units.rend()));
}

TEST_F(DiagnosticsServiceTest, AListOfUnitsMayBeginAtAnyUnit) {
  StreamRun(MakeOpen("digits"));
  v1::ListUnitsRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  request.set_first_unit(2);
  request.set_page_size(1);
  v1::ListUnitsResponse response;

  ASSERT_TRUE(ListUnits(request, &response).ok());
  EXPECT_EQ(response.units(0).unit(), 2U);
  EXPECT_EQ(response.total_size(), kUnits);
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(ListUnits(request, &response).ok());
  EXPECT_EQ(response.units(0).unit(), 3U);
}

TEST_F(DiagnosticsServiceTest, AMapHasAStripForEveryLayer) {
  StreamRun(OpenWithLayers(3), "");
  v1::GetUnitMapRequest request;
  request.set_run_id("digits");
  request.set_page_size(2);
  std::vector<std::string> layers;

  do {
    v1::GetUnitMapResponse response;
    ASSERT_TRUE(
        diagnostics_->GetUnitMap(Call().get(), request, &response).ok());
    for (const auto& strip : response.strips()) {
      layers.push_back(strip.layer());
      EXPECT_EQ(strip.unit_count(), kUnits);
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());

  EXPECT_THAT(layers, ElementsAre("fc0", "fc1", "fc2"));
}

TEST_F(DiagnosticsServiceTest, AStripAddsUpToItsLayer) {
  StreamRun(MakeOpen("digits"));
  v1::GetUnitMapRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  request.set_max_buckets(2);
  v1::GetUnitMapResponse response;

  ASSERT_TRUE(diagnostics_->GetUnitMap(Call().get(), request, &response).ok());

  std::uint64_t units = 0;
  for (const auto& row : response.strips(0).rows()) {
    EXPECT_EQ(row.units_size(), 2);
    for (const std::uint32_t count : row.units()) units += count;
  }
  EXPECT_EQ(units, kUnits);
}

TEST_F(DiagnosticsServiceTest, ATokenContinuesOnlyItsOwnList) {
  StreamRun(OpenWithLayers(3));
  StreamRun(MakeOpen("other"));
  v1::ListLayersRequest request;
  request.set_run_id("digits");
  request.set_page_size(1);
  v1::ListLayersResponse response;
  ASSERT_TRUE(ListLayers(request, &response).ok());

  request.set_run_id("other");
  request.set_page_token(response.next_page_token());

  EXPECT_THAT(ListLayers(request, &response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("page_token")));
}

TEST_F(DiagnosticsServiceTest, HistoryListsTheWindowsOfASignal) {
  StreamRun(MakeOpen("digits"));
  v1::GetLayerHistoryRequest request;
  request.set_run_id("digits");
  request.set_layer(kLayerName);
  request.set_signal(v1::SIGNAL_ACTIVATION);
  v1::GetLayerHistoryResponse response;

  ASSERT_TRUE(
      diagnostics_->GetLayerHistory(Call().get(), request, &response).ok());

  ASSERT_EQ(response.windows_size(), 1);
  EXPECT_EQ(response.windows(0).window_first_step(), 0);
  EXPECT_EQ(response.windows(0).window_end_step(), 1);
  EXPECT_EQ(response.windows(0).signal(), v1::SIGNAL_ACTIVATION);
}

TEST_F(DiagnosticsServiceTest, EndingARunTwiceChangesNothing) {
  StreamRun(MakeOpen("digits"));
  v1::EndRunRequest request;
  request.set_run_id("digits");
  v1::EndRunResponse first;
  v1::EndRunResponse second;

  ASSERT_TRUE(diagnostics_->EndRun(Call().get(), request, &first).ok());
  ASSERT_TRUE(diagnostics_->EndRun(Call().get(), request, &second).ok());

  EXPECT_EQ(first.run().state(), v1::RUN_STATE_ENDED);
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
}

TEST_F(DiagnosticsServiceTest, ADeletedRunIsGone) {
  StreamRun(MakeOpen("digits"));
  v1::DeleteRunRequest request;
  request.set_run_id("digits");
  v1::DeleteRunResponse response;

  EXPECT_TRUE(diagnostics_->DeleteRun(Call().get(), request, &response).ok());
  EXPECT_THAT(diagnostics_->DeleteRun(Call().get(), request, &response),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("digits")));
}

TEST_F(DiagnosticsServiceTest, MalformedRequestsNameTheirField) {
  StreamRun(MakeOpen("digits"));
  v1::GetRunRequest run;
  run.set_run_id("../etc");
  v1::GetRunResponse run_response;
  EXPECT_THAT(diagnostics_->GetRun(Call().get(), run, &run_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("run_id")));

  v1::ListUnitsRequest units;
  units.set_run_id("digits");
  units.set_layer("a\nb");
  v1::ListUnitsResponse units_response;
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("layer")));
  units.set_layer(kLayerName);
  units.set_page_size(-1);
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("page_size")));
  units.set_page_size(0);
  units.add_states(static_cast<v1::HealthState>(99));
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("states[0]")));

  units.clear_states();
  units.set_order(static_cast<v1::UnitOrder>(99));
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("order")));
  units.set_order(v1::UNIT_ORDER_DEATHS);
  units.set_first_unit(1);
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("first_unit")));
  units.set_first_unit(0);
  units.set_at_event_id(1);
  EXPECT_THAT(ListUnits(units, &units_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("order")));

  v1::GetUnitMapRequest map;
  map.set_run_id("digits");
  map.set_max_buckets(1025);
  v1::GetUnitMapResponse map_response;
  EXPECT_THAT(diagnostics_->GetUnitMap(Call().get(), map, &map_response),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("max_buckets")));

  v1::GetHistogramRequest histogram;
  histogram.set_run_id("digits");
  histogram.set_layer(kLayerName);
  v1::GetHistogramResponse histogram_response;
  EXPECT_THAT(
      diagnostics_->GetHistogram(Call().get(), histogram, &histogram_response),
      HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("figure")));

  v1::GetDistributionRequest distribution;
  distribution.set_run_id("digits");
  distribution.set_layer(kLayerName);
  v1::GetDistributionResponse distribution_response;
  const auto distribution_status = [&] {
    return diagnostics_->GetDistribution(Call().get(), distribution,
                                         &distribution_response);
  };
  EXPECT_THAT(distribution_status(),
              HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("signal")));
  distribution.set_signal(v1::SIGNAL_ACTIVATION);
  for (const std::uint32_t bins : {1U, 1025U}) {
    distribution.set_max_bins(bins);
    EXPECT_THAT(distribution_status(),
                HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("max_bins")));
  }

  v1::GetLayerHistoryRequest history;
  history.set_run_id("digits");
  history.set_layer(kLayerName);
  v1::GetLayerHistoryResponse history_response;
  EXPECT_THAT(
      diagnostics_->GetLayerHistory(Call().get(), history, &history_response),
      HasCode(StatusCode::INVALID_ARGUMENT, HasSubstr("signal")));
}

TEST_F(DiagnosticsServiceTest, AnUnknownLayerIsNotFound) {
  StreamRun(MakeOpen("digits"));
  v1::GetLayerRequest request;
  request.set_run_id("digits");
  request.set_layer("nobody");
  v1::GetLayerResponse response;

  EXPECT_THAT(diagnostics_->GetLayer(Call().get(), request, &response),
              HasCode(StatusCode::NOT_FOUND,
                      AllOf(HasSubstr("digits"), HasSubstr("nobody"))));
}

class GatedDiagnosticsTest : public ServerFixture {
 protected:
  void SetUp() override {
    UseTokens("alpha red\nbeta blue\n");
    StartServer();
  }
};

TEST_F(GatedDiagnosticsTest, EveryMethodPassesTheGate) {
  const auto refused = [this](auto method, auto request, auto response) {
    const grpc::Status status =
        (diagnostics_.get()->*method)(Call().get(), request, &response);
    EXPECT_THAT(status,
                HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("token")));
  };
  using Stub = v1::DiagnosticsService::Stub;
  refused(&Stub::GetServerInfo, v1::GetServerInfoRequest(),
          v1::GetServerInfoResponse());
  refused(&Stub::ListRuns, v1::ListRunsRequest(), v1::ListRunsResponse());
  refused(&Stub::GetRun, v1::GetRunRequest(), v1::GetRunResponse());
  refused(&Stub::EndRun, v1::EndRunRequest(), v1::EndRunResponse());
  refused(&Stub::DeleteRun, v1::DeleteRunRequest(), v1::DeleteRunResponse());
  refused(&Stub::ListLayers, v1::ListLayersRequest(), v1::ListLayersResponse());
  refused(&Stub::GetLayer, v1::GetLayerRequest(), v1::GetLayerResponse());
  refused(&Stub::GetLayerHistory, v1::GetLayerHistoryRequest(),
          v1::GetLayerHistoryResponse());
  refused(&Stub::ListUnits, v1::ListUnitsRequest(), v1::ListUnitsResponse());
  refused(&Stub::GetUnitMap, v1::GetUnitMapRequest(), v1::GetUnitMapResponse());
  refused(&Stub::GetHistogram, v1::GetHistogramRequest(),
          v1::GetHistogramResponse());
  refused(&Stub::GetDistribution, v1::GetDistributionRequest(),
          v1::GetDistributionResponse());
  refused(&Stub::GetScalar, v1::GetScalarRequest(), v1::GetScalarResponse());
  refused(&Stub::DiagnoseRun, v1::DiagnoseRunRequest(),
          v1::DiagnoseRunResponse());
  refused(&Stub::ListEvents, v1::ListEventsRequest(), v1::ListEventsResponse());
  const auto context = Call();
  EXPECT_THAT(diagnostics_->WatchEvents(context.get(), {})->Finish(),
              HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("token")));
}

TEST_F(GatedDiagnosticsTest, ATenantListsItsOwnRunsOnly) {
  StreamRun(MakeOpen("digits"), "alpha");
  StreamRun(MakeOpen("words"), "beta");
  v1::ListRunsResponse response;

  ASSERT_TRUE(diagnostics_->ListRuns(Call("alpha").get(), {}, &response).ok());

  ASSERT_EQ(response.runs_size(), 1);
  EXPECT_EQ(response.runs(0).run_id(), "digits");
}

TEST_F(GatedDiagnosticsTest, AnotherTenantsRunCannotBeDeleted) {
  StreamRun(MakeOpen("digits"), "alpha");
  v1::DeleteRunRequest request;
  request.set_run_id("digits");
  v1::DeleteRunResponse response;

  EXPECT_THAT(diagnostics_->DeleteRun(Call("beta").get(), request, &response),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("digits")));
  EXPECT_TRUE(
      diagnostics_->DeleteRun(Call("alpha").get(), request, &response).ok());
}

TEST_F(GatedDiagnosticsTest, SendingTwoTokensIsRefused) {
  const auto context = Call("alpha");
  context->AddMetadata("authorization", "Bearer beta");
  v1::ListRunsResponse response;

  EXPECT_THAT(
      diagnostics_->ListRuns(context.get(), {}, &response),
      HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("more than once")));
}

}  // namespace
}  // namespace firekeeper::testing
