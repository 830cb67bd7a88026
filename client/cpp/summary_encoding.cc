#include "client/cpp/summary_encoding.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

namespace firekeeper::client {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the columns are copied as they lie in memory");

template <typename Entry, typename Values>
void AppendAs(const Values& values, std::string* data) {
  const auto count = static_cast<std::size_t>(values.size());
  data->resize(count * sizeof(Entry));
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = static_cast<Entry>(values[static_cast<core::Index>(i)]);
    std::memcpy(data->data() + i * sizeof(Entry), &entry, sizeof(Entry));
  }
}

std::uint32_t WidthFor(std::uint64_t greatest) {
  if (greatest <= std::numeric_limits<std::uint8_t>::max()) return 1;
  if (greatest <= std::numeric_limits<std::uint16_t>::max()) return 2;
  if (greatest <= std::numeric_limits<std::uint32_t>::max()) return 4;
  return 8;
}

void AddCounts(v1::SummaryColumn column, const core::CountArray& values,
               v1::UnitSummary* proto) {
  v1::SummaryColumnData& data = *proto->add_columns();
  data.set_column(column);
  const std::uint32_t width =
      WidthFor(values.size() == 0 ? 0 : values.maxCoeff());
  data.set_width(width);
  std::string* const bytes = data.mutable_data();
  switch (width) {
    case 1:
      return AppendAs<std::uint8_t>(values, bytes);
    case 2:
      return AppendAs<std::uint16_t>(values, bytes);
    case 4:
      return AppendAs<std::uint32_t>(values, bytes);
    default:
      return AppendAs<std::uint64_t>(values, bytes);
  }
}

// One entry stands for all where they are equal. A summary of no units has no
// entries.
void AddCountColumn(v1::SummaryColumn column, const core::CountArray& values,
                    v1::UnitSummary* proto) {
  const bool uniform = values.size() > 0 && (values == values[0]).all();
  AddCounts(column, uniform ? core::CountArray(values.head(1)) : values, proto);
}

void AddCountColumn(v1::SummaryColumn column, const core::UnitCounts& counts,
                    v1::UnitSummary* proto) {
  if (counts.is_uniform() && counts.unit_count() > 0) {
    return AddCounts(column, core::CountArray::Constant(1, counts[0]), proto);
  }
  AddCountColumn(column, counts.ToArray(), proto);
}

bool IsExactAsFloat(const Eigen::ArrayXd& values) {
  return std::all_of(values.begin(), values.end(), [](double value) {
    return static_cast<double>(static_cast<float>(value)) == value;
  });
}

void AddReals(v1::SummaryColumn column, const Eigen::ArrayXd& values,
              std::uint32_t width, v1::UnitSummary* proto) {
  v1::SummaryColumnData& data = *proto->add_columns();
  data.set_column(column);
  data.set_width(width);
  if (width == sizeof(float)) {
    AppendAs<float>(values, data.mutable_data());
  } else {
    AppendAs<double>(values, data.mutable_data());
  }
}

void AddMoments(const core::UnitSummary& summary, v1::UnitSummary* proto) {
  AddReals(v1::SUMMARY_COLUMN_ABS_SUM, summary.abs_sum, 8, proto);
  AddReals(v1::SUMMARY_COLUMN_MEAN, summary.mean, 8, proto);
  AddReals(v1::SUMMARY_COLUMN_M2, summary.m2, 8, proto);
  AddReals(v1::SUMMARY_COLUMN_MIN, summary.min,
           IsExactAsFloat(summary.min) ? 4 : 8, proto);
  AddReals(v1::SUMMARY_COLUMN_MAX, summary.max,
           IsExactAsFloat(summary.max) ? 4 : 8, proto);
}

}  // namespace

v1::UnitSummary EncodeSummary(const core::UnitSummary& summary) {
  v1::UnitSummary proto;
  const core::ColumnSet& has = summary.columns;
  proto.set_unit_count(static_cast<std::uint64_t>(summary.unit_count()));
  proto.set_cluster_is_step(!has.clusters);
  AddCountColumn(v1::SUMMARY_COLUMN_OBSERVATIONS, summary.observations, &proto);
  if (has.firings) {
    AddCountColumn(v1::SUMMARY_COLUMN_FIRINGS, summary.firings, &proto);
  }
  if (has.clusters) {
    AddCountColumn(v1::SUMMARY_COLUMN_CLUSTERS, summary.clusters, &proto);
  }
  if (has.clusters && has.firings) {
    AddCountColumn(v1::SUMMARY_COLUMN_FIRING_CLUSTERS, summary.firing_clusters,
                   &proto);
  }
  if (has.gate) {
    AddCountColumn(v1::SUMMARY_COLUMN_POSITIVES, summary.positives, &proto);
    AddCountColumn(v1::SUMMARY_COLUMN_CLOSED_HIGH, summary.closed_high, &proto);
    AddCountColumn(v1::SUMMARY_COLUMN_ZEROS, summary.zeros, &proto);
  }
  AddCountColumn(v1::SUMMARY_COLUMN_NON_FINITE, summary.non_finite, &proto);
  if (has.moments) AddMoments(summary, &proto);
  if (has.proof && (summary.proven > 0U).any()) {
    AddCountColumn(v1::SUMMARY_COLUMN_PROVEN, summary.proven, &proto);
  }
  return proto;
}

}  // namespace firekeeper::client
