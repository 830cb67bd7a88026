// Conversations in which one snapshot is refused and the stream goes on.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kBeyondSteps = (std::int64_t{1} << 53) + 1;
constexpr std::size_t kHostileBytes = std::size_t{64} << 10;
constexpr std::size_t kChunkBytes = 12;  // 32 bytes in three chunks

using Rows = std::vector<MalformedConversation>;

struct FieldRow {
  std::string name;
  // Below "batch.snapshots[0].".
  std::string field;
  bool is_limit = false;
};

MalformedConversation Rejected(const FieldRow& row,
                               std::vector<v1::StreamRequest> requests) {
  MalformedConversation conversation{.name = row.name,
                                     .requests = std::move(requests),
                                     .field = "batch.snapshots[0]." + row.field,
                                     .ends_stream = false,
                                     .rejected_seq = 2};
  if (row.is_limit) {
    conversation.code = absl::StatusCode::kResourceExhausted;
    conversation.reason = "LIMIT_EXCEEDED";
  }
  return conversation;
}

// `snapshots` all have the number 2: chunks, or what stands where one should.
MalformedConversation Rejected(const FieldRow& row,
                               const std::vector<v1::Snapshot>& snapshots) {
  std::vector<v1::StreamRequest> requests{Opening(MakeOpen()),
                                          Batched(1, {MakeSummarySnapshot(0)})};
  for (const v1::Snapshot& snapshot : snapshots) {
    requests.push_back(Batched(2, {snapshot}));
  }
  return Rejected(row, std::move(requests));
}

void AddSnapshot(Rows& rows, const FieldRow& row,
                 const std::function<void(v1::Snapshot&)>& break_it) {
  v1::Snapshot snapshot = MakeTensorSnapshot(1);
  break_it(snapshot);
  rows.push_back(Rejected(row, {std::move(snapshot)}));
}

void AddTensor(Rows& rows, const FieldRow& row,
               const std::function<void(v1::Tensor&)>& break_it) {
  AddSnapshot(rows, {row.name, "tensor." + row.field, row.is_limit},
              [&](v1::Snapshot& s) { break_it(*s.mutable_tensor()); });
}

void AddSummary(Rows& rows, const FieldRow& row,
                const std::function<void(v1::UnitSummary&)>& break_it) {
  v1::Snapshot snapshot = MakeSummarySnapshot(1);
  break_it(*snapshot.mutable_summary());
  rows.push_back(Rejected({row.name, "summary." + row.field, row.is_limit},
                          {std::move(snapshot)}));
}

// Breaks the second of three chunks.
void AddChunk(Rows& rows, const FieldRow& row,
              const std::function<void(v1::Snapshot&)>& break_it) {
  std::vector<v1::Snapshot> chunks = MakeChunks(1, kChunkBytes);
  break_it(chunks[1]);
  chunks.pop_back();
  rows.push_back(Rejected(row, chunks));
}

void SetShape(v1::Tensor& tensor, std::initializer_list<std::int64_t> shape) {
  tensor.mutable_shape()->Assign(shape.begin(), shape.end());
}

void SetCount(v1::UnitSummary& summary, v1::SummaryColumn column,
              std::uint64_t count) {
  const std::vector<std::uint64_t> entries{count};
  ColumnOf(summary, column) = MakeCounts(column, 8, entries);
}

void SetReals(v1::UnitSummary& summary, v1::SummaryColumn column,
              const std::vector<double>& entries) {
  ColumnOf(summary, column) = MakeReals(column, entries);
}

