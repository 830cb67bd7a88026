#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "server/errors.h"
#include "server/ingest/codec.h"
#include "tests/support/broken_field.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::BrokenField;
using ::firekeeper::testing::ExpectRefused;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kLayerName;
using ::firekeeper::testing::MakeLayer;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::NameOf;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kUint64Max = std::numeric_limits<std::uint64_t>::max();
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

// Small, so that a test can pass them.
Limits TestLimits() {
  Limits limits;
  limits.max_units_per_layer = 16;
  limits.max_layers_per_run = 3;
  limits.max_units_per_run = 20;
  limits.max_sources = 8;
  limits.max_labels = 2;
  limits.max_label_value_bytes = 5;
  return limits;
}

v1::Layer& FirstLayer(v1::Open& open) { return *open.mutable_layers(0); }

void SetRange(v1::Open& open, std::uint64_t first, std::uint64_t count) {
  FirstLayer(open).mutable_unit_range()->set_first(first);
  FirstLayer(open).mutable_unit_range()->set_count(count);
}

void AddInputs(v1::Open& open, int count) {
  for (int i = 0; i < count; ++i) FirstLayer(open).add_inputs("input");
}

using OpenRow = BrokenField<v1::Open>;
class OpenTest : public ::testing::TestWithParam<OpenRow> {};

