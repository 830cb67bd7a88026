// Summaries of pieces, merged in any order and at any offset, equal the summary
// of the whole: integers, steps and extremes exactly, sums to 1e-12. Input:
// choices that say what each piece observed and which two are merged next.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/reduce.h"
#include "core/state_bytes.h"
#include "core/unit_summary.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::core {
namespace {

using testing::Choices;
using testing::Require;

// One unit as a piece saw it, or several pieces together.
struct Seen {
  std::vector<double> values;
  std::uint64_t non_finite = 0;
  std::uint64_t clusters = 0;
  std::uint64_t firing_clusters = 0;
  std::uint64_t closed_high = 0;
  std::uint64_t proven = 0;
  std::int64_t last_firing_step = kNeverFired;
  std::int64_t first_seen_step = kNeverSeen;

  void Add(const Seen& other) {
    values.insert(values.end(), other.values.begin(), other.values.end());
    non_finite += other.non_finite;
    clusters += other.clusters;
    firing_clusters += other.firing_clusters;
    closed_high += other.closed_high;
    proven += other.proven;
    last_firing_step = std::max(last_firing_step, other.last_firing_step);
    first_seen_step = std::min(first_seen_step, other.first_seen_step);
  }
};
using SeenUnits = std::vector<Seen>;

std::uint64_t CountOf(const std::vector<double>& values, auto predicate) {
  return static_cast<std::uint64_t>(std::ranges::count_if(values, predicate));
}

// Moments in two passes and more digits than what is tested has.
void FillMoments(const std::vector<double>& values, Index unit,
                 UnitSummary* summary) {
  if (values.empty()) return;
  const auto n = static_cast<long double>(values.size());
  long double sum = 0.0L;
  long double abs_sum = 0.0L;
  for (const double value : values) {
    sum += value;
    abs_sum += std::abs(value);
  }
  const long double mean = sum / n;
  long double m2 = 0.0L;
  for (const double value : values) m2 += (value - mean) * (value - mean);
  summary->abs_sum[unit] = static_cast<double>(abs_sum);
  summary->mean[unit] = static_cast<double>(mean);
  summary->m2[unit] = static_cast<double>(m2);
  summary->min[unit] = *std::ranges::min_element(values);
  summary->max[unit] = *std::ranges::max_element(values);
  for (const double value : values) summary->sketch.Add(value);
}

UnitSummary SummaryOf(const SeenUnits& units, const ColumnSet& columns) {
  const auto width = static_cast<Index>(units.size());
  UnitSummary summary(width, columns);
  CountArray observations = CountArray::Zero(width);
  CountArray non_finite = CountArray::Zero(width);
  CountArray clusters = CountArray::Zero(width);
  for (Index unit = 0; unit < width; ++unit) {
    const Seen& seen = units[static_cast<std::size_t>(unit)];
    const std::uint64_t positives =
        CountOf(seen.values, [](double value) { return value > 0.0; });
    observations[unit] = seen.values.size();
    non_finite[unit] = seen.non_finite;
    clusters[unit] = seen.clusters;
    if (columns.firings) summary.firings[unit] = positives;
    if (columns.firings && columns.clusters) {
      summary.firing_clusters[unit] = seen.firing_clusters;
    }
    if (columns.gate) {
      summary.positives[unit] = positives;
      summary.closed_high[unit] = seen.closed_high;
      summary.zeros[unit] =
          CountOf(seen.values, [](double value) { return value == 0.0; });
    }
    if (columns.moments) FillMoments(seen.values, unit, &summary);
    if (columns.proof) summary.proven[unit] = seen.proven;
    if (columns.firings) summary.last_firing_step[unit] = seen.last_firing_step;
    summary.first_seen_step[unit] = seen.first_seen_step;
  }
  summary.observations = UnitCounts::FromArray(observations);
  summary.non_finite = UnitCounts::FromArray(non_finite);
  if (columns.clusters) summary.clusters = UnitCounts::FromArray(clusters);
  return summary;
}

// Small, signed, often zero, times a scale of the case.
double ValueFrom(Choices& choices, double scale, double offset) {
  const int choice = choices.Below(256);
  if (choice < 32) return choice % 2 == 0 ? 0.0 : -0.0;
  return offset + scale * (choice - 144);
}

struct Case {
  ColumnSet columns;
  Index units = 1;
  double scale = 1.0;
  double offset = 0.0;
};

Case CaseFrom(Choices& choices) {
  constexpr std::array<double, 5> kScales{1.0, 1e-3, 1e6, 1e120, 1e-120};
  const int columns = choices.Below(32);
  Case one{.columns = {.firings = (columns & 1) != 0,
                       .clusters = (columns & 2) != 0,
                       .gate = (columns & 4) != 0,
                       .moments = (columns & 8) != 0,
                       .proof = (columns & 16) != 0},
           .units = 1 + choices.Below(6)};
  one.scale = kScales.at(static_cast<std::size_t>(choices.Below(5)));
  if (choices.Coin()) one.offset = 1e6 * one.scale;
  return one;
}

SeenUnits PieceFrom(Choices& choices, const Case& one, Index width) {
  SeenUnits units(static_cast<std::size_t>(width));
  const auto step = static_cast<std::int64_t>(choices.Below(64));
  const int most = choices.Below(9);
  const bool uniform = choices.Coin();
  for (Seen& seen : units) {
    const int count = uniform ? most : choices.Below(most + 1);
    for (int i = 0; i < count; ++i) {
      seen.values.push_back(ValueFrom(choices, one.scale, one.offset));
    }
    seen.non_finite = static_cast<std::uint64_t>(choices.Below(3));
    seen.clusters = seen.values.size();
    seen.firing_clusters =
        CountOf(seen.values, [](double value) { return value > 0.0; });
    seen.closed_high = seen.firing_clusters / 2;
    seen.proven = choices.Coin() ? seen.values.size() : 0;
    if (!seen.values.empty()) seen.first_seen_step = step;
    if (seen.firing_clusters > 0) seen.last_firing_step = step;
  }
  return units;
}

void RequireClose(double value, double expected, double tolerance,
                  const char* what) {
  Require(std::abs(value - expected) <= tolerance, what);
}

void RequireSame(const UnitSummary& summary, const UnitSummary& expected) {
  Require(summary.columns == expected.columns, "columns stay");
  Require(Fingerprint(summary) == Fingerprint(expected),
          "integers, min and max equal the whole");
  Require((summary.last_firing_step == expected.last_firing_step).all() &&
              (summary.first_seen_step == expected.first_seen_step).all(),
          "steps equal the whole");
  if (!expected.columns.moments) return;
  for (Index unit = 0; unit < expected.unit_count(); ++unit) {
    const auto n = static_cast<double>(expected.observations[unit]);
    const double largest = n == 0.0 ? 0.0
                                    : std::max(std::abs(expected.min[unit]),
                                               std::abs(expected.max[unit]));
    RequireClose(summary.abs_sum[unit], expected.abs_sum[unit],
                 1e-12 * expected.abs_sum[unit], "abs_sum equals the whole");
    RequireClose(summary.mean[unit], expected.mean[unit], 1e-12 * largest,
                 "mean equals the whole");
    RequireClose(summary.m2[unit], expected.m2[unit],
                 1e-12 * n * largest * largest, "m2 equals the whole");
    Require(summary.m2[unit] >= 0.0, "m2 is not negative");
  }
}

std::string BytesOf(const UnitSummary& summary) {
  StateWriter writer;
  writer.Put(summary);
  return writer.Take();
}

// What does not fit is refused and changes nothing.
void RequireRefusals(const Case& one, const SeenUnits& piece,
                     UnitSummary summary) {
  const std::string before = BytesOf(summary);
  ColumnSet other = one.columns;
  other.firings = !other.firings;
  const UnitSummary same = SummaryOf(piece, one.columns);
  Require(!summary.Merge(SummaryOf(piece, other)).ok(),
          "other columns are refused");
  Require(!summary.MergeAt(-1, same).ok(), "no unit before the first");
  Require(
      !summary.MergeAt(summary.unit_count() + 1 - same.unit_count(), same).ok(),
      "no unit after the last");
  Require(BytesOf(summary) == before, "a refusal changes nothing");
}

// Two random ones become one until one is left.
UnitSummary MergeAll(Choices& choices, std::vector<UnitSummary> summaries) {
  while (summaries.size() > 1) {
    const auto count = static_cast<int>(summaries.size());
    const auto to = static_cast<std::size_t>(choices.Below(count));
    auto from = static_cast<std::size_t>(choices.Below(count - 1));
    if (from >= to) ++from;
    Require(summaries[to].Merge(summaries[from]).ok(), "equal shapes merge");
    summaries.erase(summaries.begin() + static_cast<std::ptrdiff_t>(from));
  }
  return std::move(summaries.front());
}

void CheckMerge(Choices& choices) {
  const Case one = CaseFrom(choices);
  SeenUnits whole(static_cast<std::size_t>(one.units));
  std::vector<UnitSummary> summaries{UnitSummary(one.units, one.columns)};
  const int pieces = choices.Below(24);
  for (int i = 0; i < pieces; ++i) {
    const Index first = choices.Below(static_cast<int>(one.units));
    const Index width = 1 + choices.Below(static_cast<int>(one.units - first));
    const SeenUnits piece = PieceFrom(choices, one, width);
    for (Index unit = 0; unit < width; ++unit) {
      whole[static_cast<std::size_t>(first + unit)].Add(
          piece[static_cast<std::size_t>(unit)]);
    }
    RequireRefusals(one, piece, summaries.back());
    if (choices.Coin()) summaries.emplace_back(one.units, one.columns);
    Require(summaries.back().MergeAt(first, SummaryOf(piece, one.columns)).ok(),
            "units that fit merge");
  }
  const UnitSummary merged = MergeAll(choices, std::move(summaries));
  const UnitSummary expected = SummaryOf(whole, one.columns);
  RequireSame(merged, expected);
  Require(merged.sketch == expected.sketch, "the sketch equals the whole");
}

absl::StatusOr<UnitSummary> ReduceRows(const std::vector<double>& values,
                                       std::int64_t units,
                                       const ReduceOptions& options) {
  const auto rows = static_cast<std::int64_t>(values.size()) / units;
  const std::array<std::int64_t, 2> shape{rows, units};
  const auto layout = TensorLayout::Create(DataType::kF64, shape, 1, 0);
  if (!layout.ok()) return layout.status();
  return Reduce({.layout = *layout,
                 .data = reinterpret_cast<const std::byte*>(values.data())},
                options);
}

// A tensor cut between its examples, each part reduced apart.
void CheckReduction(Choices& choices) {
  const Case one = CaseFrom(choices);
  // Whether zeros are underflow is judged for each snapshot by itself.
  ReduceOptions options{
      .rule = choices.Coin() ? FiringRule::Positive() : FiringRule::NonZero(),
      .columns = one.columns,
      .zeros_may_be_underflow = false};
  options.columns.proof = false;
  std::vector<double> whole;
  std::vector<UnitSummary> summaries;
  const int parts = 1 + choices.Below(12);
  for (int part = 0; part < parts; ++part) {
    std::vector<double> values;
    const Index count = one.units * choices.Below(9);
    for (Index i = 0; i < count; ++i) {
      values.push_back(choices.Below(32) == 31
                           ? std::numeric_limits<double>::infinity()
                           : ValueFrom(choices, one.scale, one.offset));
    }
    whole.insert(whole.end(), values.begin(), values.end());
    auto summary = ReduceRows(values, one.units, options);
    Require(summary.ok(), "a valid tensor is reduced");
    summaries.push_back(*std::move(summary));
  }
  const auto expected = ReduceRows(whole, one.units, options);
  Require(expected.ok(), "a valid tensor is reduced");
  RequireSame(MergeAll(choices, std::move(summaries)), *expected);
}

}  // namespace
}  // namespace firekeeper::core

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  if (choices.Coin()) {
    firekeeper::core::CheckReduction(choices);
  } else {
    firekeeper::core::CheckMerge(choices);
  }
  return 0;
}
