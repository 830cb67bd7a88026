// What browsers and scripts are answered: the same as over gRPC, as JSON.

#include "server/web/json_api.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "server/ingest/session.h"
#include "tests/support/message_builders.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::SessionDriver;
using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr const char* kTenant = "red";

class JsonApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(driver_.Say(Opening(MakeOpen("team/run-1"))), IsOk());
    ASSERT_THAT(driver_.Send(1, {MakeTensorSnapshot(0)}), IsOk());
  }

  HttpReply Ask(const std::string& method, const HttpParameters& parameters) {
    return api_.Answer(kTenant, method, parameters);
  }
  // Of a request that is refused.
  Json ErrorOf(const std::string& method, const HttpParameters& parameters) {
    const HttpReply reply = Ask(method, parameters);
    EXPECT_NE(reply.status, 200);
    Json error = Json::parse(reply.body).at("error");
    EXPECT_EQ(error.at("code"), reply.status);
    return error;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  Registry registry_{Limits(), StateSettings(), [this] { return now_; }};
  const Queries queries_{registry_, absl::FromUnixSeconds(0)};
  const JsonApi api_{queries_};
  SessionDriver driver_{registry_, kTenant};
};

TEST_F(JsonApiTest, AnswersTheCanonicalJsonOfTheResponse) {
  v1::GetRunRequest request;
  request.set_run_id("team/run-1");
  v1::GetRunResponse response;
  ASSERT_THAT(queries_.GetRun(kTenant, request, &response), IsOk());
  std::string canonical;
  ASSERT_TRUE(
      google::protobuf::util::MessageToJsonString(response, &canonical).ok());

  const HttpReply reply = Ask("GetRun", {{"runId", "team/run-1"}});

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, canonical);
  EXPECT_THAT(reply.body, HasSubstr("\"runId\":\"team/run-1\""));
}

TEST_F(JsonApiTest, AFieldMayBeNamedAsInTheProtocol) {
  EXPECT_EQ(Ask("GetRun", {{"run_id", "team/run-1"}}).body,
            Ask("GetRun", {{"runId", "team/run-1"}}).body);
}

TEST_F(JsonApiTest, NumbersStatesAndRepeatedFieldsAreTexts) {
  const HttpReply reply = Ask("ListUnits", {{"runId", "team/run-1"},
                                            {"layer", "fc1"},
                                            {"pageSize", "2"},
                                            {"states", "HEALTH_STATE_DEAD"},
                                            {"states", "HEALTH_STATE_ALIVE"}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_LE(Json::parse(reply.body).value("units", Json::array()).size(), 2U);
}

TEST_F(JsonApiTest, EveryMethodAnswers) {
  const HttpParameters run{{"runId", "team/run-1"}};
  const HttpParameters layer{{"runId", "team/run-1"}, {"layer", "fc1"}};
  HttpParameters history = layer;
  history.emplace("signal", "SIGNAL_ACTIVATION");
  history.emplace("phase", "PHASE_TRAIN");
  EXPECT_EQ(Ask("GetServerInfo", {}).status, 200);
  EXPECT_EQ(Ask("ListRuns", {}).status, 200);
  EXPECT_EQ(Ask("ListLayers", run).status, 200);
  EXPECT_EQ(Ask("GetLayer", layer).status, 200);
  EXPECT_EQ(Ask("GetLayerHistory", history).status, 200);
  HttpParameters histogram = layer;
  histogram.emplace("figure", "UNIT_FIGURE_FIRING_RATE");
  EXPECT_EQ(Ask("GetUnitMap", run).status, 200);
  EXPECT_EQ(Ask("GetHistogram", histogram).status, 200);
  EXPECT_EQ(Ask("GetDistribution", history).status, 200);
  EXPECT_EQ(Ask("DiagnoseRun", run).status, 200);
  EXPECT_EQ(Ask("ListEvents", run).status, 200);
}

TEST_F(JsonApiTest, ATenantSeesItsOwnRunsOnly) {
  EXPECT_EQ(api_.Answer("blue", "GetRun", {{"runId", "team/run-1"}}).status,
            404);
}

TEST_F(JsonApiTest, NamesTheFieldThatIsWrong) {
  const Json unknown = ErrorOf("GetRun", {{"id", "a"}});
  EXPECT_EQ(unknown.at("status"), "INVALID_ARGUMENT");
  EXPECT_EQ(unknown.at("field"), "id");
  EXPECT_THAT(unknown.at("message").get<std::string>(), HasSubstr("runId"));

  const Json twice = ErrorOf("GetRun", {{"runId", "a"}, {"runId", "b"}});
  EXPECT_EQ(twice.at("field"), "runId");

  const Json text = ErrorOf("ListRuns", {{"pageSize", "many"}});
  EXPECT_EQ(text.at("code"), 400);
  EXPECT_THAT(text.at("message").get<std::string>(), HasSubstr("many"));

  const Json range = ErrorOf("ListRuns", {{"pageSize", "-1"}});
  EXPECT_EQ(range.at("field"), "page_size");
}

TEST_F(JsonApiTest, WhatIsNotThereIs404) {
  EXPECT_EQ(ErrorOf("GetRun", {{"runId", "other"}}).at("code"), 404);
  const Json method = ErrorOf("DeleteRun", {{"runId", "team/run-1"}});
  EXPECT_EQ(method.at("code"), 404);
  EXPECT_THAT(method.at("message").get<std::string>(), HasSubstr("ListRuns"));
}

TEST_F(JsonApiTest, AnyBytesAreAnsweredInUtf8) {
  const Json error = ErrorOf("GetRun", {{"runId", "\xff\"<script>"}});

  EXPECT_EQ(error.at("code"), 400);
}

}  // namespace
}  // namespace firekeeper::server
