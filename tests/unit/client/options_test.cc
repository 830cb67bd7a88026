// Options, names, sampling plan and launch token.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "client/cpp/launch_token.h"
#include "client/cpp/names.h"
#include "client/cpp/open_encoding.h"
#include "client/cpp/sampling_plan.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::client {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

WatcherOptions GoodOptions() {
  WatcherOptions options;
  options.run_id = "run";
  options.layers = {{.name = "fc", .unit_count = 8}};
  return options;
}

TEST(OptionsTest, AcceptsTheLeastThatMakesSense) {
  EXPECT_THAT(CheckOptions(GoodOptions()), IsOk());
}

struct BadOption {
  std::string named;
  std::function<void(WatcherOptions&)> spoil;
};

class BadOptionTest : public ::testing::TestWithParam<BadOption> {};

TEST_P(BadOptionTest, IsNamedInTheError) {
  WatcherOptions options = GoodOptions();
  GetParam().spoil(options);

  EXPECT_THAT(CheckOptions(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(GetParam().named)));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadOptionTest,
    ::testing::Values(
        BadOption{"run_id", [](auto& o) { o.run_id = ""; }},
        BadOption{"run_id", [](auto& o) { o.run_id = "../x"; }},
        BadOption{"remedy_of", [](auto& o) { o.remedy_of = "a b"; }},
        BadOption{"launch_token",
                  [](auto& o) { o.launch_token = std::string(256, 'x'); }},
        BadOption{"launch_token", [](auto& o) { o.launch_token = "\xFF"; }},
        BadOption{"resume_step", [](auto& o) { o.resume_step = -1; }},
        BadOption{"source", [](auto& o) { o.source = 1; }},
        BadOption{"source", [](auto& o) { o.source_count = 0; }},
        BadOption{"labels", [](auto& o) { o.labels["a b"] = "c"; }},
        BadOption{"labels[a]", [](auto& o) { o.labels["a"] = "\xC0\x80"; }},
        BadOption{"layers", [](auto& o) { o.layers.clear(); }},
        BadOption{"layers[0].name", [](auto& o) { o.layers[0].name = "a//b"; }},
        BadOption{"layers[1].name",
                  [](auto& o) { o.layers.push_back(o.layers[0]); }},
        BadOption{"layers[0].unit_count",
                  [](auto& o) { o.layers[0].unit_count = 0; }},
        BadOption{"layers[0].unit_range",
                  [](auto& o) {
                    o.layers[0].unit_range = UnitRange{.first = 4, .count = 5};
                  }},
        BadOption{"layers[0].unit_range",
                  [](auto& o) {
                    o.layers[0].unit_range =
                        UnitRange{.first = 1, .count = ~std::uint64_t{0}};
                  }},
        BadOption{"layers[0].data_shard",
                  [](auto& o) {
                    o.layers[0].data_shard = 2;
                    o.layers[0].data_shards = 2;
                  }},
        BadOption{"layers[0].activation.alpha",
                  [](auto& o) { o.layers[0].activation.alpha = -1.0; }},
        BadOption{"every", [](auto& o) { o.every = 3; }},
        BadOption{"every", [](auto& o) { o.every = 0; }},
        BadOption{"ring_bytes", [](auto& o) { o.ring_bytes = 10; }},
        BadOption{"backoff",
                  [](auto& o) { o.backoff.longest = o.backoff.shortest / 2; }},
        BadOption{"connection.endpoint",
                  [](auto& o) { o.connection.endpoint = ""; }}));

TEST(OptionsTest, OpenCarriesWhatWasDeclared) {
  WatcherOptions options = GoodOptions();
  options.labels["model"] = "mlp";
  options.layers[0].kind = LayerKind::kDense;
  options.layers[0].activation = {.kind = core::Activation::kLeakyRelu,
                                  .negative_slope = 0.1};
  options.layers[0].unit_range = UnitRange{.first = 2, .count = 3};

  const v1::Open open = EncodeOpen(options);

  ASSERT_EQ(open.layers_size(), 1);
  const v1::Layer& layer = open.layers(0);
  EXPECT_EQ(layer.kind(), v1::LAYER_KIND_DENSE);
  EXPECT_EQ(layer.activation(), v1::ACTIVATION_LEAKY_RELU);
  EXPECT_EQ(layer.negative_slope(), 0.1);
  EXPECT_EQ(layer.unit_range().count(), 3U);
  EXPECT_EQ(open.labels().at("model"), "mlp");
}

