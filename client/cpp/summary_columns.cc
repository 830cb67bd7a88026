#include "client/cpp/summary_columns.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

namespace firekeeper::client {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the columns are copied as they lie in memory");

using Id = SummaryColumnId;

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

bool IsExactAsFloat(const Eigen::ArrayXd& values) {
  return std::all_of(values.begin(), values.end(), [](double value) {
    return static_cast<double>(static_cast<float>(value)) == value;
  });
}

class ColumnWriter {
 public:
  // One entry stands for all where they are equal. A summary of no units has
  // no entries.
  void AddCounts(Id id, const core::CountArray& values) {
    const bool uniform = values.size() > 0 && (values == values[0]).all();
    AddEntries(id, uniform ? core::CountArray(values.head(1)) : values);
  }

  void AddCounts(Id id, const core::UnitCounts& counts) {
    if (counts.is_uniform() && counts.unit_count() > 0) {
      return AddEntries(id, core::CountArray::Constant(1, counts[0]));
    }
    AddCounts(id, counts.ToArray());
  }

  void AddReals(Id id, const Eigen::ArrayXd& values) {
    AppendAs<double>(values, Add(id, sizeof(double)));
  }

  void AddExtremes(Id id, const Eigen::ArrayXd& values) {
    if (!IsExactAsFloat(values)) return AddReals(id, values);
    AppendAs<float>(values, Add(id, sizeof(float)));
  }

  [[nodiscard]] std::vector<SummaryColumn> Take() {
    return std::move(columns_);
  }

 private:
  std::string* Add(Id id, std::uint32_t width) {
    columns_.push_back({.id = id, .width = width, .data = {}});
    return &columns_.back().data;
  }

  void AddEntries(Id id, const core::CountArray& values) {
    const std::uint32_t width =
        WidthFor(values.size() == 0 ? 0 : values.maxCoeff());
    std::string* const bytes = Add(id, width);
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

  std::vector<SummaryColumn> columns_;
};

void AddMoments(const core::UnitSummary& summary, ColumnWriter& writer) {
  writer.AddReals(Id::kAbsSum, summary.abs_sum);
  writer.AddReals(Id::kMean, summary.mean);
  writer.AddReals(Id::kM2, summary.m2);
  writer.AddExtremes(Id::kMin, summary.min);
  writer.AddExtremes(Id::kMax, summary.max);
}

}  // namespace

std::vector<SummaryColumn> EncodeColumns(const core::UnitSummary& summary) {
  ColumnWriter writer;
  const core::ColumnSet& has = summary.columns;
  writer.AddCounts(Id::kObservations, summary.observations);
  if (has.firings) writer.AddCounts(Id::kFirings, summary.firings);
  if (has.clusters) writer.AddCounts(Id::kClusters, summary.clusters);
  if (has.clusters && has.firings) {
    writer.AddCounts(Id::kFiringClusters, summary.firing_clusters);
  }
  if (has.gate) {
    writer.AddCounts(Id::kPositives, summary.positives);
    writer.AddCounts(Id::kClosedHigh, summary.closed_high);
    writer.AddCounts(Id::kZeros, summary.zeros);
  }
  writer.AddCounts(Id::kNonFinite, summary.non_finite);
  if (has.moments) AddMoments(summary, writer);
  if (has.proof && (summary.proven > 0U).any()) {
    writer.AddCounts(Id::kProven, summary.proven);
  }
  return writer.Take();
}

}  // namespace firekeeper::client
