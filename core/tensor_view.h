// A borrowed tensor with a unit axis: what a snapshot of a trainer looks like
// in memory, whatever its dtype, rank, strides or alignment.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firekeeper::core {

enum class DataType : std::uint8_t { kF64 = 1, kF32, kF16, kBf16 };

[[nodiscard]] constexpr std::size_t SizeOf(DataType dtype) {
  switch (dtype) {
    case DataType::kF64:
      return 8;
    case DataType::kF32:
      return 4;
    case DataType::kF16:
    case DataType::kBf16:
      return 2;
  }
  return 0;
}

// Smallest positive normal number of the dtype (STATISTICS.md 5.2).
[[nodiscard]] double SmallestNormal(DataType dtype);

inline constexpr std::size_t kMaxRank = 8;

// Shape and roles of the axes, without the data. Validated on construction.
class TensorLayout {
 public:
  // `shape` has 1 to kMaxRank entries, none negative; zero-length axes are
  // fine. Fails with kInvalidArgument, naming the argument, on a bad rank,
  // a negative length, an axis out of range, unit_axis == cluster_axis, or a
  // byte size that does not fit 63 bits; all products are overflow-checked.
  static absl::StatusOr<TensorLayout> Create(
      DataType dtype, std::span<const std::int64_t> shape, int unit_axis,
      std::optional<int> cluster_axis);

  [[nodiscard]] DataType dtype() const { return dtype_; }
  [[nodiscard]] std::size_t rank() const { return rank_; }
  [[nodiscard]] std::span<const std::int64_t> shape() const {
    return {shape_.data(), rank_};
  }
  [[nodiscard]] std::size_t unit_axis() const { return unit_axis_; }
  [[nodiscard]] std::optional<std::size_t> cluster_axis() const {
    return cluster_axis_;
  }
  [[nodiscard]] std::int64_t unit_count() const { return shape_[unit_axis_]; }
  // 1 where there is no cluster axis.
  [[nodiscard]] std::int64_t cluster_count() const;
  // Product of the lengths of the position axes.
  [[nodiscard]] std::int64_t position_count() const;
  [[nodiscard]] std::int64_t element_count() const { return element_count_; }
  // element_count() * SizeOf(dtype()).
  [[nodiscard]] std::int64_t byte_size() const;
  // (cluster, position) pairs: the bits of a validity mask.
  [[nodiscard]] std::int64_t row_count() const {
    return cluster_count() * position_count();
  }

 private:
  TensorLayout() = default;

  DataType dtype_ = DataType::kF32;
  std::size_t rank_ = 0;
  std::array<std::int64_t, kMaxRank> shape_{};
  std::size_t unit_axis_ = 0;
  std::optional<std::size_t> cluster_axis_;
  std::int64_t element_count_ = 0;
};

// A layout with data. Thread-compatible; the data outlives the view. The
// pointer needs no alignment.
struct TensorView {
  TensorLayout layout;
  const std::byte* data = nullptr;
  // Bytes from one entry to the next along each axis; empty means row-major
  // and dense. May be negative or zero.
  std::array<std::int64_t, kMaxRank> strides{};
  bool is_dense = true;
  // One bit for each (cluster, position) in row-major order over the axes
  // without the unit axis, least significant bit first; empty = all valid,
  // otherwise exactly ceil(row_count / 8) bytes.
  std::span<const std::byte> validity_mask = {};
  // value = stored * scale. Finite and positive.
  double scale = 1.0;
};

}  // namespace firekeeper::core
