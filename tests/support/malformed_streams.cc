// Conversations that the server ends.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kUint64Max = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kBeyondSteps = (std::int64_t{1} << 53) + 1;
constexpr std::size_t kHostileBytes = std::size_t{64} << 10;

using Rows = std::vector<MalformedConversation>;

// The answer to a broken field of a message that is no snapshot.
struct FieldRow {
  std::string name;
  std::string field;
  bool is_limit = false;
};

MalformedConversation Ending(const FieldRow& row,
                             std::vector<v1::StreamRequest> requests) {
  MalformedConversation conversation{
      .name = row.name, .requests = std::move(requests), .field = row.field};
  if (row.is_limit) {
    conversation.code = absl::StatusCode::kResourceExhausted;
    conversation.reason = "LIMIT_EXCEEDED";
  }
  return conversation;
}

MalformedConversation WrongOrder(const std::string& name,
                                 std::vector<v1::StreamRequest> requests) {
  return {.name = name,
          .requests = std::move(requests),
          .code = absl::StatusCode::kFailedPrecondition,
          .reason = "WRONG_ORDER"};
}

MalformedConversation Hole(const std::string& name, v1::StreamRequest last) {
  return {.name = name,
          .requests = {Opening(MakeOpen()), Batched(1, {MakeTensorSnapshot(0)}),
                       std::move(last)},
          .code = absl::StatusCode::kOutOfRange,
          .reason = "SEQUENCE_HOLE"};
}

void AddOpen(Rows& rows, const FieldRow& row,
             const std::function<void(v1::Open&)>& break_it) {
  v1::Open open = MakeOpen();
  break_it(open);
  rows.push_back(Ending(row, {Opening(std::move(open))}));
}

void AddLayer(Rows& rows, const FieldRow& row,
              const std::function<void(v1::Layer&)>& break_it) {
  AddOpen(rows, {row.name, "open.layers[0]." + row.field, row.is_limit},
          [&](v1::Open& open) { break_it(*open.mutable_layers(0)); });
}

void AddGap(Rows& rows, const FieldRow& row,
            const std::function<void(v1::Gap&)>& break_it) {
  v1::Gap gap = MakeGap(1, 3);
  break_it(gap);
  rows.push_back(Ending(row, {Opening(MakeOpen()), Declaring(std::move(gap))}));
}

void AddProgress(Rows& rows, const FieldRow& row,
                 const std::function<void(v1::Progress&)>& break_it) {
  v1::Progress progress = MakeProgress(4);
  break_it(progress);
  rows.push_back(Ending(row, {Opening(MakeOpen()), Reporting(MakeProgress(4)),
                              Reporting(std::move(progress))}));
}

void AddNames(Rows& rows) {
  const std::vector<std::pair<std::string, std::string>> names{
      {"Empty", ""},
      {"ParentFolder", "../etc/passwd"},
      {"ParentInside", "runs/../secret"},
      {"DoubleDot", "a..b"},
      {"DoubleSlash", "a//b"},
      {"Nul", std::string("a\0b", 3)},
      {"Newline", "run\nfake log line"},
      {"Quote", "run\"} 1\nevil{x=\""},
      {"Backslash", "a\\b"},
      {"Space", "a b"},
      {"LeadingSlash", "/run"},
      {"LeadingDash", "--run"},
      {"Utf8", "caf\xc3\xa9"},
      {"Of256Bytes", std::string(256, 'r')},
      {"Of64KiB", std::string(kHostileBytes, 'r')},
      {"Of64KiBNewlines", std::string(kHostileBytes, '\n')}};
  for (const auto& [kind, text] : names) {
    v1::Open open = MakeOpen();
    open.set_run_id(text);
    rows.push_back(
        Ending({"RunId" + kind, "open.run_id"}, {Opening(std::move(open))}));
  }
}

