#include "server/ingest/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "server/errors.h"
#include "tests/support/broken_field.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::BrokenField;
using ::firekeeper::testing::ExpectRefused;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MakeGap;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::NameOf;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::int64_t kBeyondSteps = core::kMaxStep + 1;
constexpr std::int64_t kInt64Min = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kUint64Max = std::numeric_limits<std::uint64_t>::max();

TEST(CheckNameTest, AcceptsWhatFrameworksCallTheirModules) {
  for (const char* name :
       {"a", "7", "_hidden", "encoder.0.mlp.relu", "encoder.0.relu:1", "model",
        "layers/3/attn", "user@host:8080", "lr=0.1+wd", "a-b-c", "A.B/C:0"}) {
    EXPECT_THAT(CheckName("name", name, Limits{}), IsOk()) << name;
  }
}

TEST(CheckNameTest, RefusesWhatIsNoName) {
  for (const std::string& name :
       {std::string(""),        std::string("."),
        std::string("-x"),      std::string("/etc/passwd"),
        std::string("../x"),    std::string("a/../b"),
        std::string("a..b"),    std::string("a//b"),
        std::string("a b"),     std::string("a\nb"),
        std::string("a\0b", 3), std::string("a\"b"),
        std::string("a'b"),     std::string("a\\b"),
        std::string("a{b}"),    std::string("a;b"),
        std::string("a\x7f"),   std::string("caf\xc3\xa9"),
        std::string("a\xff"),   std::string(1, '\0'),
        std::string("a%2e%2e")}) {
    const absl::Status status = CheckName("name", name, Limits{});

    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, _))
        << name;
    EXPECT_EQ(FieldOf(status), "name");
  }
}

TEST(CheckNameTest, AcceptsEveryAllowedByteAndNoOther) {
  const std::string allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@+=-";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool expected = allowed.find(c) != std::string::npos;

    EXPECT_EQ(CheckName("name", std::string("a") + c, Limits{}).ok(), expected)
        << byte;
  }
}

TEST(CheckNameTest, TheLimitIsInBytes) {
  Limits limits;
  limits.max_name_bytes = 8;

  EXPECT_THAT(CheckName("name", std::string(7, 'a'), limits), IsOk());
  EXPECT_THAT(CheckName("name", std::string(8, 'a'), limits), IsOk());
  EXPECT_THAT(CheckName("name", std::string(9, 'a'), limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("9 bytes; at most 8")));
}

TEST(CheckNameTest, QuotesLittleOfAHostileName) {
  const std::string hostile(64 << 10, '\n');

  const absl::Status status = CheckName("name", hostile, Limits{});

  EXPECT_THAT(std::string(status.message()), SizeIs(Le(400U)));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("65536 bytes"));
}

using KeyRow = BrokenField<v1::Snapshot>;
class SnapshotKeyTest : public ::testing::TestWithParam<KeyRow> {};

