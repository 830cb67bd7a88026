// The kernel for memory in which the entries of one unit lie side by side.

#pragma once

#include <cstddef>
#include <string_view>

#include "core/kernels/piece.h"
#include "core/tensor_view.h"

namespace firekeeper::core::kernels {

// Most entries in one call: sums are in the precision of the dtype (binary32
// for the short ones) until the call returns.
inline constexpr std::size_t kMaxRun = 4096;

// Fills `piece` from `count` entries at `data`. False, and `piece` unspecified,
// where ReduceExactly() must do it: an entry is not finite, a sum overflows,
// or the spread is lost in rounding. Requires: 0 < count <= kMaxRun.
[[nodiscard]] bool ReduceRun(DataType dtype, const std::byte* data,
                             std::size_t count, const Comparisons& comparisons,
                             bool skip_zeros, Piece& piece);

// The instruction set in use.
[[nodiscard]] std::string_view Target();

}  // namespace firekeeper::core::kernels