TEST_P(OpenTest, IsRefusedByFieldName) {
  v1::Open open = MakeOpen();
  ASSERT_THAT(DecodeOpen(open, TestLimits()), IsOk());

  GetParam().break_it(open);

  ExpectRefused(DecodeOpen(open, TestLimits()).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    BrokenSource, OpenTest,
    ::testing::Values(
        OpenRow{"NoToken", [](auto& o) { o.clear_launch_token(); },
                "launch_token", "has 0 bytes; must have 1 to 255"},
        OpenRow{"LongToken",
                [](auto& o) { o.set_launch_token(std::string(256, 't')); },
                "launch_token", "has 256 bytes"},
        OpenRow{"TokenWithNul",
                [](auto& o) { o.set_launch_token(std::string("a\0b", 3)); },
                "launch_token", "byte 1 is not printable ASCII"},
        OpenRow{"TokenWithNewline",
                [](auto& o) { o.set_launch_token("life\n"); }, "launch_token",
                "byte 4"},
        OpenRow{"TokenWithUtf8",
                [](auto& o) { o.set_launch_token("\xc3\xa9"); }, "launch_token",
                "byte 0"},
        OpenRow{"NegativeResumeStep", [](auto& o) { o.set_resume_step(-1); },
                "resume_step", "is -1;"},
        OpenRow{"ResumeStepTooFar",
                [](auto& o) { o.set_resume_step(core::kMaxStep + 1); },
                "resume_step", "must be 0 to"},
        OpenRow{"NoSources", [](auto& o) { o.set_source_count(0); },
                "source_count", "is 0; must be 1 to 8"},
        OpenRow{"TooManySources", [](auto& o) { o.set_source_count(9); },
                "source_count", "is 9; at most 8", kExhausted},
        OpenRow{"SourceBeyondCount", [](auto& o) { o.set_source(1); }, "source",
                "is 1; must be less than source_count, 1"},
        OpenRow{"NoInstance", [](auto& o) { o.set_instance_id(0); },
                "instance_id", "is 0;"},
        OpenRow{"HoldsFromZero", [](auto& o) { o.set_first_held_seq(0); },
                "first_held_seq", "is 0; must be 1"},
        OpenRow{"HoldsFromTheEndOfNumbers",
                [](auto& o) { o.set_first_held_seq(kUint64Max); },
                "first_held_seq", "is 18446744073709551615;"},
        OpenRow{"RemedyPath", [](auto& o) { o.set_remedy_of("a/../b"); },
                "remedy_of", "\"..\""},
        OpenRow{"TooManyLabels",
                [](auto& o) {
                  for (const char* key : {"a", "b", "c"}) {
                    (*o.mutable_labels())[key] = "v";
                  }
                },
                "labels", "has 3 entries; at most 2", kExhausted},
        OpenRow{"LabelKeyWithQuote",
                [](auto& o) { (*o.mutable_labels())["a\"b"] = "v"; }, "labels",
                "must match"},
        OpenRow{"EmptyLabelKey",
                [](auto& o) { (*o.mutable_labels())[""] = ""; }, "labels",
                "empty"},
        OpenRow{"LongLabelValue",
                [](auto& o) { (*o.mutable_labels())["a"] = "123456"; },
                "labels[\"a\"]", "has 6 bytes; at most 5"}),
    NameOf<v1::Open>);

INSTANTIATE_TEST_SUITE_P(
    BrokenLayer, OpenTest,
    ::testing::Values(
        OpenRow{"NoLayerName", [](auto& o) { FirstLayer(o).clear_name(); },
                "layers[0].name", "empty"},
        OpenRow{"SecondLayerName",
                [](auto& o) { *o.add_layers() = MakeLayer("a//b", 1); },
                "layers[1].name", "\"//\""},
        OpenRow{"LayerTwice",
                [](auto& o) { *o.add_layers() = MakeLayer(kLayerName, 1); },
                "layers[1].name", "was declared before"},
        OpenRow{"UnknownKind",
                [](auto& o) {
                  FirstLayer(o).set_kind(static_cast<v1::LayerKind>(99));
                },
                "layers[0].kind", "is 99;"},
        OpenRow{"NoActivation",
                [](auto& o) { FirstLayer(o).clear_activation(); },
                "layers[0].activation",
                "is 0; must be ACTIVATION_LINEAR (1) to "
                "ACTIVATION_SPARSE_LATENTS (22)"},
        OpenRow{"UnknownActivation",
                [](auto& o) {
                  FirstLayer(o).set_activation(static_cast<v1::Activation>(23));
                },
                "layers[0].activation", "is 23;"},
        OpenRow{"SlopeNan",
                [](auto& o) { FirstLayer(o).set_negative_slope(kNan); },
                "layers[0].negative_slope", "is nan; must be finite"},
        OpenRow{"SlopeInfinite",
                [](auto& o) { FirstLayer(o).set_negative_slope(-kInfinity); },
                "layers[0].negative_slope", "is -inf;"},
        OpenRow{"AlphaNan", [](auto& o) { FirstLayer(o).set_alpha(kNan); },
                "layers[0].alpha", "is nan;"},
        OpenRow{"AlphaInfinite",
                [](auto& o) { FirstLayer(o).set_alpha(kInfinity); },
                "layers[0].alpha", "is inf;"},
        OpenRow{"AlphaNegative", [](auto& o) { FirstLayer(o).set_alpha(-0.5); },
                "layers[0].alpha", "is -0.5; must be finite and not negative"},
        OpenRow{"NoUnits", [](auto& o) { FirstLayer(o).set_unit_count(0); },
                "layers[0].unit_count", "is 0; must be 1 to 16"},
        OpenRow{"TooManyUnits",
                [](auto& o) { FirstLayer(o).set_unit_count(17); },
                "layers[0].unit_count", "is 17; at most 16", kExhausted},
        OpenRow{"AllUnitsThereAre",
                [](auto& o) { FirstLayer(o).set_unit_count(kUint64Max); },
                "layers[0].unit_count", "at most 16", kExhausted},
        OpenRow{"TooManyInputUnits",
                [](auto& o) { FirstLayer(o).set_input_unit_count(17); },
                "layers[0].input_unit_count", "is 17; at most 16", kExhausted},
        OpenRow{"EmptyRange", [](auto& o) { SetRange(o, 0, 0); },
                "layers[0].unit_range", "has 0 units"},
        OpenRow{"RangeTooLong", [](auto& o) { SetRange(o, 0, 5); },
                "layers[0].unit_range", "lie in [0, 4)"},
        OpenRow{"RangeBeginsTooLate", [](auto& o) { SetRange(o, 4, 1); },
                "layers[0].unit_range", "has 1 units from 4"},
        OpenRow{"RangeOverflows", [](auto& o) { SetRange(o, kUint64Max, 2); },
                "layers[0].unit_range", "lie in [0, 4)"},
        OpenRow{"RangeOfEverything",
                [](auto& o) { SetRange(o, 1, kUint64Max); },
                "layers[0].unit_range", "lie in [0, 4)"},
        OpenRow{"ShardBeyondShards",
                [](auto& o) {
                  FirstLayer(o).set_data_shard(2);
                  FirstLayer(o).set_data_shards(2);
                },
                "layers[0].data_shard", "is 2; must be less than data_shards"},
        OpenRow{"ShardWithoutShards",
                [](auto& o) { FirstLayer(o).set_data_shard(1); },
                "layers[0].data_shard", "data_shards, 0"},
        OpenRow{"TooManyShards",
                [](auto& o) { FirstLayer(o).set_data_shards(9); },
                "layers[0].data_shards", "is 9; at most 8", kExhausted},
        OpenRow{"TooManyInputs", [](auto& o) { AddInputs(o, 65); },
                "layers[0].inputs", "has 65 entries; at most 64", kExhausted},
        OpenRow{"InputPath",
                [](auto& o) {
                  AddInputs(o, 1);
                  FirstLayer(o).add_inputs("a\tb");
                },
                "layers[0].inputs[1]", "a\\tb"}),
    NameOf<v1::Open>);

TEST(DecodeOpenTest, KeepsEveryField) {
  v1::Open open = MakeOpen();
  open.set_resume_step(40);
  open.set_source(2);
  open.set_source_count(4);
  (*open.mutable_labels())["team"] = "vis";
  open.set_remedy_of("digits-0");
  open.set_first_held_seq(9);

  const auto request = DecodeOpen(open, TestLimits());

  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->launch_token, "life-1");
  EXPECT_EQ(request->resume_step, 40);
  EXPECT_EQ(request->source, 2U);
  EXPECT_EQ(request->source_count, 4U);
  EXPECT_THAT(request->labels, ElementsAre(Pair("team", "vis")));
  EXPECT_EQ(request->remedy_of, "digits-0");
  EXPECT_EQ(request->instance_id, 7U);
  EXPECT_EQ(request->first_held_seq, 9U);
  ASSERT_EQ(request->layers.size(), 1U);
}