void AddKeyRows(Rows& rows) {
  const std::vector<std::pair<std::string, std::string>> names{
      {"Empty", ""},
      {"ParentFolder", "../fc1"},
      {"Nul", std::string("fc\0", 3)},
      {"Newline", "fc1\n"},
      {"Quote", "fc1\""},
      {"NotDeclared", "fc2"},
      {"Of64KiB", std::string(kHostileBytes, 'f')}};
  for (const auto& [kind, text] : names) {
    AddSnapshot(rows, {"Layer" + kind, "layer"},
                [&layer = text](v1::Snapshot& s) { s.set_layer(layer); });
  }
  AddSnapshot(rows, {"SignalMissing", "signal"},
              [](v1::Snapshot& s) { s.clear_signal(); });
  AddSnapshot(rows, {"SignalUnknown", "signal"}, [](v1::Snapshot& s) {
    s.set_signal(static_cast<v1::Signal>(1'000));
  });
  AddSnapshot(rows, {"PhaseMissing", "phase"},
              [](v1::Snapshot& s) { s.clear_phase(); });
  AddSnapshot(rows, {"PhaseUnknown", "phase"},
              [](v1::Snapshot& s) { s.set_phase(static_cast<v1::Phase>(-1)); });
  AddSnapshot(rows, {"StepNegative", "step"},
              [](v1::Snapshot& s) { s.set_step(-1); });
  AddSnapshot(rows, {"StepTooFar", "step"},
              [](v1::Snapshot& s) { s.set_step(kBeyondSteps); });
  AddSnapshot(rows, {"PayloadMissing", "payload"},
              [](v1::Snapshot& s) { s.clear_payload(); });
}

// Rows whose Open is not the usual one, or whose snapshot clashes with another.
void AddContextRows(Rows& rows) {
  v1::Open resumed = MakeOpen();
  resumed.set_resume_step(10);
  rows.push_back(Rejected(
      {"StepBelowResumeStep", "step"},
      std::vector<v1::StreamRequest>{Opening(resumed),
                                     Batched(1, {MakeSummarySnapshot(10)}),
                                     Batched(2, {MakeSummarySnapshot(9)})}));

  v1::Open without_inputs = MakeOpen();
  without_inputs.mutable_layers(0)->clear_fan_in();
  v1::Snapshot input = MakeTensorSnapshot(1);
  input.set_signal(v1::SIGNAL_INPUT);
  rows.push_back(Rejected(
      {"InputOfNoUnits", "signal"},
      std::vector<v1::StreamRequest>{Opening(without_inputs),
                                     Batched(1, {MakeSummarySnapshot(0)}),
                                     Batched(2, {input})}));

  v1::Snapshot other_content = MakeSummarySnapshot(1);
  other_content.set_step(0);
  MalformedConversation conflict =
      Rejected({"OtherContent", ""}, {std::move(other_content)});
  conflict.code = absl::StatusCode::kAlreadyExists;
  conflict.field.clear();
  conflict.reason = "CONFLICTING_CONTENT";
  rows.push_back(std::move(conflict));
}

void AddShapeRows(Rows& rows) {
  AddTensor(rows, {"TypeMissing", "data_type"},
            [](v1::Tensor& t) { t.clear_data_type(); });
  AddTensor(rows, {"TypeUnknown", "data_type"}, [](v1::Tensor& t) {
    t.set_data_type(static_cast<v1::DataType>(99));
  });
  AddTensor(rows, {"TypeI8", "data_type"},
            [](v1::Tensor& t) { t.set_data_type(v1::DATA_TYPE_I8); });
  AddTensor(rows, {"TypeF8", "data_type"},
            [](v1::Tensor& t) { t.set_data_type(v1::DATA_TYPE_F8_E4M3); });
  AddTensor(rows, {"ShapeMissing", "shape"},
            [](v1::Tensor& t) { t.clear_shape(); });
  AddTensor(rows, {"ShapeOfNineAxes", "shape"}, [](v1::Tensor& t) {
    SetShape(t, {2, 4, 1, 1, 1, 1, 1, 1, 1});
  });
  AddTensor(rows, {"ShapeNegative", "shape"}, [](v1::Tensor& t) {
    SetShape(t, {-2, -4});
  });
  AddTensor(rows, {"ShapeOverflows", "shape", true}, [](v1::Tensor& t) {
    SetShape(t, {kInt64Max, 4});
  });
  AddTensor(rows, {"ShapeWrapsToTheRightLength", "shape", true},
            [](v1::Tensor& t) {
              SetShape(t, {(std::int64_t{1} << 62) + 2, 4});
            });
  AddTensor(rows, {"ShapeHidesItsOverflow", "shape", true}, [](v1::Tensor& t) {
    SetShape(t, {0, 4, kInt64Max, kInt64Max});
  });
  AddTensor(rows, {"ShapeOfOtherUnits", "shape"}, [](v1::Tensor& t) {
    SetShape(t, {1, 8});
  });
  AddTensor(rows, {"UnitAxisNegative", "unit_axis"},
            [](v1::Tensor& t) { t.set_unit_axis(-1); });
  AddTensor(rows, {"UnitAxisBeyondRank", "unit_axis"},
            [](v1::Tensor& t) { t.set_unit_axis(2); });
  AddTensor(rows, {"ClusterAxisBeyondRank", "cluster_axis"},
            [](v1::Tensor& t) { t.set_cluster_axis(7); });
  AddTensor(rows, {"ClusterAxisIsUnitAxis", "cluster_axis"},
            [](v1::Tensor& t) { t.set_cluster_axis(1); });
}

void AddTensorRows(Rows& rows) {
  AddTensor(rows, {"DataMissing", "data"},
            [](v1::Tensor& t) { t.clear_data(); });
  AddTensor(rows, {"DataOneByteShort", "data"},
            [](v1::Tensor& t) { t.mutable_data()->pop_back(); });
  AddTensor(rows, {"DataOneByteMore", "data"},
            [](v1::Tensor& t) { t.mutable_data()->push_back('x'); });
  AddTensor(rows, {"OffsetOfAWholeTensor", "byte_offset"},
            [](v1::Tensor& t) { t.set_byte_offset(4); });
  AddTensor(rows, {"MaskTooLong", "validity_mask"},
            [](v1::Tensor& t) { t.set_validity_mask(std::string(2, '\x01')); });
  AddTensor(rows, {"MaskOf64KiB", "validity_mask"}, [](v1::Tensor& t) {
    t.set_validity_mask(std::string(kHostileBytes, '\x01'));
  });
  AddTensor(rows, {"ScaleNan", "scale"},
            [](v1::Tensor& t) { t.set_scale(kNan); });
  AddTensor(rows, {"ScaleInfinite", "scale"},
            [](v1::Tensor& t) { t.set_scale(kInfinity); });
  AddTensor(rows, {"ScaleNegative", "scale"},
            [](v1::Tensor& t) { t.set_scale(-1.0); });
  AddTensor(rows, {"LossScaleOfAnActivation", "loss_scale"},
            [](v1::Tensor& t) { t.set_loss_scale(2.0); });
  AddTensor(rows, {"ChunkIndexOfAWholeTensor", "chunk_index"},
            [](v1::Tensor& t) { t.set_chunk_index(1); });
  AddTensor(rows, {"TooManyChunks", "chunk_count", true},
            [](v1::Tensor& t) { t.set_chunk_count((1U << 20U) + 1U); });
}

void AddColumnRows(Rows& rows) {
  AddSummary(rows, {"SummaryOfOtherUnits", "unit_count"},
             [](v1::UnitSummary& s) { s.set_unit_count(5); });
  AddSummary(rows, {"SummaryOfTooManyUnits", "unit_count"},
             [](v1::UnitSummary& s) {
               s.set_unit_count(std::numeric_limits<std::uint64_t>::max());
             });
  AddSummary(rows, {"SketchOfMoreThanWasObserved", "sketch.zero_count"},
             [](v1::UnitSummary& s) {
               s.mutable_sketch()->set_zero_count(
                   std::numeric_limits<std::uint64_t>::max());
             });
  AddSummary(rows, {"SketchOfTooManyBuckets", "sketch.positive_counts"},
             [](v1::UnitSummary& s) {
               s.mutable_sketch()->mutable_positive_counts()->Resize(
                   kHostileBytes, 0);
             });
  AddSummary(rows, {"SketchBeyondEveryDouble", "sketch.positive_offset"},
             [](v1::UnitSummary& s) {
               s.mutable_sketch()->set_positive_offset(
                   std::numeric_limits<std::int32_t>::max());
               s.mutable_sketch()->add_positive_counts(1);
             });
  AddSummary(
      rows, {"ColumnUnknown", "columns[0].column"}, [](v1::UnitSummary& s) {
        s.mutable_columns(0)->set_column(static_cast<v1::SummaryColumn>(14));
      });
  AddSummary(rows, {"ColumnTwice", "columns[13].column"},
             [](v1::UnitSummary& s) {
               const v1::SummaryColumnData again = s.columns(3);
               *s.add_columns() = again;
             });
  AddSummary(rows, {"ColumnMissing", "columns"}, [](v1::UnitSummary& s) {
    RemoveColumn(s, v1::SUMMARY_COLUMN_NON_FINITE);
  });
  AddSummary(rows, {"ClustersWhereTheStepIsTheCluster", "columns[2].column"},
             [](v1::UnitSummary& s) { s.set_cluster_is_step(true); });
  AddSummary(rows, {"WidthZero", "columns[0].width"},
             [](v1::UnitSummary& s) { s.mutable_columns(0)->set_width(0); });
  AddSummary(rows, {"WidthThree", "columns[0].width"},
             [](v1::UnitSummary& s) { s.mutable_columns(0)->set_width(3); });
  AddSummary(rows, {"WidthOfARealOne", "columns[8].width"},
             [](v1::UnitSummary& s) { s.mutable_columns(8)->set_width(1); });
  AddSummary(rows, {"CountsTooShort", "columns[1].data"},
             [](v1::UnitSummary& s) {
               s.mutable_columns(1)->mutable_data()->pop_back();
             });
  AddSummary(rows, {"RealsOf64KiB", "columns[8].data"}, [](v1::UnitSummary& s) {
    s.mutable_columns(8)->set_data(std::string(kHostileBytes, 'x'));
  });
}

void AddFigureRows(Rows& rows) {
  AddSummary(
      rows, {"FiringsBeyondObservations", "columns"},
      [](v1::UnitSummary& s) { SetCount(s, v1::SUMMARY_COLUMN_FIRINGS, 3); });
  AddSummary(
      rows, {"ClustersBeyondObservations", "columns"},
      [](v1::UnitSummary& s) { SetCount(s, v1::SUMMARY_COLUMN_CLUSTERS, 3); });
  AddSummary(rows, {"FiringClustersBeyondFirings", "columns"},
             [](v1::UnitSummary& s) {
               SetCount(s, v1::SUMMARY_COLUMN_FIRING_CLUSTERS, 2);
             });
  AddSummary(rows, {"ObservationsThatWouldWrap", "columns"},
             [](v1::UnitSummary& s) {
               SetCount(s, v1::SUMMARY_COLUMN_OBSERVATIONS,
                        std::numeric_limits<std::uint64_t>::max());
             });
  AddSummary(rows, {"MeanNan", "columns"}, [](v1::UnitSummary& s) {
    SetReals(s, v1::SUMMARY_COLUMN_MEAN, {kNan, 0, 0, 0});
  });
  AddSummary(rows, {"M2Negative", "columns"}, [](v1::UnitSummary& s) {
    SetReals(s, v1::SUMMARY_COLUMN_M2, {0, 0, 0, -1});
  });
  AddSummary(rows, {"MinAboveMax", "columns"}, [](v1::UnitSummary& s) {
    SetReals(s, v1::SUMMARY_COLUMN_MIN, {9, 9, 9, 9});
  });
}

}  // namespace

Rows MalformedChunks() {
  Rows rows;
  const std::vector<v1::Snapshot> chunks = MakeChunks(1, kChunkBytes);
  rows.push_back(Rejected({"ChunksBeginWithTheSecond", "tensor.chunk_index"},
                          {chunks[1]}));
  rows.push_back(
      Rejected({"ChunkTwice", "tensor.chunk_index"}, {chunks[0], chunks[0]}));
  rows.push_back(
      Rejected({"ChunkSkipped", "tensor.chunk_index"}, {chunks[0], chunks[2]}));
  rows.push_back(Rejected({"WholeTensorBetweenChunks", "tensor"},
                          {chunks[0], MakeTensorSnapshot(1)}));
  rows.push_back(Rejected({"SummaryBetweenChunks", "tensor"},
                          {chunks[0], MakeSummarySnapshot(1)}));
  AddChunk(rows, {"ChunkLeavesAHole", "tensor.byte_offset"},
           [](v1::Snapshot& s) { s.mutable_tensor()->set_byte_offset(13); });
  AddChunk(rows, {"ChunkOverlaps", "tensor.byte_offset"},
           [](v1::Snapshot& s) { s.mutable_tensor()->set_byte_offset(11); });
  AddChunk(rows, {"ChunkOfAnotherStep", "tensor"},
           [](v1::Snapshot& s) { s.set_step(2); });
  AddChunk(rows, {"ChunkOfAnotherSignal", "tensor"},
           [](v1::Snapshot& s) { s.set_signal(v1::SIGNAL_PRE_ACTIVATION); });
  AddChunk(rows, {"ChunkOfAnotherShape", "tensor"},
           [](v1::Snapshot& s) { s.mutable_tensor()->set_shape(0, 3); });
  AddChunk(rows, {"ChunkCountChanges", "tensor"},
           [](v1::Snapshot& s) { s.mutable_tensor()->set_chunk_count(4); });
  AddChunk(rows, {"ChunkTooLong", "tensor.data"}, [](v1::Snapshot& s) {
    s.mutable_tensor()->set_data(std::string(21, '\0'));
  });
  AddChunk(
      rows, {"MaskAfterTheFirstChunk", "tensor.validity_mask"},
      [](v1::Snapshot& s) { s.mutable_tensor()->set_validity_mask("\x03"); });
  std::vector<v1::Snapshot> short_at_the_end = chunks;
  short_at_the_end[2].mutable_tensor()->mutable_data()->pop_back();
  rows.push_back(
      Rejected({"LastChunkTooShort", "tensor.data"}, short_at_the_end));
  return rows;
}

Rows MalformedSummaries() {
  Rows rows;
  AddColumnRows(rows);
  AddFigureRows(rows);
  return rows;
}

Rows MalformedSnapshots() {
  Rows rows;
  AddKeyRows(rows);
  AddContextRows(rows);
  AddShapeRows(rows);
  AddTensorRows(rows);
  return rows;
}

Rows MalformedConversations() {
  Rows all = MalformedStreams();
  for (Rows part :
       {MalformedSnapshots(), MalformedSummaries(), MalformedChunks()}) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

void PrintTo(const MalformedConversation& conversation, std::ostream* out) {
  *out << conversation.name;
}

}  // namespace firekeeper::testing
