// A core::TensorView in the protocol's form.

#pragma once

#include "core/tensor_view.h"
#include "firekeeper/v1/tensor.pb.h"

namespace firekeeper::client {

// Copies the tensor whole, row-major and dense, whatever its strides.
// `with_cluster_axis` false: no cluster is known. Requires: view is valid.
[[nodiscard]] v1::Tensor EncodeTensor(const core::TensorView& view,
                                      bool with_cluster_axis);

}  // namespace firekeeper::client
