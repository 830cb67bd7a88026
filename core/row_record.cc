#include "core/row_record.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "core/window.h"

namespace firekeeper::core {
namespace {

constexpr std::int64_t kUnchanged = std::numeric_limits<std::int64_t>::max();

// Rows are compared by figures that a positive factor does not change, each
// relative to E|w|. Rounding of F32 is far below, a step of training far above.
constexpr double kTolerance = 1e-4;
// Several steps of one window may have several factors, which spreads the
// values: E[w^2] grows by less than this where decay is below 10 % a window.
constexpr double kSpread = 1e-2;

// Figures of a row by its mean absolute value.
struct Shape {
  double mean;
  double root_mean_square;
  double min;
  double max;
};

Shape ShapeOf(const UnitSummary& summary, Index unit) {
  const auto n = static_cast<double>(summary.observations[unit]);
  const double size = summary.abs_sum[unit] / n;
  const double mean = summary.mean[unit];
  return {
      .mean = mean / size,
      .root_mean_square = std::sqrt(summary.m2[unit] / n + mean * mean) / size,
      .min = summary.min[unit] / size,
      .max = summary.max[unit] / size};
}

bool IsMultipleOf(const UnitSummary& first, const UnitSummary& summary,
                  Index unit) {
  if (first.abs_sum[unit] == 0.0 || summary.abs_sum[unit] == 0.0) {
    return first.abs_sum[unit] == summary.abs_sum[unit];
  }
  const Shape a = ShapeOf(first, unit);
  const Shape b = ShapeOf(summary, unit);
  const double spread = b.root_mean_square / a.root_mean_square;
  if (std::abs(a.mean - b.mean) > kTolerance || spread < 1.0 - kTolerance ||
      spread > 1.0 + kSpread) {
    return false;
  }
  if (a.min < 0.0 && a.max > 0.0) {
    // Both extremes come from the step with the greatest factor.
    return std::abs(a.min / a.max - b.min / b.max) <=
           kTolerance * std::abs(a.min / a.max);
  }
  constexpr double kSlack = 10.0 * kSpread;
  return std::abs(a.min - b.min) <= kSlack * std::abs(a.min) &&
         std::abs(a.max - b.max) <= kSlack * std::abs(a.max);
}

}  // namespace

RowRecord::RowRecord(Index units, Signal signal)
    : signal_(signal), changed_from_(StepArray::Constant(units, kUnchanged)) {
  assert(signal == Signal::kWeight || signal == Signal::kWeightUpdate);
}

bool RowRecord::IsKept(const UnitSummary& summary, Index unit) const {
  if (summary.observations[unit] == 0) return true;
  if (summary.non_finite[unit] > 0) return false;
  if (signal_ == Signal::kWeightUpdate) {
    return summary.min[unit] == 0.0 && summary.max[unit] == 0.0;
  }
  return first_ != nullptr && first_->observations[unit] > 0 &&
         IsMultipleOf(*first_, summary, unit);
}

void RowRecord::Fold(const StepRange& steps, const UnitSummary& summary) {
  if (steps.first == 0 && signal_ == Signal::kWeight) {
    UnitSummary first = summary;
    first.sketch = {};
    first_ = std::make_shared<const UnitSummary>(std::move(first));
  }
  first_step_ = std::min(first_step_, steps.first);
  seen_through_ = std::max(seen_through_, steps.end - 1);
  for (Index unit = 0; unit < changed_from_.size(); ++unit) {
    if (changed_from_[unit] <= steps.first || IsKept(summary, unit)) continue;
    changed_from_[unit] = steps.first;
  }
}

void RowRecord::Resume(std::int64_t resume_step) {
  if (resume_step == 0) first_ = nullptr;
  if (first_step_ >= resume_step) first_step_ = kNeverSeen;
  seen_through_ = std::min(seen_through_, resume_step - 1);
  changed_from_ =
      (changed_from_ >= resume_step).select(kUnchanged, changed_from_);
}

StepArray RowRecord::KeptThrough() const {
  // An update of step 0 is the first change that there can be.
  const bool tells =
      signal_ == Signal::kWeight ? first_ != nullptr : first_step_ <= 1;
  if (!tells) return StepArray::Constant(changed_from_.size(), -1);
  return (changed_from_ - 1).min(seen_through_);
}

std::size_t RowRecord::FirstRowBytes() const {
  return first_ == nullptr
             ? 0
             : Window::MemoryFor(first_->unit_count(), first_->columns);
}

}  // namespace firekeeper::core
