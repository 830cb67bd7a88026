#include "client/cpp/summary_encoding.h"

#include <cstdint>
#include <utility>

#include "client/cpp/summary_columns.h"

namespace firekeeper::client {

namespace {

constexpr bool Agree(SummaryColumnId id, v1::SummaryColumn column) {
  return static_cast<int>(id) == static_cast<int>(column);
}

static_assert(Agree(SummaryColumnId::kObservations,
                    v1::SUMMARY_COLUMN_OBSERVATIONS) &&
                  Agree(SummaryColumnId::kNonFinite,
                        v1::SUMMARY_COLUMN_NON_FINITE) &&
                  Agree(SummaryColumnId::kMax, v1::SUMMARY_COLUMN_MAX) &&
                  Agree(SummaryColumnId::kProven, v1::SUMMARY_COLUMN_PROVEN),
              "the identifiers are those of the protocol");

void Encode(const core::SketchBuckets& buckets,
            google::protobuf::RepeatedField<std::uint64_t>* counts) {
  counts->Add(buckets.counts().begin(), buckets.counts().end());
}

}  // namespace

v1::UnitSummary EncodeSummary(const core::UnitSummary& summary) {
  v1::UnitSummary proto;
  proto.set_unit_count(static_cast<std::uint64_t>(summary.unit_count()));
  proto.set_cluster_is_step(!summary.columns.clusters);
  for (SummaryColumn& column : EncodeColumns(summary)) {
    v1::SummaryColumnData& data = *proto.add_columns();
    data.set_column(static_cast<v1::SummaryColumn>(column.id));
    data.set_width(column.width);
    data.set_data(std::move(column.data));
  }
  if (!summary.sketch.empty()) {
    v1::QuantileSketch& sketch = *proto.mutable_sketch();
    sketch.set_zero_count(summary.sketch.zeros());
    const core::SketchBuckets& positive = summary.sketch.positive();
    const core::SketchBuckets& negative = summary.sketch.negative();
    if (!positive.empty()) sketch.set_positive_offset(positive.first());
    Encode(positive, sketch.mutable_positive_counts());
    if (!negative.empty()) sketch.set_negative_offset(negative.first());
    Encode(negative, sketch.mutable_negative_counts());
  }
  return proto;
}

}  // namespace firekeeper::client
