// The entries of a tensor that stand for the distribution of all: an even
// choice that depends on nothing but the number of entries, so that every
// sender, every cut into chunks and every order in memory chooses the same.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/quantile_sketch.h"
#include "core/tensor_view.h"

namespace firekeeper::core {

// Of `element_count` entries in row-major order, how many are chosen: all up to
// 256, then one of 1,024, no fewer than 256 and no more than 1,024.
[[nodiscard]] std::int64_t SampleSize(std::int64_t element_count);

// Index of the pick-th chosen entry, ascending: the entries are cut into
// `sample_size` equal stretches, in each of which the golden ratio chooses one,
// so that no axis of any length is in step with the choice.
// Requires: 0 <= pick < sample_size <= element_count.
[[nodiscard]] std::int64_t SampledEntry(std::int64_t pick,
                                        std::int64_t sample_size,
                                        std::int64_t element_count);

// Thread-compatible.
class ValueSample {
 public:
  // Drops what was there. `mask` and what it points to outlive the sample.
  // Requires: CheckMaskAndScale() accepts them.
  void Begin(const TensorLayout& layout, std::span<const std::byte> mask,
             double scale);
  // The next bytes of a dense row-major tensor. Requires: they do not exceed
  // it.
  void Add(std::span<const std::byte> bytes);
  // All of a tensor, whatever its strides. Requires: Begin() got its layout.
  void Take(const TensorView& view);
  // Chosen values that are valid and finite; zeros only if `zeros_count`.
  [[nodiscard]] QuantileSketch Finish(bool zeros_count) const;

  [[nodiscard]] std::size_t MemoryUsed() const {
    return values_.capacity() * sizeof(double);
  }

 private:
  void Keep(const std::byte* entry);
  void Choose();
  [[nodiscard]] std::int64_t ByteOf(std::int64_t entry) const {
    return entry * static_cast<std::int64_t>(SizeOf(dtype_));
  }

  DataType dtype_ = DataType::kF32;
  std::int64_t element_count_ = 0;
  std::int64_t unit_count_ = 1;
  std::int64_t after_ = 1;  // entries of one unit that lie side by side
  std::span<const std::byte> mask_;
  double scale_ = 1.0;
  std::int64_t size_ = 0;   // of the sample
  std::int64_t pick_ = 0;   // the next one
  std::int64_t entry_ = 0;  // its index
  std::int64_t bytes_added_ = 0;
  // The first bytes of the next one, if it was cut.
  std::array<std::byte, 8> cut_{};
  std::size_t cut_size_ = 0;
  std::vector<double> values_;
};

}  // namespace firekeeper::core
