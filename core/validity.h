// The validity mask of a tensor: one bit for each (cluster, position), least
// significant bit first.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "core/tensor_view.h"

namespace firekeeper::core {

// Fails with kInvalidArgument, naming the argument, if the mask has another
// length than the layout asks for or the scale is not finite and positive.
absl::Status CheckMaskAndScale(const TensorLayout& layout,
                               std::span<const std::byte> mask, double scale);

// Requires: 0 <= bit < 8 * mask.size(), or mask is empty (all are valid).
[[nodiscard]] inline bool IsValid(std::span<const std::byte> mask,
                                  std::int64_t bit) {
  if (mask.empty()) return true;
  const auto index = static_cast<std::size_t>(bit);
  return ((std::to_integer<unsigned>(mask[index / 8]) >> (index % 8)) & 1U) !=
         0;
}

}  // namespace firekeeper::core
