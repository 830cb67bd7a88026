// Valid messages in one line, for tests to send as they are or to break.
//
// The layer is "fc1": ReLU, 4 units, 3 inputs. Its tensors are F32 [2, 4] with
// the units last and the clusters first; its summaries are of the same values.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::testing {

inline constexpr const char* kRunId = "digits-1";
inline constexpr const char* kLayerName = "fc1";
inline constexpr int kUnits = 4;
inline constexpr int kInputs = 3;
inline constexpr int kExamples = 2;

// A ReLU layer that its source holds whole.
v1::Layer MakeLayer(const std::string& name, std::uint64_t units,
                    std::uint64_t fan_in = kInputs);
// The only source of a fresh attempt; declares the layer "fc1".
v1::Open MakeOpen(const std::string& run_id = kRunId);

// The little-endian bytes of `values`.
std::string BytesOf(std::span<const float> values);

// ACTIVATION of a TRAIN step; values differ from step to step.
v1::Snapshot MakeTensorSnapshot(std::int64_t step);
// The same statistics as a summary.
v1::Snapshot MakeSummarySnapshot(std::int64_t step);
// Chunks of MakeTensorSnapshot(step), cut after `bytes_per_chunk` bytes each.
std::vector<v1::Snapshot> MakeChunks(std::int64_t step,
                                     std::size_t bytes_per_chunk);

// A column with one entry for each of `entries`, `width` bytes each.
v1::SummaryColumnData MakeCounts(v1::SummaryColumn column, std::uint32_t width,
                                 std::span<const std::uint64_t> entries);
// binary64.
v1::SummaryColumnData MakeReals(v1::SummaryColumn column,
                                std::span<const double> entries);
// The column of a summary that holds it. Requires: it is there.
v1::SummaryColumnData& ColumnOf(v1::UnitSummary& summary,
                                v1::SummaryColumn column);
// Removes the column. Requires: it is there.
void RemoveColumn(v1::UnitSummary& summary, v1::SummaryColumn column);

v1::Gap MakeGap(std::uint64_t from_seq, std::uint64_t to_seq);
v1::Progress MakeProgress(std::int64_t complete_through_step);

// Messages of a stream.
v1::StreamRequest Opening(v1::Open open);
v1::StreamRequest Batched(std::uint64_t first_seq,
                          const std::vector<v1::Snapshot>& snapshots);
v1::StreamRequest Declaring(v1::Gap gap);
v1::StreamRequest Reporting(v1::Progress progress);
v1::StreamRequest Closing(std::uint64_t final_seq);

}  // namespace firekeeper::testing
