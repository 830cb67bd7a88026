#include "core/interval_proof.h"

#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/reduce.h"
#include "core/stored_value.h"

namespace firekeeper::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A sum of n products, in any order, is off by at most gamma_n * sum |w x| with
// gamma_n = n u / (1 - n u) (Higham 2002, 3.1). Twice that covers the bound's
// own sum, the sum of sizes and the trainer's; the last term covers products
// that underflow.
double RoundingOf(double sizes, Eigen::Index terms, double roundoff) {
  const auto n = static_cast<double>(terms) + 2.0;
  const double gamma = n * (roundoff + 2.0 * kDoubleRoundoff);
  if (gamma >= 0.5) return kInfinity;
  return 2.0 * gamma * sizes +
         n * static_cast<double>(std::numeric_limits<float>::min());
}

PreActivationBounds BoundRow(const Eigen::ArrayXd& row, double bias,
                             const ValueArray& input_min,
                             const ValueArray& input_max, double roundoff) {
  // What is multiplied by exactly 0 adds nothing, not even a rounding: behind a
  // layer that is shut z is the bias.
  const Eigen::Index terms =
      (row != 0.0 && (input_min != 0.0 || input_max != 0.0)).count();
  if (terms == 0 && row.isFinite().all() && std::isfinite(bias)) {
    return {.low = bias, .high = bias};
  }
  const Eigen::ArrayXd up = row.max(0.0);
  const Eigen::ArrayXd down = row.min(0.0);
  const double high = bias + (up * input_max).sum() + (down * input_min).sum();
  const double low = bias + (up * input_min).sum() + (down * input_max).sum();
  const double sizes =
      std::abs(bias) + (row.abs() * input_min.abs().max(input_max.abs())).sum();
  const double rounding = RoundingOf(sizes, 2 * terms + 1, roundoff);
  // Partial sums of binary32 overflow where those of binary64 do not.
  const double largest = roundoff > kDoubleRoundoff
                             ? std::numeric_limits<float>::max()
                             : std::numeric_limits<double>::max();
  const bool finite = row.isFinite().all() && sizes + rounding < largest;
  if (!finite) return {.low = -kInfinity, .high = kInfinity};
  // The addition of the widening rounds once more.
  return {.low = std::nextafter(low - rounding, -kInfinity),
          .high = std::nextafter(high + rounding, kInfinity)};
}

// A strided vector of a tensor.
struct Line {
  const std::byte* data;
  std::int64_t stride;
  std::int64_t size;
};

// Axis `axis` of the view, from its first entry on.
Line LineOf(const TensorView& view, std::size_t axis) {
  const auto shape = view.layout.shape();
  std::int64_t stride = view.strides.at(axis);
  if (view.is_dense) {
    stride = static_cast<std::int64_t>(SizeOf(view.layout.dtype()));
    for (const std::int64_t length : shape.subspan(axis + 1)) stride *= length;
  }
  return {.data = view.data, .stride = stride, .size = shape[axis]};
}

Eigen::ArrayXd Load(const TensorView& view, const Line& line) {
  Eigen::ArrayXd values(line.size);
  for (std::int64_t i = 0; i < line.size; ++i) {
    values[i] = LoadStored(view.layout.dtype(), line.data + i * line.stride) *
                view.scale;
  }
  return values;
}

double RoundoffOf(DataType weight, DataType input) {
  if (SizeOf(weight) == 2 || SizeOf(input) == 2) return kBf16Roundoff;
  return weight == DataType::kF64 ? kDoubleRoundoff : kSingleRoundoff;
}

absl::Status CheckShapes(const AffineLayer& layer, Index units) {
  const TensorLayout& weight = layer.weight.layout;
  if (weight.rank() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weight has rank ", weight.rank(), "; a bound needs 2 axes"));
  }
  const std::int64_t features = weight.shape()[1 - weight.unit_axis()];
  if (weight.unit_count() != units) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weight has ", weight.unit_count(), " units; the summary ", units));
  }
  if (layer.bias && (layer.bias->layout.rank() != 1 ||
                     layer.bias->layout.unit_count() != units)) {
    return absl::InvalidArgumentError(
        absl::StrCat("bias must have the shape [", units, "]"));
  }
  if (layer.input.layout.unit_count() != features) {
    return absl::InvalidArgumentError(
        absl::StrCat("input has ", layer.input.layout.unit_count(),
                     " features; weight has ", features));
  }
  return absl::OkStatus();
}