TEST_P(SnapshotKeyTest, IsRefusedByFieldName) {
  v1::Snapshot snapshot = MakeTensorSnapshot(3);
  ASSERT_THAT(CheckSnapshotKey(snapshot, Limits{}), IsOk());

  GetParam().break_it(snapshot);

  ExpectRefused(CheckSnapshotKey(snapshot, Limits{}), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Broken, SnapshotKeyTest,
    ::testing::Values(
        KeyRow{"NoLayer", [](auto& s) { s.clear_layer(); }, "layer", "empty"},
        KeyRow{"LayerPath", [](auto& s) { s.set_layer("../fc1"); }, "layer",
               "\"../fc1\" must match"},
        KeyRow{"NoSignal",
               [](auto& s) { s.set_signal(v1::SIGNAL_UNSPECIFIED); }, "signal",
               "is 0; must be SIGNAL_ACTIVATION (1) to SIGNAL_TARGET (9)"},
        KeyRow{"NewSignal",
               [](auto& s) { s.set_signal(static_cast<v1::Signal>(10)); },
               "signal", "is 10;"},
        KeyRow{"NegativeSignal",
               [](auto& s) { s.set_signal(static_cast<v1::Signal>(-1)); },
               "signal", "is -1;"},
        KeyRow{"NoPhase", [](auto& s) { s.set_phase(v1::PHASE_UNSPECIFIED); },
               "phase", "is 0; must be PHASE_TRAIN (1) to PHASE_PROBE (4)"},
        KeyRow{"NewPhase",
               [](auto& s) { s.set_phase(static_cast<v1::Phase>(5)); }, "phase",
               "is 5;"},
        KeyRow{"NegativeStep", [](auto& s) { s.set_step(-1); }, "step",
               "is -1; must be 0 to 9007199254740992"},
        KeyRow{"LeastStep", [](auto& s) { s.set_step(kInt64Min); }, "step",
               "must be 0"},
        KeyRow{"StepBeyondDoubles", [](auto& s) { s.set_step(kBeyondSteps); },
               "step", "is 9007199254740993;"}),
    NameOf<v1::Snapshot>);

TEST(CheckSnapshotKeyTest, AcceptsEverySignalPhaseAndTheExtremeSteps) {
  v1::Snapshot snapshot = MakeTensorSnapshot(0);
  for (int signal = 1; signal < v1::Signal_ARRAYSIZE; ++signal) {
    snapshot.set_signal(static_cast<v1::Signal>(signal));
    EXPECT_THAT(CheckSnapshotKey(snapshot, Limits{}), IsOk()) << signal;
  }
  for (int phase = 1; phase < v1::Phase_ARRAYSIZE; ++phase) {
    snapshot.set_phase(static_cast<v1::Phase>(phase));
    EXPECT_THAT(CheckSnapshotKey(snapshot, Limits{}), IsOk()) << phase;
  }
  snapshot.set_step(core::kMaxStep);
  EXPECT_THAT(CheckSnapshotKey(snapshot, Limits{}), IsOk());
}

using GapRow = BrokenField<v1::Gap>;
class GapTest : public ::testing::TestWithParam<GapRow> {};

TEST_P(GapTest, IsRefusedByFieldName) {
  v1::Gap gap = MakeGap(3, 5);
  ASSERT_THAT(CheckGap(gap), IsOk());

  GetParam().break_it(gap);

  ExpectRefused(CheckGap(gap), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Broken, GapTest,
    ::testing::Values(
        GapRow{"FromZero", [](auto& g) { g.set_from_seq(0); }, "from_seq",
               "is 0; must be 1"},
        GapRow{"Reversed", [](auto& g) { g.set_to_seq(2); }, "to_seq",
               "is 2; from_seq is 3"},
        GapRow{"ToTheEndOfNumbers", [](auto& g) { g.set_to_seq(kUint64Max); },
               "to_seq", "is 18446744073709551615;"},
        GapRow{"NegativeFirstStep", [](auto& g) { g.set_first_step(-1); },
               "first_step", "is -1;"},
        GapRow{"StepsReversed",
               [](auto& g) {
                 g.set_first_step(9);
                 g.set_last_step(8);
               },
               "last_step", "is 8; first_step is 9"},
        GapRow{"LastStepTooFar", [](auto& g) { g.set_last_step(kBeyondSteps); },
               "last_step", "must be 0 to"},
        GapRow{"LongReason",
               [](auto& g) { g.set_reason(std::string(256, 'r')); }, "reason",
               "has 256 bytes; at most 255"}),
    NameOf<v1::Gap>);

TEST(CheckGapTest, AcceptsOneNumberAndTheLongestReason) {
  v1::Gap gap = MakeGap(1, 1);
  gap.set_reason(std::string(255, 'r'));
  gap.set_last_step(core::kMaxStep);
  gap.set_samples(kUint64Max);

  EXPECT_THAT(CheckGap(gap), IsOk());
}

using ProgressRow = BrokenField<v1::Progress>;
class ProgressTest : public ::testing::TestWithParam<ProgressRow> {};

TEST_P(ProgressTest, IsRefusedByFieldName) {
  v1::Progress progress = MakeProgress(4);
  ASSERT_THAT(CheckProgress(progress, Limits{}), IsOk());

  GetParam().break_it(progress);

  ExpectRefused(CheckProgress(progress, Limits{}), GetParam());
}

void AddScalars(v1::Progress& progress, int count) {
  for (int i = 0; i < count; ++i) progress.add_scalars()->set_name("loss");
}

void AddSteps(v1::Progress& progress, int count) {
  for (int i = 0; i < count; ++i) progress.add_sampled_steps(i);
}

INSTANTIATE_TEST_SUITE_P(
    Broken, ProgressTest,
    ::testing::Values(
        ProgressRow{"BelowNone",
                    [](auto& p) { p.set_complete_through_step(-2); },
                    "complete_through_step", "is -2; must be -1 to"},
        ProgressRow{"TooFar",
                    [](auto& p) { p.set_complete_through_step(kBeyondSteps); },
                    "complete_through_step", "must be -1 to"},
        ProgressRow{"NegativeSampledStep",
                    [](auto& p) { p.add_sampled_steps(-1); }, "sampled_steps",
                    "is -1;"},
        ProgressRow{"SampledStepTooFar",
                    [](auto& p) { p.add_sampled_steps(kBeyondSteps); },
                    "sampled_steps", "must be 0 to"},
        ProgressRow{"SampledStepsDescend",
                    [](auto& p) {
                      p.add_sampled_steps(3);
                      p.add_sampled_steps(2);
                    },
                    "sampled_steps", "2 follows 3"},
        ProgressRow{"SampledStepTwice",
                    [](auto& p) {
                      p.add_sampled_steps(3);
                      p.add_sampled_steps(3);
                    },
                    "sampled_steps", "3 follows 3"},
        ProgressRow{"TooManySampledSteps", [](auto& p) { AddSteps(p, 4'097); },
                    "sampled_steps", "has 4097 entries; at most 4096",
                    absl::StatusCode::kResourceExhausted},
        ProgressRow{"TooManyScalars", [](auto& p) { AddScalars(p, 257); },
                    "scalars", "has 257 entries; at most 256",
                    absl::StatusCode::kResourceExhausted},
        ProgressRow{"ScalarWithoutName",
                    [](auto& p) {
                      AddScalars(p, 1);
                      p.add_scalars();
                    },
                    "scalars[1].name", "empty"},
        ProgressRow{"ScalarNameWithNewline",
                    [](auto& p) { p.add_scalars()->set_name("lo\nss"); },
                    "scalars[0].name", "lo\\nss"},
        ProgressRow{"ScalarStepNegative",
                    [](auto& p) {
                      AddScalars(p, 1);
                      p.mutable_scalars(0)->set_step(-7);
                    },
                    "scalars[0].step", "is -7;"}),
    NameOf<v1::Progress>);

TEST(CheckProgressTest, AcceptsAsMuchAsIsAllowed) {
  v1::Progress progress = MakeProgress(-1);
  AddSteps(progress, 4'096);
  AddScalars(progress, 256);

  EXPECT_THAT(CheckProgress(progress, Limits{}), IsOk());
}

TEST(CheckProgressTest, KeepsScalarsThatAreNotFinite) {
  v1::Progress progress = MakeProgress(1);
  AddScalars(progress, 2);
  progress.mutable_scalars(0)->set_value(
      std::numeric_limits<double>::quiet_NaN());
  progress.mutable_scalars(1)->set_value(
      -std::numeric_limits<double>::infinity());

  EXPECT_THAT(CheckProgress(progress, Limits{}), IsOk());
}

}  // namespace
}  // namespace firekeeper::server
