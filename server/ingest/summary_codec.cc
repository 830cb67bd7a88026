// UnitSummary: columns of fixed width, checked before and after they are read.

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/checks.h"
#include "server/ingest/codec.h"
#include "server/ingest/summary_plausibility.h"

namespace firekeeper::server {
namespace {

static_assert(std::endian::native == std::endian::little,
              "columns are little-endian on the wire and copied as they are");

using core::CountArray;
using core::Index;
using core::UnitCounts;

constexpr int kColumnCount = v1::SummaryColumn_ARRAYSIZE;

// Where the columns of a summary are: by SummaryColumn, null where absent.
using Columns = std::array<const v1::SummaryColumnData*, kColumnCount>;

bool IsReal(v1::SummaryColumn column) {
  switch (column) {
    case v1::SUMMARY_COLUMN_ABS_SUM:
    case v1::SUMMARY_COLUMN_MEAN:
    case v1::SUMMARY_COLUMN_M2:
    case v1::SUMMARY_COLUMN_MIN:
    case v1::SUMMARY_COLUMN_MAX:
      return true;
    default:
      return false;
  }
}

// Requires: `column` is a known one.
bool IsWanted(v1::SummaryColumn column, const core::ColumnSet& set) {
  switch (column) {
    case v1::SUMMARY_COLUMN_OBSERVATIONS:
    case v1::SUMMARY_COLUMN_NON_FINITE:
      return true;
    case v1::SUMMARY_COLUMN_FIRINGS:
      return set.firings;
    case v1::SUMMARY_COLUMN_CLUSTERS:
      return set.clusters;
    case v1::SUMMARY_COLUMN_FIRING_CLUSTERS:
      return set.clusters && set.firings;
    case v1::SUMMARY_COLUMN_POSITIVES:
    case v1::SUMMARY_COLUMN_CLOSED_HIGH:
    case v1::SUMMARY_COLUMN_ZEROS:
      return set.gate;
    case v1::SUMMARY_COLUMN_PROVEN:
      return set.proof;
    default:
      return set.moments;
  }
}

// Whether a summary without it is refused.
bool IsRequired(v1::SummaryColumn column, const core::ColumnSet& set) {
  return IsWanted(column, set) && column != v1::SUMMARY_COLUMN_PROVEN;
}

// Whether it may follow from other columns (summary.proto).
bool MayBeDerived(v1::SummaryColumn column, const core::ColumnSet& set) {
  switch (column) {
    case v1::SUMMARY_COLUMN_POSITIVES:
      return set.firings;
    case v1::SUMMARY_COLUMN_FIRING_CLUSTERS:
    case v1::SUMMARY_COLUMN_ZEROS:
    case v1::SUMMARY_COLUMN_ABS_SUM:
      return true;
    default:
      return false;
  }
}

bool IsDerived(const v1::SummaryColumnData& data) { return data.width() == 0; }

absl::Status CheckWidth(const v1::SummaryColumnData& data,
                        const core::ColumnSet& set) {
  const std::uint32_t width = data.width();
  if (IsDerived(data) && MayBeDerived(data.column(), set)) {
    return absl::OkStatus();
  }
  if (IsReal(data.column())) {
    if (width == 4 || width == 8) return absl::OkStatus();
    return FieldError(
        "width", absl::StrCat("is ", width, "; must be 4 or 8 for a real"));
  }
  if (width == 1 || width == 2 || width == 4 || width == 8) {
    return absl::OkStatus();
  }
  return FieldError(
      "width",
      absl::StrCat("is ", width, "; must be 1, 2, 4 or 8 for a count"));
}

// Requires: CheckWidth() accepted it; units is at most max_units_per_layer.
absl::Status CheckSize(const v1::SummaryColumnData& data, Index units) {
  const std::size_t width = data.width();
  const std::size_t full = width * static_cast<std::size_t>(units);
  const std::size_t size = data.data().size();
  if (size == full || size == width) return absl::OkStatus();
  if (IsDerived(data)) {
    return FieldError(
        "data",
        absl::StrCat("has ", size, " bytes; a derived column has none"));
  }
  return FieldError("data", absl::StrCat("has ", size, " bytes; must have ",
                                         width, " or ", full));
}

absl::Status CheckColumn(const v1::SummaryColumnData& data,
                         const core::ColumnSet& set, Index units,
                         const Columns& seen) {
  if (absl::Status status =
          CheckEnum("column", data.column(), *v1::SummaryColumn_descriptor());
      !status.ok()) {
    return status;
  }
  const std::string& name = v1::SummaryColumn_Name(data.column());
  if (!IsWanted(data.column(), set)) {
    return FieldError("column",
                      absl::StrCat(name, " is not a column of this snapshot"));
  }
  if (seen.at(static_cast<std::size_t>(data.column())) != nullptr) {
    return FieldError("column", absl::StrCat(name, " came before"));
  }
  if (absl::Status status = CheckWidth(data, set); !status.ok()) return status;
  return CheckSize(data, units);
}

absl::StatusOr<Columns> FindColumns(const v1::UnitSummary& summary,
                                    const core::ColumnSet& set, Index units) {
  Columns columns{};
  // Ends after kColumnCount turns at the latest: by then one came twice.
  for (int i = 0; i < summary.columns_size(); ++i) {
    const v1::SummaryColumnData& data = summary.columns(i);
    if (absl::Status status = CheckColumn(data, set, units, columns);
        !status.ok()) {
      return WithFieldPrefix(status, absl::StrCat("columns[", i, "]."));
    }
    columns.at(static_cast<std::size_t>(data.column())) = &data;
  }
  for (int i = 1; i < kColumnCount; ++i) {
    const auto column = static_cast<v1::SummaryColumn>(i);
    if (IsRequired(column, set) &&
        columns.at(static_cast<std::size_t>(i)) == nullptr) {
      return FieldError("columns", absl::StrCat(v1::SummaryColumn_Name(column),
                                                " is missing"));
    }
  }
  return columns;
}

absl::Status CheckHeader(const v1::UnitSummary& summary, Index width,
                         const Limits& limits) {
  if (width == 0) {
    return FieldError("unit_count",
                      "the source declared no units for this signal");
  }
  // Both of them: whoever declares a share must not pass the limit unseen.
  const auto units = static_cast<std::uint64_t>(width);
  if (summary.unit_count() != units || units > limits.max_units_per_layer) {
    return FieldError("unit_count",
                      absl::StrCat("is ", summary.unit_count(),
                                   "; the source declared ", width));
  }
  return absl::OkStatus();
}

// The bytes may lie anywhere, hence the copy of each entry.
template <typename Entry, typename Array>
void ReadEntries(const std::string& bytes, Array* out) {
  const char* from = bytes.data();
  for (auto& value : *out) {
    Entry entry{};
    std::memcpy(&entry, from, sizeof entry);
    from += sizeof entry;
    value = static_cast<typename Array::Scalar>(entry);
  }
}

CountArray ReadCountEntries(const v1::SummaryColumnData& data, Index entries) {
  CountArray counts(entries);
  switch (data.width()) {
    case 1:
      ReadEntries<std::uint8_t>(data.data(), &counts);
      break;
    case 2:
      ReadEntries<std::uint16_t>(data.data(), &counts);
      break;
    case 4:
      ReadEntries<std::uint32_t>(data.data(), &counts);
      break;
    default:
      ReadEntries<std::uint64_t>(data.data(), &counts);
      break;
  }
  return counts;
}

bool IsUniform(const v1::SummaryColumnData& data) {
  return data.data().size() == data.width();
}

CountArray ReadCounts(const v1::SummaryColumnData& data, Index units) {
  if (!IsUniform(data)) return ReadCountEntries(data, units);
  return CountArray::Constant(units, ReadCountEntries(data, 1)[0]);
}

UnitCounts ReadUnitCounts(const v1::SummaryColumnData& data, Index units) {
  if (IsUniform(data)) {
    return UnitCounts(units, ReadCountEntries(data, 1)[0]);
  }
  return UnitCounts::FromArray(ReadCountEntries(data, units));
}

Eigen::ArrayXd ReadRealEntries(const v1::SummaryColumnData& data,
                               Index entries) {
  Eigen::ArrayXd reals(entries);
  if (data.width() == sizeof(float)) {
    ReadEntries<float>(data.data(), &reals);
  } else {
    ReadEntries<double>(data.data(), &reals);
  }
  return reals;
}

Eigen::ArrayXd ReadReals(const v1::SummaryColumnData& data, Index units) {
  if (!IsUniform(data)) return ReadRealEntries(data, units);
  return Eigen::ArrayXd::Constant(units, ReadRealEntries(data, 1)[0]);
}

// The columns of a summary, each in its place.
class ColumnReader {
 public:
  ColumnReader(const Columns& columns, core::UnitSummary* summary)
      : columns_(columns), summary_(*summary) {}