TEST(DecodeOpenTest, KeepsEveryFieldOfALayer) {
  v1::Open open = MakeOpen();
  v1::Layer& layer = FirstLayer(open);
  layer.set_activation(v1::ACTIVATION_LEAKY_RELU);
  layer.set_negative_slope(0.01);
  layer.set_alpha(2.0);
  layer.set_input_unit_count(5);
  layer.set_order(3);
  layer.add_inputs("stem");
  layer.set_norm_before(true);
  layer.set_residual(true);
  layer.set_is_output(true);

  const auto request = DecodeOpen(open, TestLimits());

  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->layers[0].spec,
            (LayerSpec{.name = kLayerName,
                       .kind = v1::LAYER_KIND_DENSE,
                       .activation = {.kind = core::Activation::kLeakyRelu,
                                      .negative_slope = 0.01,
                                      .alpha = 2.0},
                       .unit_count = 4,
                       .fan_in = 3,
                       .input_unit_count = 5,
                       .order = 3,
                       .inputs = {"stem"},
                       .norm_before = true,
                       .residual = true,
                       .is_output = true}));
}

TEST(DecodeOpenTest, ActivationsAreThoseOfTheWire) {
  v1::Open open = MakeOpen();
  for (int value = 1; value < v1::Activation_ARRAYSIZE; ++value) {
    FirstLayer(open).set_activation(static_cast<v1::Activation>(value));

    const auto request = DecodeOpen(open, TestLimits());

    ASSERT_THAT(request, IsOk());
    EXPECT_EQ(static_cast<int>(request->layers[0].spec.activation.kind), value);
  }
  EXPECT_EQ(v1::ACTIVATION_SPARSE_LATENTS,
            static_cast<int>(core::Activation::kSparseLatents));
}

TEST(DecodeOpenTest, AlphaZeroMeansOne) {
  const auto request = DecodeOpen(MakeOpen(), TestLimits());

  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->layers[0].spec.activation.alpha, 1.0);
}

TEST(DecodeOpenTest, ASourceHoldsTheWholeLayerUnlessItSaysARange) {
  v1::Open open = MakeOpen();

  const auto whole = DecodeOpen(open, TestLimits());
  SetRange(open, 1, 3);
  const auto part = DecodeOpen(open, TestLimits());

  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(whole->layers[0].share.first_unit, 0);
  EXPECT_EQ(whole->layers[0].share.unit_count, 4);
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(part->layers[0].share.first_unit, 1);
  EXPECT_EQ(part->layers[0].share.unit_count, 3);
}

