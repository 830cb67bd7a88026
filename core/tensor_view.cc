#include "core/tensor_view.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {
namespace {

bool IsKnown(DataType dtype) { return SizeOf(dtype) != 0; }

// Fails where the product of the non-zero lengths and `size` leaves 63 bits:
// every other product of lengths is then in range too, also beside an axis of
// length zero.
absl::Status CheckSize(std::span<const std::int64_t> shape, std::int64_t size) {
  std::int64_t bytes = size;
  for (const std::int64_t length : shape) {
    if (length < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape has a negative length: ", length));
    }
    const std::int64_t factor = std::max<std::int64_t>(length, 1);
    if (bytes > std::numeric_limits<std::int64_t>::max() / factor) {
      return absl::InvalidArgumentError(
          "shape asks for more bytes than 63 bits can count");
    }
    bytes *= factor;
  }
  return absl::OkStatus();
}

absl::Status CheckAxes(std::size_t rank, int unit_axis,
                       std::optional<int> cluster_axis) {
  const auto outside = [rank](int axis) {
    return axis < 0 || static_cast<std::size_t>(axis) >= rank;
  };
  if (outside(unit_axis)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unit_axis is ", unit_axis, "; the shape has ", rank, " axes"));
  }
  if (!cluster_axis.has_value()) return absl::OkStatus();
  if (outside(*cluster_axis)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cluster_axis is ", *cluster_axis, "; the shape has ", rank, " axes"));
  }
  if (*cluster_axis == unit_axis) {
    return absl::InvalidArgumentError(
        absl::StrCat("cluster_axis and unit_axis are both ", unit_axis));
  }
  return absl::OkStatus();
}

}  // namespace

double SmallestNormal(DataType dtype) {
  switch (dtype) {
    case DataType::kF64:
      return std::numeric_limits<double>::min();
    case DataType::kF32:
    case DataType::kBf16:  // the exponent range of binary32
      return static_cast<double>(std::numeric_limits<float>::min());
    case DataType::kF16:
      return 0x1p-14;
  }
  return 0.0;
}

absl::StatusOr<TensorLayout> TensorLayout::Create(
    DataType dtype, std::span<const std::int64_t> shape, int unit_axis,
    std::optional<int> cluster_axis) {
  if (!IsKnown(dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat("dtype has the unknown value ", static_cast<int>(dtype)));
  }
  if (shape.empty() || shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape has ", shape.size(), " axes; 1 to ", kMaxRank, " are allowed"));
  }
  if (absl::Status status = CheckAxes(shape.size(), unit_axis, cluster_axis);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckSize(shape, static_cast<std::int64_t>(SizeOf(dtype)));
      !status.ok()) {
    return status;
  }

  TensorLayout layout;
  layout.dtype_ = dtype;
  layout.rank_ = shape.size();
  std::copy(shape.begin(), shape.end(), layout.shape_.begin());
  layout.unit_axis_ = static_cast<std::size_t>(unit_axis);
  if (cluster_axis.has_value()) {
    layout.cluster_axis_ = static_cast<std::size_t>(*cluster_axis);
  }
  layout.element_count_ = 1;
  for (const std::int64_t length : shape) layout.element_count_ *= length;
  return layout;
}

std::int64_t TensorLayout::cluster_count() const {
  return cluster_axis_.has_value() ? shape_[*cluster_axis_] : 1;
}

std::int64_t TensorLayout::position_count() const {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < rank_; ++axis) {
    if (axis != unit_axis_ && axis != cluster_axis_) count *= shape_[axis];
  }
  return count;
}

std::int64_t TensorLayout::byte_size() const {
  return element_count_ * static_cast<std::int64_t>(SizeOf(dtype_));
}

}  // namespace firekeeper::core
