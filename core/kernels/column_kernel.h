// The kernel for memory in which the units lie side by side: rows of units.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/comparisons.h"
#include "core/kernels/unit_columns.h"
#include "core/tensor_view.h"

namespace firekeeper::core::kernels {

// Sums are in the precision of the dtype (binary32 for the short ones) for at
// most this many rows.
inline constexpr std::size_t kMaxRows = 256;

// Units that are reduced together: their sums stay in the first-level cache.
[[nodiscard]] constexpr std::size_t TileWidth(DataType dtype) {
  return dtype == DataType::kF64 ? 512 : 1024;
}

inline constexpr std::size_t kMaxTileWidth = 1024;

// Rows of a tile.
struct Tile {
  DataType dtype = DataType::kF32;
  // One to kMaxRows.
  std::span<const std::byte* const> rows;
  // Bytes from where a row's pointer points to the tile's first entry.
  std::size_t byte_offset = 0;
  std::size_t first_unit = 0;
  std::size_t width = 0;  // units; at most TileWidth()
  bool skip_zeros = false;
};

// Where a tile is worked on, reused from tile to tile. Aligned by itself.
class TileBuffer {
 public:
  TileBuffer();

  // A 64-byte aligned place of kBytes bytes.
  [[nodiscard]] std::byte* data();
  [[nodiscard]] std::size_t MemoryUsed() const { return bytes_.capacity(); }

  // Whether tiles are first taken to hold no negative value, as what a ReLU
  // puts out: a third of the work is then saved. One that does is done again,
  // and ends it for the tensor.
  [[nodiscard]] bool expects_non_negative() const {
    return expects_non_negative_;
  }
  void ExpectNonNegative(bool expects) { expects_non_negative_ = expects; }

  // Of one array of a tile, of the rows' last columns, and of all together.
  static constexpr std::size_t kArrayBytes = 4096 + 64;
  static constexpr std::size_t kArrays = 6 + kMaxLimits;
  static constexpr std::size_t kEdgeBytes = kMaxRows * 64;
  static constexpr std::size_t kBytes = kArrays * kArrayBytes + kEdgeBytes;

 private:
  std::vector<std::byte> bytes_;
  bool expects_non_negative_ = true;
};

// Adds a tile to `state`, but for the units that ReduceExactly() must do: an
// entry is not finite, a sum overflows, or the spread is lost in rounding.
// Writes the numbers of those within the tile to `left_out`, ascending, and
// returns how many there are. Requires: left_out has tile.width entries.
[[nodiscard]] std::size_t AddTile(const Tile& tile,
                                  const Comparisons& comparisons,
                                  UnitColumns& state, TileBuffer& buffer,
                                  std::span<std::uint32_t> left_out);

}  // namespace firekeeper::core::kernels