void AddSourceRows(Rows& rows) {
  AddOpen(rows, {"TokenEmpty", "open.launch_token"},
          [](v1::Open& open) { open.clear_launch_token(); });
  AddOpen(rows, {"TokenOf256Bytes", "open.launch_token"},
          [](v1::Open& open) { open.set_launch_token(std::string(256, 't')); });
  AddOpen(rows, {"TokenWithNewline", "open.launch_token"},
          [](v1::Open& open) { open.set_launch_token("life\n1"); });
  AddOpen(rows, {"ResumeStepNegative", "open.resume_step"},
          [](v1::Open& open) { open.set_resume_step(-1); });
  AddOpen(rows, {"ResumeStepTooFar", "open.resume_step"},
          [](v1::Open& open) { open.set_resume_step(kBeyondSteps); });
  AddOpen(rows, {"NoSources", "open.source_count"},
          [](v1::Open& open) { open.set_source_count(0); });
  AddOpen(rows, {"TooManySources", "open.source_count", true},
          [](v1::Open& open) { open.set_source_count(4'097); });
  AddOpen(rows, {"SourceBeyondCount", "open.source"},
          [](v1::Open& open) { open.set_source(1); });
  AddOpen(rows, {"InstanceZero", "open.instance_id"},
          [](v1::Open& open) { open.set_instance_id(0); });
  AddOpen(rows, {"HeldFromZero", "open.first_held_seq"},
          [](v1::Open& open) { open.set_first_held_seq(0); });
  AddOpen(rows, {"HeldFromTheEnd", "open.first_held_seq"},
          [](v1::Open& open) { open.set_first_held_seq(kUint64Max); });
  AddOpen(rows, {"RemedyOfPath", "open.remedy_of"},
          [](v1::Open& open) { open.set_remedy_of("../run"); });
  AddOpen(rows, {"LabelKeyWithNewline", "open.labels"},
          [](v1::Open& open) { (*open.mutable_labels())["a\nb"] = "v"; });
  AddOpen(rows, {"LabelValueOf256Bytes", "open.labels[\"team\"]"},
          [](v1::Open& open) {
            (*open.mutable_labels())["team"] = std::string(256, 'v');
          });
  AddOpen(rows, {"TooManyLabels", "open.labels", true}, [](v1::Open& open) {
    for (int i = 0; i < 33; ++i) {
      (*open.mutable_labels())["key" + std::to_string(i)] = "v";
    }
  });
}

void AddLayerRows(Rows& rows) {
  AddLayer(rows, {"LayerNameEmpty", "name"},
           [](v1::Layer& layer) { layer.clear_name(); });
  AddLayer(rows, {"LayerNameWithNul", "name"},
           [](v1::Layer& layer) { layer.set_name(std::string("fc\0one", 6)); });
  AddOpen(rows, {"LayerTwice", "open.layers[1].name"}, [](v1::Open& open) {
    *open.add_layers() = MakeLayer(kLayerName, 2);
  });
  AddLayer(rows, {"ActivationMissing", "activation"},
           [](v1::Layer& layer) { layer.clear_activation(); });
  AddLayer(rows, {"ActivationUnknown", "activation"}, [](v1::Layer& layer) {
    layer.set_activation(static_cast<v1::Activation>(77));
  });
  AddLayer(rows, {"KindUnknown", "kind"}, [](v1::Layer& layer) {
    layer.set_kind(static_cast<v1::LayerKind>(-3));
  });
  AddLayer(rows, {"SlopeNan", "negative_slope"},
           [](v1::Layer& layer) { layer.set_negative_slope(kNan); });
  AddLayer(rows, {"AlphaNegative", "alpha"},
           [](v1::Layer& layer) { layer.set_alpha(-1.0); });
  AddLayer(rows, {"NoUnits", "unit_count"},
           [](v1::Layer& layer) { layer.set_unit_count(0); });
  AddLayer(rows, {"UnitsOverflow", "unit_count", true},
           [](v1::Layer& layer) { layer.set_unit_count(kUint64Max); });
  AddLayer(rows, {"InputUnitsOverflow", "input_unit_count", true},
           [](v1::Layer& layer) { layer.set_input_unit_count(kUint64Max); });
  AddLayer(rows, {"UnitRangeOverflows", "unit_range"}, [](v1::Layer& layer) {
    layer.mutable_unit_range()->set_first(kUint64Max);
    layer.mutable_unit_range()->set_count(2);
  });
  AddLayer(rows, {"UnitRangeEmpty", "unit_range"},
           [](v1::Layer& layer) { layer.mutable_unit_range(); });
  AddLayer(rows, {"ShardBeyondShards", "data_shard"}, [](v1::Layer& layer) {
    layer.set_data_shard(2);
    layer.set_data_shards(2);
  });
  AddLayer(rows, {"InputName", "inputs[0]"},
           [](v1::Layer& layer) { layer.add_inputs("a\"b"); });
}

void AddGapRows(Rows& rows) {
  AddGap(rows, {"GapFromZero", "gap.from_seq"},
         [](v1::Gap& gap) { gap.set_from_seq(0); });
  AddGap(rows, {"GapReversed", "gap.to_seq"}, [](v1::Gap& gap) {
    gap.set_from_seq(3);
    gap.set_to_seq(2);
  });
  AddGap(rows, {"GapToTheEndOfNumbers", "gap.to_seq"},
         [](v1::Gap& gap) { gap.set_to_seq(kUint64Max); });
  AddGap(rows, {"GapStepNegative", "gap.first_step"},
         [](v1::Gap& gap) { gap.set_first_step(-1); });
  AddGap(rows, {"GapStepsReversed", "gap.last_step"}, [](v1::Gap& gap) {
    gap.set_first_step(5);
    gap.set_last_step(4);
  });
  AddGap(rows, {"GapReasonOf256Bytes", "gap.reason"},
         [](v1::Gap& gap) { gap.set_reason(std::string(256, 'r')); });
}

void AddProgressRows(Rows& rows) {
  AddProgress(rows, {"ProgressBelowNone", "progress.complete_through_step"},
              [](v1::Progress& p) { p.set_complete_through_step(-2); });
  AddProgress(
      rows, {"ProgressTooFar", "progress.complete_through_step"},
      [](v1::Progress& p) { p.set_complete_through_step(kBeyondSteps); });
  AddProgress(rows, {"ProgressBackwards", "progress.complete_through_step"},
              [](v1::Progress& p) { p.set_complete_through_step(3); });
  AddProgress(rows, {"SampledStepsDescend", "progress.sampled_steps"},
              [](v1::Progress& p) {
                p.add_sampled_steps(4);
                p.add_sampled_steps(3);
              });
  AddProgress(rows, {"SampledStepNegative", "progress.sampled_steps"},
              [](v1::Progress& p) { p.add_sampled_steps(-1); });
  AddProgress(rows, {"TooManySampledSteps", "progress.sampled_steps", true},
              [](v1::Progress& p) {
                for (int step = 0; step < 4'097; ++step) {
                  p.add_sampled_steps(step);
                }
              });
  AddProgress(rows, {"TooManyScalars", "progress.scalars", true},
              [](v1::Progress& p) {
                for (int i = 0; i < 257; ++i) p.add_scalars()->set_name("loss");
              });
  AddProgress(rows, {"ScalarNameEmpty", "progress.scalars[0].name"},
              [](v1::Progress& p) { p.add_scalars(); });
  AddProgress(rows, {"ScalarNameWithQuote", "progress.scalars[0].name"},
              [](v1::Progress& p) { p.add_scalars()->set_name("lo\"ss"); });
  AddProgress(rows, {"ScalarStepNegative", "progress.scalars[0].step"},
              [](v1::Progress& p) {
                p.add_scalars()->set_name("loss");
                p.mutable_scalars(0)->set_step(-1);
              });
}

void AddOrderRows(Rows& rows) {
  rows.push_back(Ending({"NothingSet", "message"}, {v1::StreamRequest()}));
  rows.push_back(
      WrongOrder("BatchBeforeOpen", {Batched(1, {MakeTensorSnapshot(0)})}));
  rows.push_back(WrongOrder("GapBeforeOpen", {Declaring(MakeGap(1, 2))}));
  rows.push_back(
      WrongOrder("ProgressBeforeOpen", {Reporting(MakeProgress(1))}));
  rows.push_back(WrongOrder("CloseBeforeOpen", {Closing(0)}));
  rows.push_back(
      WrongOrder("OpenTwice", {Opening(MakeOpen()), Opening(MakeOpen())}));
  rows.push_back(
      Ending({"BatchFromZero", "batch.first_seq"},
             {Opening(MakeOpen()), Batched(0, {MakeTensorSnapshot(0)})}));
  rows.push_back(Ending({"BatchEmpty", "batch.snapshots"},
                        {Opening(MakeOpen()), Batched(1, {})}));
  rows.push_back(Hole("BatchSkipsOne", Batched(3, {MakeTensorSnapshot(1)})));
  rows.push_back(Hole("BatchAtTheEndOfNumbers",
                      Batched(kUint64Max, {MakeTensorSnapshot(1)})));
  rows.push_back(Hole("GapBeginsTooLate", Declaring(MakeGap(3, 4))));
  rows.push_back(Hole("CloseBeyondTheMark", Closing(2)));
  rows.push_back(Hole("CloseBelowTheMark", Closing(0)));
}

void AddUnfinishedTensorRows(Rows& rows) {
  const v1::Snapshot chunk = MakeChunks(1, 12)[0];
  rows.push_back(Ending({"ChunkInCompany", "batch.snapshots[0].tensor"},
                        {Opening(MakeOpen()), Batched(1, {chunk, chunk})}));
  const std::vector<std::pair<std::string, v1::StreamRequest>> too_early{
      {"NextNumberBeforeTheLastChunk", Batched(2, {MakeTensorSnapshot(2)})},
      {"CloseBeforeTheLastChunk", Closing(1)}};
  for (const auto& [name, request] : too_early) {
    rows.push_back(
        {.name = name,
         .requests = {Opening(MakeOpen()), Batched(1, {chunk}), request},
         .code = absl::StatusCode::kOutOfRange,
         .reason = "SEQUENCE_HOLE"});
  }
}

}  // namespace

Rows MalformedStreams() {
  Rows rows;
  AddNames(rows);
  AddSourceRows(rows);
  AddLayerRows(rows);
  AddGapRows(rows);
  AddProgressRows(rows);
  AddOrderRows(rows);
  AddUnfinishedTensorRows(rows);
  return rows;
}

}  // namespace firekeeper::testing
