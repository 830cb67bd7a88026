#include "client/cpp/tensor_encoding.h"

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace firekeeper::client {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the values are copied as they lie in memory");

v1::DataType ToProto(core::DataType dtype) {
  // Equal by definition (core/tensor_view.h).
  return static_cast<v1::DataType>(dtype);
}

// Copies `view` in row-major order to `out`, which has room for all of it.
void CopyStrided(const core::TensorView& view, char* out) {
  const std::span<const std::int64_t> shape = view.layout.shape();
  const std::size_t last = shape.size() - 1;
  const std::size_t entry = core::SizeOf(view.layout.dtype());
  std::array<std::int64_t, core::kMaxRank> index{};
  std::int64_t offset = 0;  // of the row that `index` begins
  const std::int64_t rows = view.layout.element_count() / shape[last];
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < shape[last]; ++i) {
      std::memcpy(out, view.data + offset + i * view.strides[last], entry);
      out += entry;
    }
    // Counts up like an odometer, the axis before the last fastest.
    for (std::size_t axis = last; axis-- > 0;) {
      offset += view.strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= index[axis] * view.strides[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

v1::Tensor EncodeTensor(const core::TensorView& view, bool with_cluster_axis) {
  const core::TensorLayout& layout = view.layout;
  v1::Tensor tensor;
  tensor.set_data_type(ToProto(layout.dtype()));
  for (const std::int64_t length : layout.shape()) tensor.add_shape(length);
  tensor.set_unit_axis(static_cast<std::int32_t>(layout.unit_axis()));
  if (with_cluster_axis && layout.cluster_axis()) {
    tensor.set_cluster_axis(static_cast<std::int32_t>(*layout.cluster_axis()));
  }
  tensor.set_scale(view.scale);
  tensor.set_validity_mask(view.validity_mask.data(),
                           view.validity_mask.size());
  if (layout.element_count() == 0) return tensor;
  std::string& data = *tensor.mutable_data();
  data.resize(static_cast<std::size_t>(layout.byte_size()));
  if (view.is_dense) {
    std::memcpy(data.data(), view.data, data.size());
  } else {
    CopyStrided(view, data.data());
  }
  return tensor;
}

}  // namespace firekeeper::client
