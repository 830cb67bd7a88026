// NumPy's .npy files, versions 1.0 and 2.0 (numpy.lib.format), little-endian
// floats of 2, 4 and 8 bytes, in C or Fortran order.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/tensor_view.h"

namespace firekeeper::client::cli {

struct NpyArray {
  core::DataType dtype = core::DataType::kF32;
  bool fortran_order = false;
  // 1 to 8 axes; their product times the size of a value is data's size.
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

// Fails with kInvalidArgument, saying what was wrong, for anything else than a
// whole file of that kind.
[[nodiscard]] absl::StatusOr<NpyArray> ParseNpy(const std::string& bytes);

// ParseNpy() of a file. Fails with kNotFound where it cannot be read.
[[nodiscard]] absl::StatusOr<NpyArray> ReadNpy(const std::string& path);

// Requires: the array outlives the view. Fails as TensorLayout::Create() does.
[[nodiscard]] absl::StatusOr<core::TensorView> ViewOf(
    const NpyArray& array, int unit_axis, std::optional<int> cluster_axis);

}  // namespace firekeeper::client::cli
