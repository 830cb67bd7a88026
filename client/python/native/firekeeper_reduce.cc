#include "client/python/native/firekeeper_reduce.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/summary_columns.h"
#include "core/affine_layer.h"
#include "core/interval_proof.h"
#include "core/reduce.h"

namespace core = firekeeper::core;
using firekeeper::client::SummaryColumn;

// NOLINTNEXTLINE(readability-identifier-naming): a name of the C ABI
struct fk_summary {
  std::int64_t unit_count = 0;
  bool cluster_is_step = false;
  std::vector<SummaryColumn> columns;
  core::QuantileSketch sketch;
};

namespace {

using SummaryOr = absl::StatusOr<std::unique_ptr<fk_summary>>;

bool IsSignal(std::int32_t number) {
  return number >= static_cast<int>(core::Signal::kActivation) &&
         number <= static_cast<int>(core::Signal::kTarget);
}

bool IsActivation(std::int32_t number) {
  return number >= static_cast<int>(core::Activation::kLinear) &&
         number <= static_cast<int>(core::Activation::kSparseLatents);
}

// Not by the values of the enumerators, which are core's own.
constexpr std::array kKinds = {
    core::FiringRule::Kind::kNone, core::FiringRule::Kind::kNonZero,
    core::FiringRule::Kind::kBand, core::FiringRule::Kind::kAlways};

absl::StatusOr<core::TensorLayout> LayoutOf(const fk_tensor& tensor) {
  if (tensor.rank < 1 || tensor.rank > static_cast<int>(core::kMaxRank)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape has ", tensor.rank, " axes; 1 to ", core::kMaxRank));
  }
  if (tensor.dtype < static_cast<int>(core::DataType::kF64) ||
      tensor.dtype > static_cast<int>(core::DataType::kBf16)) {
    return absl::InvalidArgumentError(
        absl::StrCat("dtype is ", tensor.dtype, "; 1 to 4 are known"));
  }
  const std::optional<int> cluster_axis =
      tensor.cluster_axis == -1 ? std::nullopt
                                : std::optional<int>(tensor.cluster_axis);
  return core::TensorLayout::Create(
      static_cast<core::DataType>(tensor.dtype),
      {tensor.shape, static_cast<std::size_t>(tensor.rank)}, tensor.unit_axis,
      cluster_axis);
}

// Dense tensors take a faster way. The stride of an axis of one entry is
// arbitrary.
bool IsDense(const core::TensorLayout& layout, const std::int64_t* strides) {
  if (strides == nullptr || layout.element_count() == 0) return true;
  auto dense = static_cast<std::int64_t>(core::SizeOf(layout.dtype()));
  for (std::size_t axis = layout.rank(); axis-- > 0;) {
    const std::int64_t length = layout.shape()[axis];
    if (length != 1 && strides[axis] != dense) return false;
    dense *= length;
  }
  return true;
}

// A view, and the bits of its mask where they came as bytes. To be moved, not
// copied: the view borrows the bits.
struct Borrowed {
  core::TensorView view;
  std::vector<std::byte> bits;
};

absl::Status SetMask(const fk_tensor& tensor, Borrowed& borrowed) {
  if (tensor.mask == nullptr) return absl::OkStatus();
  const std::span<const std::uint8_t> mask(
      tensor.mask, static_cast<std::size_t>(tensor.mask_size));
  if (tensor.mask_entry_bits == 1) {
    borrowed.view.validity_mask = std::as_bytes(mask);
    return absl::OkStatus();
  }
  const std::int64_t rows = borrowed.view.layout.row_count();
  if (tensor.mask_entry_bits != 8 || tensor.mask_size != rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "mask has ", tensor.mask_size, " bytes of ", tensor.mask_entry_bits,
        "-bit entries; the shape asks for ", rows, " entries of 1 or 8"));
  }
  borrowed.bits.resize((mask.size() + 7) / 8);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) borrowed.bits[i / 8] |= std::byte{1} << (i % 8);
  }
  borrowed.view.validity_mask = borrowed.bits;
  return absl::OkStatus();
}