  void ReadCounters() {
    const core::ColumnSet& set = summary_.columns;
    summary_.observations = UnitCountsOf(v1::SUMMARY_COLUMN_OBSERVATIONS);
    summary_.non_finite = UnitCountsOf(v1::SUMMARY_COLUMN_NON_FINITE);
    if (set.firings) summary_.firings = CountsOf(v1::SUMMARY_COLUMN_FIRINGS);
    if (set.clusters) {
      summary_.clusters = UnitCountsOf(v1::SUMMARY_COLUMN_CLUSTERS);
    }
    if (set.clusters && set.firings) {
      summary_.firing_clusters =
          CountsOrFirings(v1::SUMMARY_COLUMN_FIRING_CLUSTERS);
    }
    if (set.gate) ReadGate();
    if (columns_.at(v1::SUMMARY_COLUMN_PROVEN) != nullptr) {
      summary_.proven = CountsOf(v1::SUMMARY_COLUMN_PROVEN);
    }
  }

  absl::Status ReadMoments() {
    if (!summary_.columns.moments) return absl::OkStatus();
    summary_.mean = RealsOf(v1::SUMMARY_COLUMN_MEAN);
    summary_.m2 = RealsOf(v1::SUMMARY_COLUMN_M2);
    summary_.min = RealsOf(v1::SUMMARY_COLUMN_MIN);
    summary_.max = RealsOf(v1::SUMMARY_COLUMN_MAX);
    if (IsDerived(At(v1::SUMMARY_COLUMN_ABS_SUM))) return DeriveAbsSum();
    summary_.abs_sum = RealsOf(v1::SUMMARY_COLUMN_ABS_SUM);
    return absl::OkStatus();
  }

