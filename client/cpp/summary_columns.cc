#include "client/cpp/summary_columns.h"

#include <algorithm>
#include <bit>
#include <cmath>
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

bool IsExactAsFloat(double value) {
  return static_cast<double>(static_cast<float>(value)) == value;
}

bool AreExactAsFloat(const Eigen::ArrayXd& values) {
  return std::all_of(values.begin(), values.end(), &IsExactAsFloat);
}

// Whether rounding to binary32 keeps all of its digits.
bool FitsFloat(double value) {
  using Float = std::numeric_limits<float>;
  const double size = std::abs(value);
  return size == 0.0 ||
         (size >= double{Float::min()} && size <= double{Float::max()});
}

bool FitFloat(const Eigen::ArrayXd& sums) {
  return std::all_of(sums.begin(), sums.end(), &FitsFloat);
}

// Whether binary32 moves no mean by more than this share of the unit's standard
// deviation: means of windows are merged by their distances.
bool MeansFitFloat(const core::UnitSummary& summary) {
  constexpr double kShare = 1.0 / 1024.0;
  for (core::Index i = 0; i < summary.unit_count(); ++i) {
    const double mean = summary.mean[i];
    if (IsExactAsFloat(mean)) continue;
    const double moved = static_cast<double>(static_cast<float>(mean)) - mean;
    const auto count = static_cast<double>(summary.observations[i]);
    const bool is_near =
        moved * moved * count <= kShare * kShare * summary.m2[i];
    if (!FitsFloat(mean) || !is_near) return false;
  }
  return true;
}

// What units that observed nothing have is not looked at.
bool HasOneSign(const core::UnitSummary& summary) {
  for (core::Index i = 0; i < summary.unit_count(); ++i) {
    if (summary.observations[i] == 0) continue;
    if (summary.min[i] < 0.0 && summary.max[i] > 0.0) return false;
  }
  return true;
}

// One entry where all units that observed something agree.
Eigen::ArrayXd Distinct(const Eigen::ArrayXd& values,
                        const core::UnitCounts& observations) {
  core::Index first = -1;
  for (core::Index i = 0; i < values.size(); ++i) {
    if (observations[i] == 0) continue;
    if (first < 0) first = i;
    if (values[i] != values[first]) return values;
  }
  return first < 0 ? values : Eigen::ArrayXd(values.segment(first, 1));
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

  // `narrow`: in binary32.
  void AddReals(Id id, const Eigen::ArrayXd& values, bool narrow) {
    if (narrow) {
      AppendAs<float>(values, Add(id, sizeof(float)));
    } else {
      AppendAs<double>(values, Add(id, sizeof(double)));
    }
  }

  // Follows from other columns, as summary.proto says.
  void AddDerived(Id id) { Add(id, 0); }

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
  const auto add = [&](Id id, const Eigen::ArrayXd& values, bool narrow) {
    writer.AddReals(id, Distinct(values, summary.observations), narrow);
  };
  if (HasOneSign(summary)) {
    writer.AddDerived(Id::kAbsSum);
  } else {
    add(Id::kAbsSum, summary.abs_sum, FitFloat(summary.abs_sum));
  }
  add(Id::kMean, summary.mean, MeansFitFloat(summary));
  add(Id::kM2, summary.m2, FitFloat(summary.m2));
  add(Id::kMin, summary.min, AreExactAsFloat(summary.min));
  add(Id::kMax, summary.max, AreExactAsFloat(summary.max));
}

void AddGate(const core::UnitSummary& summary, ColumnWriter& writer) {
  const core::CountArray& positives = summary.positives;
  if (summary.columns.firings && (positives == summary.firings).all()) {
    writer.AddDerived(Id::kPositives);
  } else {
    writer.AddCounts(Id::kPositives, positives);
  }
  writer.AddCounts(Id::kClosedHigh, summary.closed_high);
  if ((positives + summary.zeros == summary.observations.ToArray()).all()) {
    writer.AddDerived(Id::kZeros);
  } else {
    writer.AddCounts(Id::kZeros, summary.zeros);
  }
}

}  // namespace

std::vector<SummaryColumn> EncodeColumns(const core::UnitSummary& summary) {
  ColumnWriter writer;
  const core::ColumnSet& has = summary.columns;
  writer.AddCounts(Id::kObservations, summary.observations);
  if (has.firings) writer.AddCounts(Id::kFirings, summary.firings);
  if (has.clusters) writer.AddCounts(Id::kClusters, summary.clusters);
  if (has.clusters && has.firings) {
    if ((summary.firing_clusters == summary.firings).all()) {
      writer.AddDerived(Id::kFiringClusters);
    } else {
      writer.AddCounts(Id::kFiringClusters, summary.firing_clusters);
    }
  }
  if (has.gate) AddGate(summary, writer);
  writer.AddCounts(Id::kNonFinite, summary.non_finite);
  if (has.moments) AddMoments(summary, writer);
  if (has.proof && (summary.proven > 0U).any()) {
    writer.AddCounts(Id::kProven, summary.proven);
  }
  return writer.Take();
}

}  // namespace firekeeper::client
