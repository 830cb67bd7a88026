// Tensor: its shape and place in the sequence of chunks. The values themselves
// are read by core::Reducer.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/checks.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

// A tensor of max_tensor_bytes in chunks of 16 KiB.
constexpr std::uint32_t kMaxChunkCount = std::uint32_t{1} << 20U;

std::optional<core::DataType> AcceptedType(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_F64:
      return core::DataType::kF64;
    case v1::DATA_TYPE_F32:
      return core::DataType::kF32;
    case v1::DATA_TYPE_F16:
      return core::DataType::kF16;
    case v1::DATA_TYPE_BF16:
      return core::DataType::kBf16;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<core::DataType> DecodeType(const v1::Tensor& tensor) {
  if (absl::Status status = CheckEnum("data_type", tensor.data_type(),
                                      *v1::DataType_descriptor());
      !status.ok()) {
    return status;
  }
  const auto type = AcceptedType(tensor.data_type());
  if (!type.has_value()) {
    return FieldError("data_type",
                      absl::StrCat(v1::DataType_Name(tensor.data_type()),
                                   " is not accepted by this server; "
                                   "DATA_TYPE_F64, F32, F16 and BF16 are"));
  }
  return *type;
}

// Zero-length axes count as 1 here: the products of some of the axes (mask
// bits, rows) must fit as well as that of all.
absl::Status CheckShape(const v1::Tensor& tensor, core::DataType type,
                        const Limits& limits) {
  constexpr int kMaxRank = static_cast<int>(core::kMaxRank);
  if (tensor.shape_size() < 1 || tensor.shape_size() > kMaxRank) {
    return FieldError("shape",
                      absl::StrCat("has ", tensor.shape_size(),
                                   " axes; must have 1 to ", kMaxRank));
  }
  const std::uint64_t max_values = limits.max_tensor_bytes / core::SizeOf(type);
  std::uint64_t values = 1;
  for (int axis = 0; axis < tensor.shape_size(); ++axis) {
    const std::int64_t length = tensor.shape(axis);
    if (length < 0) {
      return FieldError("shape", absl::StrCat("axis ", axis, " is ", length,
                                              " long; must not be negative"));
    }
    if (length == 0) continue;
    // Divides instead of multiplying: the shape is the sender's and may
    // overflow.
    if (static_cast<std::uint64_t>(length) > max_values / values) {
      return LimitError(
          "shape", absl::StrCat("asks for more than ", limits.max_tensor_bytes,
                                " bytes"));
    }
    values *= static_cast<std::uint64_t>(length);
  }
  return absl::OkStatus();
}

bool IsChunked(const v1::Tensor& tensor) { return tensor.chunk_count() > 1; }

absl::Status CheckUnitAxis(const v1::Tensor& tensor, core::Index width) {
  const int axis = tensor.unit_axis();
  if (axis < 0 || axis >= tensor.shape_size()) {
    return FieldError("unit_axis", absl::StrCat("is ", axis, "; must be 0 to ",
                                                tensor.shape_size() - 1));
  }
  if (width == 0) {
    return FieldError("unit_axis",
                      "the source declared no units for this signal");
  }
  if (tensor.shape(axis) != width) {
    return FieldError(
        "shape", absl::StrCat("axis ", axis, " is ", tensor.shape(axis),
                              " long; the source declared ", width, " units"));
  }
  return absl::OkStatus();
}

absl::Status CheckClusterAxis(const v1::Tensor& tensor) {
  if (!tensor.has_cluster_axis()) return absl::OkStatus();
  const int axis = tensor.cluster_axis();
  if (axis < 0 || axis >= tensor.shape_size()) {
    return FieldError(
        "cluster_axis",
        absl::StrCat("is ", axis, "; must be 0 to ", tensor.shape_size() - 1));
  }
  if (axis == tensor.unit_axis()) {
    return FieldError("cluster_axis",
                      absl::StrCat("is ", axis, ", the unit axis"));
  }
  if (IsChunked(tensor) && axis != 0) {
    return FieldError(
        "cluster_axis",
        absl::StrCat("is ", axis, "; must be 0 or absent in a chunked tensor"));
  }
  return absl::OkStatus();
}

absl::Status CheckFactor(const std::string& field, double factor) {
  // 0 is proto3's "not set" and means 1.
  if (factor == 0.0 || (std::isfinite(factor) && factor > 0.0)) {
    return absl::OkStatus();
  }
  return FieldError(
      field, absl::StrCat("is ", factor, "; must be finite and positive"));
}

absl::Status CheckScale(const v1::Tensor& tensor, core::Signal signal) {
  if (absl::Status status = CheckFactor("scale", tensor.scale());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckFactor("loss_scale", tensor.loss_scale());
      !status.ok()) {
    return status;
  }
  if (tensor.loss_scale() != 0.0 && !core::IsGradient(signal)) {
    return FieldError("loss_scale", absl::StrCat("is ", tensor.loss_scale(),
                                                 "; only gradients have one"));
  }
  const double scale = TensorScale(tensor);
  if (!std::isfinite(scale) || scale <= 0.0) {
    return FieldError("loss_scale",
                      absl::StrCat("scale / loss_scale is ", scale,
                                   "; must be finite and "
                                   "positive"));
  }
  return absl::OkStatus();
}

absl::Status CheckChunkNumbers(const v1::Tensor& tensor) {
  if (tensor.chunk_count() > kMaxChunkCount) {
    return LimitError("chunk_count",
                      absl::StrCat("is ", tensor.chunk_count(), "; at most ",
                                   kMaxChunkCount));
  }
  const std::uint32_t count = std::max(tensor.chunk_count(), 1U);
  if (tensor.chunk_index() >= count) {
    return FieldError("chunk_index",
                      absl::StrCat("is ", tensor.chunk_index(),
                                   "; must be less than ", count));
  }
  return absl::OkStatus();
}

absl::Status CheckWholeLength(const v1::Tensor& tensor, std::uint64_t total) {
  if (tensor.byte_offset() != 0) {
    return FieldError("byte_offset", absl::StrCat("is ", tensor.byte_offset(),
                                                  "; must be 0 in a tensor "
                                                  "that is not chunked"));
  }
  if (tensor.data().size() != total) {
    return FieldError("data",
                      absl::StrCat("has ", tensor.data().size(),
                                   " bytes; the shape asks for ", total));
  }
  return absl::OkStatus();
}

absl::Status CheckChunkLength(const v1::Tensor& tensor, std::uint64_t total) {
  const std::uint64_t offset = tensor.byte_offset();
  if (offset > total || (tensor.chunk_index() == 0 && offset != 0)) {
    return FieldError(
        "byte_offset",
        absl::StrCat("is ", offset, " in chunk ", tensor.chunk_index(),
                     " of a tensor of ", total, " bytes"));
  }
  const std::uint64_t left = total - offset;
  const bool is_last = tensor.chunk_index() == tensor.chunk_count() - 1;
  if (tensor.data().size() > left ||
      (is_last && tensor.data().size() != left)) {
    return FieldError("data",
                      absl::StrCat("has ", tensor.data().size(), " bytes; ",
                                   is_last ? "exactly " : "at most ", left,
                                   " are left of the tensor"));
  }
  return absl::OkStatus();
}

absl::Status CheckMask(const v1::Tensor& tensor,
                       const core::TensorLayout& layout) {
  if (tensor.validity_mask().empty()) return absl::OkStatus();
  if (tensor.chunk_index() != 0) {
    return FieldError("validity_mask",
                      absl::StrCat("came in chunk ", tensor.chunk_index(),
                                   "; must come in chunk 0"));
  }
  const auto bits = static_cast<std::uint64_t>(layout.row_count());
  const std::uint64_t bytes = bits / 8 + (bits % 8 != 0 ? 1 : 0);
  if (tensor.validity_mask().size() != bytes) {
    return FieldError("validity_mask",
                      absl::StrCat("has ", tensor.validity_mask().size(),
                                   " bytes; the shape asks for ", bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckAxes(const v1::Tensor& tensor, core::DataType type,
                       core::Index width, const Limits& limits) {
  if (absl::Status status = CheckShape(tensor, type, limits); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckUnitAxis(tensor, width); !status.ok()) {
    return status;
  }
  return CheckClusterAxis(tensor);
}

// Requires: CheckAxes() accepted it.
absl::StatusOr<core::TensorLayout> ToLayout(const v1::Tensor& tensor,
                                            core::DataType type) {
  const std::span<const std::int64_t> shape(
      tensor.shape().data(), static_cast<std::size_t>(tensor.shape_size()));
  const auto cluster_axis = tensor.has_cluster_axis()
                                ? std::optional<int>(tensor.cluster_axis())
                                : std::nullopt;
  auto layout =
      core::TensorLayout::Create(type, shape, tensor.unit_axis(), cluster_axis);
  if (layout.ok()) return layout;
  return FieldError("shape", std::string(layout.status().message()));
}

}  // namespace

absl::StatusOr<core::TensorLayout> DecodeTensorLayout(const v1::Tensor& tensor,
                                                      core::Signal signal,
                                                      core::Index width,
                                                      const Limits& limits) {
  const auto type = DecodeType(tensor);
  if (!type.ok()) return type.status();
  if (absl::Status status = CheckChunkNumbers(tensor); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckAxes(tensor, *type, width, limits);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckScale(tensor, signal); !status.ok()) {
    return status;
  }
  auto layout = ToLayout(tensor, *type);
  if (!layout.ok()) return layout;
  const auto total = static_cast<std::uint64_t>(layout->byte_size());
  if (absl::Status status = IsChunked(tensor) ? CheckChunkLength(tensor, total)
                                              : CheckWholeLength(tensor, total);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckMask(tensor, *layout); !status.ok()) {
    return status;
  }
  return layout;
}

double TensorScale(const v1::Tensor& tensor) {
  const double scale = tensor.scale() == 0.0 ? 1.0 : tensor.scale();
  return tensor.loss_scale() == 0.0 ? scale : scale / tensor.loss_scale();
}

}  // namespace firekeeper::server