// Min and max of features that were all there and finite; what was not proves
// nothing.
struct InputRange {
  Eigen::ArrayXd min;
  Eigen::ArrayXd max;
};

absl::StatusOr<InputRange> RangeOf(const TensorView& input) {
  auto summary = Reduce(input, {.rule = FiringRule::None(),
                                .columns = {.moments = true},
                                .zeros_may_be_underflow = false});
  if (!summary.ok()) return summary.status();
  const auto rows = static_cast<std::uint64_t>(input.layout.row_count());
  for (Index i = 0; i < summary->unit_count(); ++i) {
    if (rows > 0 && summary->observations[i] == rows) continue;
    summary->min[i] = -kInfinity;
    summary->max[i] = kInfinity;
  }
  return InputRange{.min = std::move(summary->min),
                    .max = std::move(summary->max)};
}

}  // namespace

std::vector<PreActivationBounds> BoundPreActivations(
    const WeightRows& weights, const ValueArray& bias,
    const ValueArray& input_min, const ValueArray& input_max, double roundoff) {
  assert(roundoff >= 0.0);
  assert(bias.size() == weights.rows());
  assert(input_min.size() == weights.cols());
  assert(input_max.size() == weights.cols());
  const bool ranges = input_min.isFinite().all() && input_max.isFinite().all();
  std::vector<PreActivationBounds> bounds;
  bounds.reserve(static_cast<std::size_t>(weights.rows()));
  for (Eigen::Index unit = 0; unit < weights.rows(); ++unit) {
    if (!ranges) {
      bounds.push_back({.low = -kInfinity, .high = kInfinity});
      continue;
    }
    const Eigen::ArrayXd row = weights.row(unit).transpose().array();
    bounds.push_back(BoundRow(row, bias[unit], input_min, input_max, roundoff));
  }
  return bounds;
}

UnitProof ProofOf(const PreActivationBounds& bounds) {
  if (bounds.high <= 0.0) return UnitProof::kNeverFires;
  if (bounds.low > 0.0) return UnitProof::kAlwaysFires;
  return UnitProof::kNone;
}

bool ProofsHold(const FiringRule& rule, bool norm_before, bool residual) {
  return rule.kind == FiringRule::Kind::kBand && rule.low >= 0.0 &&
         !norm_before && !residual;
}

absl::Status ProveUnits(const AffineLayer& layer, UnitSummary* summary) {
  assert(summary->columns.proof);
  if (absl::Status status = CheckShapes(layer, summary->unit_count());
      !status.ok()) {
    return status;
  }
  const auto range = RangeOf(layer.input);
  if (!range.ok()) return range.status();
  const TensorLayout& layout = layer.weight.layout;
  const double roundoff =
      RoundoffOf(layout.dtype(), layer.input.layout.dtype());
  const Line units = LineOf(layer.weight, layout.unit_axis());
  const Line features = LineOf(layer.weight, 1 - layout.unit_axis());
  const Eigen::ArrayXd bias =
      layer.bias ? Load(*layer.bias, LineOf(*layer.bias, 0))
                 : Eigen::ArrayXd(Eigen::ArrayXd::Zero(summary->unit_count()));
  const bool complete = range->min.isFinite().all() &&
                        range->max.isFinite().all() &&
                        layer.weight.validity_mask.empty() &&
                        (!layer.bias || layer.bias->validity_mask.empty());
  for (Index unit = 0; complete && unit < summary->unit_count(); ++unit) {
    const Eigen::ArrayXd row =
        Load(layer.weight, {.data = units.data + unit * units.stride,
                            .stride = features.stride,
                            .size = features.size});
    const PreActivationBounds bounds =
        BoundRow(row, bias[unit], range->min, range->max, roundoff);
    if (ProofOf(bounds) == UnitProof::kNeverFires) {
      summary->proven[unit] = summary->observations[unit];
    }
  }
  return absl::OkStatus();
}

}  // namespace firekeeper::core
