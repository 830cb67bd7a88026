#include "tests/support/message_builders.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <utility>

namespace firekeeper::testing {
namespace {

using Values = std::array<float, std::size_t{kExamples} * kUnits>;

// Unit 3 is dead, unit 0 fires on every example.
Values ValuesAt(std::int64_t step) {
  const auto s = static_cast<float>(step % 7) + 1.0F;
  return {s, 0.0F, 2.0F * s, 0.0F,  //
          s, s,    0.0F,     0.0F};
}

// One column of a summary, from the values of each unit.
template <typename Figure>
auto PerUnit(const Values& values, const Figure& figure) {
  std::array<decltype(figure(0.0, 0.0)), kUnits> figures{};
  for (std::size_t unit = 0; unit < kUnits; ++unit) {
    figures.at(unit) = figure(static_cast<double>(values.at(unit)),
                              static_cast<double>(values.at(kUnits + unit)));
  }
  return figures;
}

void AddCounts(v1::UnitSummary& summary, v1::SummaryColumn column,
               std::span<const std::uint64_t> entries) {
  *summary.add_columns() = MakeCounts(column, 1, entries);
}

void AddReals(v1::UnitSummary& summary, v1::SummaryColumn column,
              std::span<const double> entries) {
  *summary.add_columns() = MakeReals(column, entries);
}

void FillSummary(const Values& values, v1::UnitSummary& summary) {
  const std::array<std::uint64_t, 1> examples{kExamples};
  const std::array<std::uint64_t, 1> none{0};
  const auto positives = PerUnit(values, [](double a, double b) {
    return std::uint64_t{a > 0.0 ? 1U : 0U} + (b > 0.0 ? 1U : 0U);
  });
  const auto zeros = PerUnit(values, [](double a, double b) {
    return std::uint64_t{a == 0.0 ? 1U : 0U} + (b == 0.0 ? 1U : 0U);
  });
  AddCounts(summary, v1::SUMMARY_COLUMN_OBSERVATIONS, examples);
  AddCounts(summary, v1::SUMMARY_COLUMN_FIRINGS, positives);
  AddCounts(summary, v1::SUMMARY_COLUMN_CLUSTERS, examples);
  AddCounts(summary, v1::SUMMARY_COLUMN_FIRING_CLUSTERS, positives);
  AddCounts(summary, v1::SUMMARY_COLUMN_POSITIVES, positives);
  AddCounts(summary, v1::SUMMARY_COLUMN_CLOSED_HIGH, none);
  AddCounts(summary, v1::SUMMARY_COLUMN_ZEROS, zeros);
  AddCounts(summary, v1::SUMMARY_COLUMN_NON_FINITE, none);
  AddReals(summary, v1::SUMMARY_COLUMN_ABS_SUM,
           PerUnit(values, [](double a, double b) {
             return std::abs(a) + std::abs(b);
           }));
  AddReals(summary, v1::SUMMARY_COLUMN_MEAN,
           PerUnit(values, [](double a, double b) { return (a + b) / 2.0; }));
  AddReals(summary, v1::SUMMARY_COLUMN_M2,
           PerUnit(values,
                   [](double a, double b) { return (a - b) * (a - b) / 2.0; }));
  AddReals(summary, v1::SUMMARY_COLUMN_MIN,
           PerUnit(values, [](double a, double b) { return std::min(a, b); }));
  AddReals(summary, v1::SUMMARY_COLUMN_MAX,
           PerUnit(values, [](double a, double b) { return std::max(a, b); }));
}

v1::Snapshot MakeKey(std::int64_t step) {
  v1::Snapshot snapshot;
  snapshot.set_layer(kLayerName);
  snapshot.set_signal(v1::SIGNAL_ACTIVATION);
  snapshot.set_phase(v1::PHASE_TRAIN);
  snapshot.set_step(step);
  return snapshot;
}

}  // namespace

v1::Layer MakeLayer(const std::string& name, std::uint64_t units,
                    std::uint64_t fan_in) {
  v1::Layer layer;
  layer.set_name(name);
  layer.set_kind(v1::LAYER_KIND_DENSE);
  layer.set_activation(v1::ACTIVATION_RELU);
  layer.set_unit_count(units);
  layer.set_fan_in(fan_in);
  return layer;
}

v1::Open MakeOpen(const std::string& run_id) {
  v1::Open open;
  open.set_run_id(run_id);
  open.set_launch_token("life-1");
  open.set_source_count(1);
  *open.add_layers() = MakeLayer(kLayerName, kUnits);
  open.set_instance_id(7);
  open.set_first_held_seq(1);
  return open;
}

std::string BytesOf(std::span<const float> values) {
  std::string bytes(values.size_bytes(), '\0');
  std::memcpy(bytes.data(), values.data(), values.size_bytes());
  return bytes;
}

v1::Snapshot MakeTensorSnapshot(std::int64_t step) {
  v1::Snapshot snapshot = MakeKey(step);
  v1::Tensor& tensor = *snapshot.mutable_tensor();
  tensor.set_data_type(v1::DATA_TYPE_F32);
  tensor.add_shape(kExamples);
  tensor.add_shape(kUnits);
  tensor.set_unit_axis(1);
  tensor.set_cluster_axis(0);
  tensor.set_data(BytesOf(ValuesAt(step)));
  return snapshot;
}

v1::Snapshot MakeSummarySnapshot(std::int64_t step) {
  v1::Snapshot snapshot = MakeKey(step);
  snapshot.mutable_summary()->set_unit_count(kUnits);
  FillSummary(ValuesAt(step), *snapshot.mutable_summary());
  return snapshot;
}

std::vector<v1::Snapshot> MakeChunks(std::int64_t step,
                                     std::size_t bytes_per_chunk) {
  const v1::Snapshot whole = MakeTensorSnapshot(step);
  const std::string& bytes = whole.tensor().data();
  const std::size_t count =
      (bytes.size() + bytes_per_chunk - 1) / bytes_per_chunk;
  std::vector<v1::Snapshot> chunks(count, whole);
  for (std::size_t i = 0; i < count; ++i) {
    v1::Tensor& tensor = *chunks[i].mutable_tensor();
    tensor.set_chunk_index(static_cast<std::uint32_t>(i));
    tensor.set_chunk_count(static_cast<std::uint32_t>(count));
    tensor.set_byte_offset(i * bytes_per_chunk);
    tensor.set_data(bytes.substr(i * bytes_per_chunk, bytes_per_chunk));
  }
  return chunks;
}

v1::SummaryColumnData MakeCounts(v1::SummaryColumn column, std::uint32_t width,
                                 std::span<const std::uint64_t> entries) {
  v1::SummaryColumnData data;
  data.set_column(column);
  data.set_width(width);
  for (const std::uint64_t entry : entries) {
    for (std::uint32_t byte = 0; byte < width; ++byte) {
      data.mutable_data()->push_back(
          static_cast<char>(entry >> (8U * byte) & 0xFFU));
    }
  }
  return data;
}

v1::SummaryColumnData MakeReals(v1::SummaryColumn column,
                                std::span<const double> entries) {
  v1::SummaryColumnData data;
  data.set_column(column);
  data.set_width(sizeof(double));
  data.mutable_data()->resize(entries.size_bytes());
  std::memcpy(data.mutable_data()->data(), entries.data(),
              entries.size_bytes());
  return data;
}

v1::SummaryColumnData& ColumnOf(v1::UnitSummary& summary,
                                v1::SummaryColumn column) {
  auto& columns = *summary.mutable_columns();
  const auto found = std::find_if(
      columns.begin(), columns.end(),
      [column](const auto& data) { return data.column() == column; });
  assert(found != columns.end());
  return *found;
}

void RemoveColumn(v1::UnitSummary& summary, v1::SummaryColumn column) {
  auto& columns = *summary.mutable_columns();
  const auto found = std::find_if(
      columns.begin(), columns.end(),
      [column](const auto& data) { return data.column() == column; });
  assert(found != columns.end());
  columns.erase(found);
}

v1::Gap MakeGap(std::uint64_t from_seq, std::uint64_t to_seq) {
  v1::Gap gap;
  gap.set_from_seq(from_seq);
  gap.set_to_seq(to_seq);
  gap.set_reason("the ring was full");
  return gap;
}

v1::Progress MakeProgress(std::int64_t complete_through_step) {
  v1::Progress progress;
  progress.set_complete_through_step(complete_through_step);
  return progress;
}

v1::StreamRequest Opening(v1::Open open) {
  v1::StreamRequest request;
  *request.mutable_open() = std::move(open);
  return request;
}

v1::StreamRequest Batched(std::uint64_t first_seq,
                          const std::vector<v1::Snapshot>& snapshots) {
  v1::StreamRequest request;
  request.mutable_batch()->set_first_seq(first_seq);
  request.mutable_batch()->mutable_snapshots()->Assign(snapshots.begin(),
                                                       snapshots.end());
  return request;
}

v1::StreamRequest Declaring(v1::Gap gap) {
  v1::StreamRequest request;
  *request.mutable_gap() = std::move(gap);
  return request;
}

v1::StreamRequest Reporting(v1::Progress progress) {
  v1::StreamRequest request;
  *request.mutable_progress() = std::move(progress);
  return request;
}

v1::StreamRequest Closing(std::uint64_t final_seq) {
  v1::StreamRequest request;
  request.mutable_close()->set_final_seq(final_seq);
  return request;
}

}  // namespace firekeeper::testing