TEST(NamesTest, FollowThePatternOfTheProtocol) {
  for (const std::string good :
       {"a", "_x", "encoder.0.relu:1", "a/b@c+d=e-f", "9"}) {
    EXPECT_TRUE(IsValidName(good)) << good;
  }
  EXPECT_TRUE(IsValidName(std::string(255, 'a')));
  EXPECT_FALSE(IsValidName(std::string(256, 'a')));
  for (const std::string bad :
       {"", ".a", "-a", "a..b", "a//b", "a b", "a\n", "\"", "\xC3\xA9"}) {
    EXPECT_FALSE(IsValidName(bad)) << bad;
  }
  EXPECT_FALSE(IsValidName(std::string_view("a\0b", 3)));
}

TEST(NamesTest, Utf8IsTakenAsUnicodeDefinesIt) {
  for (const std::string good :
       {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\xA5"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const std::string bad :
       {"\xC3", "\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
        "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "\xFF", "\xE2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << ::testing::PrintToString(bad);
  }
}

TEST(SamplingPlanTest, IsDenseAtFirstAndThenRegular) {
  const SamplingPlan plan(64);

  std::vector<std::int64_t> sampled;
  for (std::int64_t step = 0; step <= 200; ++step) {
    if (plan.Includes(step)) sampled.push_back(step);
  }

  EXPECT_THAT(sampled, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                              20, 50, 64, 100, 128, 192));
  EXPECT_FALSE(plan.Includes(-64));
}

TEST(SamplingPlanTest, EveryOneMeansEveryStep) {
  const SamplingPlan plan(1);

  for (std::int64_t step = 0; step < 200; ++step) {
    EXPECT_TRUE(plan.Includes(step));
  }
}

// An environment made of a map, which must outlive it.
GetEnvironment From(const std::map<std::string, std::string>& variables) {
  return [&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(LaunchTokenTest, IsEmptyWhereTheEnvironmentSaysNothing) {
  const std::map<std::string, std::string> nothing = {{"SLURM_JOB_ID", ""},
                                                      {"MASTER_PORT", "29500"}};

  EXPECT_EQ(LaunchTokenFromEnvironment(From(nothing)), "");
}

TEST(LaunchTokenTest, JoinsWhatThereIs) {
  const std::map<std::string, std::string> variables = {
      {"TORCHELASTIC_RUN_ID", "abc"},
      {"TORCHELASTIC_RESTART_COUNT", "2"},
      {"MASTER_ADDR", "node0"},
      {"MASTER_PORT", "29500"}};

  EXPECT_EQ(LaunchTokenFromEnvironment(From(variables)),
            "TORCHELASTIC_RUN_ID=abc,TORCHELASTIC_RESTART_COUNT=2,"
            "MASTER=node0:29500");
}

TEST(LaunchTokenTest, ARestartGivesAnotherToken) {
  const std::map<std::string, std::string> first = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_RESTART_COUNT", "0"}};
  const std::map<std::string, std::string> second = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_RESTART_COUNT", "1"}};

  EXPECT_NE(LaunchTokenFromEnvironment(From(first)),
            LaunchTokenFromEnvironment(From(second)));
}

TEST(LaunchTokenTest, KeepsLongOrUnprintableValuesApartWithin255Bytes) {
  const std::string long_id(400, 'x');
  const std::map<std::string, std::string> first = {
      {"TORCHELASTIC_RUN_ID", long_id + "a"}};
  const std::map<std::string, std::string> second = {
      {"TORCHELASTIC_RUN_ID", long_id + "b"}};
  const std::map<std::string, std::string> odd = {
      {"TORCHELASTIC_RUN_ID", "a\xFF\n"}};

  const std::string token = LaunchTokenFromEnvironment(From(first));

  EXPECT_EQ(token.size(), 255U);
  EXPECT_NE(token, LaunchTokenFromEnvironment(From(second)));
  EXPECT_TRUE(IsValidUtf8(LaunchTokenFromEnvironment(From(odd))));
}

TEST(LaunchTokenTest, RandomOnesDiffer) {
  EXPECT_NE(RandomLaunchToken(), RandomLaunchToken());
  EXPECT_NE(RandomInstanceId(), 0U);
}

}  // namespace
}  // namespace firekeeper::client