absl::StatusOr<Borrowed> Borrow(const fk_tensor& tensor) {
  auto layout = LayoutOf(tensor);
  if (!layout.ok()) return layout.status();
  if (tensor.data == nullptr && layout->element_count() > 0) {
    return absl::InvalidArgumentError("tensor has no data");
  }
  Borrowed borrowed{.view = {.layout = *layout,
                             .data = static_cast<const std::byte*>(tensor.data),
                             .is_dense = IsDense(*layout, tensor.strides),
                             .scale = tensor.scale},
                    .bits = {}};
  if (!borrowed.view.is_dense) {
    std::copy_n(tensor.strides, tensor.rank, borrowed.view.strides.begin());
  }
  if (absl::Status status = SetMask(tensor, borrowed); !status.ok()) {
    return status;
  }
  return borrowed;
}

absl::StatusOr<core::ReduceOptions> OptionsOf(const fk_rule& rule) {
  const fk_firing_rule_limits& limits = rule.firing_rule;
  if (!IsSignal(rule.signal)) {
    return absl::InvalidArgumentError(
        absl::StrCat("signal is ", rule.signal, "; 1 to 9 are known"));
  }
  if (limits.kind < 0 || limits.kind >= static_cast<int>(kKinds.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "kind of the firing rule is ", limits.kind, "; 0 to 3 are known"));
  }
  core::ReduceOptions options{
      .rule = {.kind = kKinds[static_cast<std::size_t>(limits.kind)],
               .low = limits.low,
               .high = limits.high,
               .hole_low = limits.hole_low,
               .hole_high = limits.hole_high},
      .columns = {}};
  options.columns = core::ColumnsFor(static_cast<core::Signal>(rule.signal),
                                     options.rule.counts());
  if (rule.cluster_split != 0) options.columns.clusters = false;
  return options;
}

std::unique_ptr<fk_summary> Encode(const core::UnitSummary& summary) {
  return std::make_unique<fk_summary>(
      fk_summary{.unit_count = summary.unit_count(),
                 .cluster_is_step = !summary.columns.clusters,
                 .columns = firekeeper::client::EncodeColumns(summary),
                 .sketch = summary.sketch});
}

SummaryOr ReduceTensor(const fk_tensor& tensor, const fk_rule& rule) {
  const auto options = OptionsOf(rule);
  if (!options.ok()) return options.status();
  const auto borrowed = Borrow(tensor);
  if (!borrowed.ok()) return borrowed.status();
  const auto summary = core::Reduce(borrowed->view, *options);
  if (!summary.ok()) return summary.status();
  return Encode(*summary);
}

SummaryOr ReduceWeight(const fk_tensor& weight, const fk_tensor* bias,
                       const fk_tensor& input, const fk_rule& rule) {
  const auto options = OptionsOf(rule);
  if (!options.ok()) return options.status();
  if (!options->columns.proof) {
    return absl::InvalidArgumentError(
        absl::StrCat("signal is ", rule.signal, "; a proof is of a WEIGHT"));
  }
  const auto weight_parts = Borrow(weight);
  if (!weight_parts.ok()) return weight_parts.status();
  const auto input_parts = Borrow(input);
  if (!input_parts.ok()) return input_parts.status();
  core::AffineLayer layer{.weight = weight_parts->view,
                          .bias = std::nullopt,
                          .input = input_parts->view};
  std::optional<Borrowed> bias_parts;  // holds what layer.bias borrows
  if (bias != nullptr) {
    auto parts = Borrow(*bias);
    if (!parts.ok()) return parts.status();
    bias_parts = *std::move(parts);
    layer.bias = bias_parts->view;
  }
  auto summary = core::Reduce(layer.weight, *options);
  if (!summary.ok()) return summary.status();
  if (absl::Status status = core::ProveUnits(layer, &*summary); !status.ok()) {
    return status;
  }
  return Encode(*summary);
}