TEST(DecodeOpenTest, EverySourceHasItsOwnDataUnlessItSaysShards) {
  v1::Open open = MakeOpen();
  open.set_source(5);
  open.set_source_count(8);

  const auto by_source = DecodeOpen(open, TestLimits());
  FirstLayer(open).set_data_shards(2);
  FirstLayer(open).set_cluster_split(true);
  const auto declared = DecodeOpen(open, TestLimits());

  ASSERT_THAT(by_source, IsOk());
  EXPECT_EQ(by_source->layers[0].share.data_shard, 5U);
  EXPECT_EQ(by_source->layers[0].share.data_shards, 8U);
  EXPECT_FALSE(by_source->layers[0].share.cluster_split);
  ASSERT_THAT(declared, IsOk());
  EXPECT_EQ(declared->layers[0].share.data_shard, 0U);
  EXPECT_EQ(declared->layers[0].share.data_shards, 2U);
  EXPECT_TRUE(declared->layers[0].share.cluster_split);
}

TEST(DecodeOpenTest, InputsAreAsWideAsFanInWhereItCanBeTracked) {
  v1::Open open = MakeOpen();

  for (const std::uint64_t fan_in : {0U, 3U, 16U}) {
    FirstLayer(open).set_fan_in(fan_in);
    const auto request = DecodeOpen(open, TestLimits());
    ASSERT_THAT(request, IsOk());
    EXPECT_EQ(request->layers[0].spec.input_unit_count,
              static_cast<core::Index>(fan_in));
  }
  FirstLayer(open).set_fan_in(17);
  const auto request = DecodeOpen(open, TestLimits());
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->layers[0].spec.input_unit_count, 0);
  EXPECT_EQ(request->layers[0].spec.fan_in, 17U);
}

TEST(DecodeOpenTest, LayersAreLimited) {
  v1::Open open = MakeOpen();
  *open.add_layers() = MakeLayer("fc2", 1);
  EXPECT_THAT(DecodeOpen(open, TestLimits()), IsOk());
  *open.add_layers() = MakeLayer("fc3", 1);
  EXPECT_THAT(DecodeOpen(open, TestLimits()), IsOk());
  *open.add_layers() = MakeLayer("fc4", 1);

  const auto refused = DecodeOpen(open, TestLimits());

  EXPECT_THAT(refused,
              StatusIs(kExhausted, "layers: has 4 entries; at most 3"));
}

TEST(DecodeOpenTest, UnitsOfARunAreLimited) {
  for (const std::uint64_t units : {15U, 16U}) {
    v1::Open open = MakeOpen();
    *open.add_layers() = MakeLayer("fc2", units);
    EXPECT_THAT(DecodeOpen(open, TestLimits()), IsOk()) << units;
  }
  v1::Open open = MakeOpen();
  *open.add_layers() = MakeLayer("fc2", 16);
  *open.add_layers() = MakeLayer("fc3", 1);

  EXPECT_THAT(DecodeOpen(open, TestLimits()),
              StatusIs(kExhausted, HasSubstr("more than 20 units")));
}

TEST(DecodeOpenTest, TheSumOfUnitsDoesNotOverflow) {
  Limits limits;
  limits.max_units_per_layer = kUint64Max;
  limits.max_units_per_run = kUint64Max - 1;
  v1::Open open = MakeOpen();
  FirstLayer(open).set_unit_count(kUint64Max - 1);
  *open.add_layers() = MakeLayer("fc2", kUint64Max - 1);

  EXPECT_THAT(DecodeOpen(open, limits), StatusIs(kExhausted, _));
}

TEST(DecodeOpenTest, AcceptsTheLongestToken) {
  v1::Open open = MakeOpen();
  open.set_launch_token(std::string(255, '~'));

  EXPECT_THAT(DecodeOpen(open, TestLimits()), IsOk());
}

TEST(DecodeOpenTest, NeverQuotesTheToken) {
  v1::Open open = MakeOpen();
  open.set_launch_token("secret\n");

  const auto refused = DecodeOpen(open, TestLimits());

  EXPECT_THAT(std::string(refused.status().message()),
              Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace firekeeper::server