 private:
  [[nodiscard]] const v1::SummaryColumnData& At(
      v1::SummaryColumn column) const {
    return *columns_.at(static_cast<std::size_t>(column));
  }
  [[nodiscard]] CountArray CountsOf(v1::SummaryColumn column) const {
    return ReadCounts(At(column), summary_.unit_count());
  }
  [[nodiscard]] UnitCounts UnitCountsOf(v1::SummaryColumn column) const {
    return ReadUnitCounts(At(column), summary_.unit_count());
  }
  [[nodiscard]] Eigen::ArrayXd RealsOf(v1::SummaryColumn column) const {
    return ReadReals(At(column), summary_.unit_count());
  }
  [[nodiscard]] CountArray CountsOrFirings(v1::SummaryColumn column) const {
    return IsDerived(At(column)) ? summary_.firings : CountsOf(column);
  }

  void ReadGate() {
    summary_.positives = CountsOrFirings(v1::SUMMARY_COLUMN_POSITIVES);
    summary_.closed_high = CountsOf(v1::SUMMARY_COLUMN_CLOSED_HIGH);
    if (IsDerived(At(v1::SUMMARY_COLUMN_ZEROS))) {
      // Wraps where there are more positives than observations, which is
      // refused.
      summary_.zeros = summary_.observations.ToArray() - summary_.positives;
    } else {
      summary_.zeros = CountsOf(v1::SUMMARY_COLUMN_ZEROS);
    }
  }

  absl::Status DeriveAbsSum() {
    const bool narrow = At(v1::SUMMARY_COLUMN_MEAN).width() == sizeof(float);
    summary_.abs_sum.resize(summary_.unit_count());
    for (Index i = 0; i < summary_.unit_count(); ++i) {
      const std::uint64_t count = summary_.observations[i];
      if (count > 0 && summary_.min[i] < 0.0 && summary_.max[i] > 0.0) {
        return FieldError(
            "columns",
            absl::StrCat("ABS_SUM cannot be derived: the values of unit ", i,
                         " are of both signs"));
      }
      const double sum =
          std::abs(summary_.mean[i]) * static_cast<double>(count);
      summary_.abs_sum[i] =
          narrow && sum <= double{std::numeric_limits<float>::max()}
              ? static_cast<double>(static_cast<float>(sum))
              : sum;
    }
    return absl::OkStatus();
  }

  const Columns& columns_;
  core::UnitSummary& summary_;
};

// Where nothing was observed the figures are the identity, whatever the sender
// wrote there.
void ClearUnobserved(core::UnitSummary* summary) {
  if (!summary->columns.moments) return;
  for (Index i = 0; i < summary->unit_count(); ++i) {
    if (summary->observations[i] > 0) continue;
    summary->abs_sum[i] = 0.0;
    summary->mean[i] = 0.0;
    summary->m2[i] = 0.0;
    summary->min[i] = std::numeric_limits<double>::infinity();
    summary->max[i] = -std::numeric_limits<double>::infinity();
  }
}

}  // namespace

absl::StatusOr<core::UnitSummary> DecodeSummary(const v1::UnitSummary& summary,
                                                const core::ColumnSet& columns,
                                                core::Index width,
                                                const Limits& limits) {
  if (absl::Status status = CheckHeader(summary, width, limits); !status.ok()) {
    return status;
  }
  core::ColumnSet set = columns;
  if (summary.cluster_is_step()) set.clusters = false;
  const auto found = FindColumns(summary, set, width);
  if (!found.ok()) return found.status();

  auto decoded = core::UnitSummary::Unfilled(width, set);
  ColumnReader reader(*found, &decoded);
  reader.ReadCounters();
  if (absl::Status status = reader.ReadMoments(); !status.ok()) return status;
  ClearUnobserved(&decoded);
  if (absl::Status status = CheckPlausible(decoded); !status.ok()) {
    return status;
  }
  if (summary.has_sketch()) {
    auto sketch = DecodeSketch(summary.sketch(), decoded.observations.Sum());
    if (!sketch.ok()) return WithFieldPrefix(sketch.status(), "sketch.");
    decoded.sketch = *std::move(sketch);
  }
  return decoded;
}

}  // namespace firekeeper::server