fk_buckets BucketsOf(const core::SketchBuckets& buckets) {
  return {.offset = buckets.empty() ? 0 : buckets.first(),
          .counts = buckets.counts().data(),
          .size = buckets.counts().size()};
}

void WriteError(const char* text, std::size_t length, char* error,
                std::size_t error_size) {
  if (error == nullptr || error_size == 0) return;
  const std::size_t kept = std::min(length, error_size - 1);
  std::memcpy(error, text, kept);
  error[kept] = '\0';
}

// What `reduce` returns, with everything that goes wrong as a text.
template <typename Reduction>
fk_summary* Guarded(const Reduction& reduce, char* error,
                    std::size_t error_size) noexcept {
  try {
    SummaryOr summary = reduce();
    if (summary.ok()) return summary->release();
    const auto message = summary.status().message();
    WriteError(message.data(), message.size(), error, error_size);
  } catch (const std::exception& exception) {
    const char* const text = exception.what();
    WriteError(text, std::strlen(text), error, error_size);
  } catch (...) {
    constexpr std::string_view kText = "unknown failure";
    WriteError(kText.data(), kText.size(), error, error_size);
  }
  return nullptr;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names of the C ABI
std::int32_t fk_abi_version() { return kFirekeeperReduceAbiVersion; }

// A literal ends with a zero.
const char* fk_kernel_target() { return core::KernelTarget().data(); }

std::int32_t fk_firing_rule(std::int32_t signal, std::int32_t activation,
                            double negative_slope, double alpha,
                            fk_firing_rule_limits* out) {
  if (!IsSignal(signal) || !IsActivation(activation)) return -1;
  const core::FiringRule rule =
      core::FiringRuleFor(static_cast<core::Signal>(signal),
                          {.kind = static_cast<core::Activation>(activation),
                           .negative_slope = negative_slope,
                           .alpha = alpha});
  const auto* const kind = std::find(kKinds.begin(), kKinds.end(), rule.kind);
  *out = {.kind = static_cast<std::int32_t>(kind - kKinds.begin()),
          .low = rule.low,
          .high = rule.high,
          .hole_low = rule.hole_low,
          .hole_high = rule.hole_high};
  return 0;
}

fk_summary* fk_reduce(const fk_tensor* tensor, const fk_rule* rule, char* error,
                      std::size_t error_size) {
  return Guarded([=] { return ReduceTensor(*tensor, *rule); }, error,
                 error_size);
}

fk_summary* fk_reduce_weight(const fk_tensor* weight, const fk_tensor* bias,
                             const fk_tensor* input, const fk_rule* rule,
                             char* error, std::size_t error_size) {
  return Guarded([=] { return ReduceWeight(*weight, bias, *input, *rule); },
                 error, error_size);
}

std::int64_t fk_summary_unit_count(const fk_summary* summary) {
  return summary->unit_count;
}

std::int32_t fk_summary_cluster_is_step(const fk_summary* summary) {
  return summary->cluster_is_step ? 1 : 0;
}

std::int32_t fk_summary_column_count(const fk_summary* summary) {
  return static_cast<std::int32_t>(summary->columns.size());
}

void fk_summary_column(const fk_summary* summary, std::int32_t index,
                       fk_column* out) {
  const SummaryColumn& column =
      summary->columns[static_cast<std::size_t>(index)];
  *out = {.id = static_cast<std::int32_t>(column.id),
          .width = column.width,
          .data = column.data.data(),
          .size = column.data.size()};
}

void fk_summary_sketch(const fk_summary* summary, fk_sketch* out) {
  *out = {.zero_count = summary->sketch.zeros(),
          .positive = BucketsOf(summary->sketch.positive()),
          .negative = BucketsOf(summary->sketch.negative())};
}

void fk_summary_free(fk_summary* summary) { delete summary; }
// NOLINTEND(readability-identifier-naming)
