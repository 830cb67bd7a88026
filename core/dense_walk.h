// Goes through a dense row-major tensor from its first byte to its last, in
// pieces cut anywhere, and hands what it finds to a UnitAccumulator.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor_view.h"
#include "core/unit_accumulator.h"

namespace firekeeper::core {

// Whether DenseWalk can go through it: there is no cluster axis, or it is the
// slowest axis.
[[nodiscard]] bool IsClusterSlowest(const TensorLayout& layout);

// Seen from its unit axis, a dense tensor is [before, units, after]: rows of
// units where `after` is 1, else planes, runs of `after` entries of one unit.
//
// Thread-compatible.
class DenseWalk {
 public:
  // Requires: IsClusterSlowest(layout); `mask` is empty or as long as the
  // layout asks for, and outlives the walk.
  DenseWalk(const TensorLayout& layout, std::span<const std::byte> mask);

  [[nodiscard]] Clusters clusters() const { return clusters_; }
  [[nodiscard]] std::int64_t bytes_added() const { return bytes_added_; }

  // The next bytes. Requires: they do not exceed the tensor; `accumulator` is
  // the same in every call.
  void Add(std::span<const std::byte> bytes, UnitAccumulator& accumulator);

 private:
  // Whole entries, from element_ on.
  void AddElements(const std::byte* data, std::int64_t count,
                   UnitAccumulator& accumulator);
  void AddRows(const std::byte* data, std::int64_t count,
               UnitAccumulator& accumulator);
  // Part of one row, up to its end at most.
  void AddRowPart(const std::byte* data, std::int64_t count,
                  UnitAccumulator& accumulator);
  void AddPlanes(const std::byte* data, std::int64_t count,
                 UnitAccumulator& accumulator);
  void AddPlanePart(const std::byte* data, std::int64_t count,
                    UnitAccumulator& accumulator);
  // Whole rows that the mask leaves, until the cluster or the buffer is full.
  std::int64_t AddBlock(const std::byte* data, std::int64_t row_limit,
                        UnitAccumulator& accumulator);
  // Goes on by `count` elements; ends the cluster if that was its last.
  void Advance(std::int64_t count, UnitAccumulator& accumulator);

  std::int64_t units_;
  std::int64_t after_;
  std::int64_t size_;              // bytes of one entry
  std::int64_t cluster_elements_;  // 0 unless clusters are marked
  Clusters clusters_;
  std::span<const std::byte> mask_;
  std::int64_t element_ = 0;  // the next one to add
  std::int64_t bytes_added_ = 0;
  // The first bytes of an entry that was cut.
  std::array<std::byte, 8> cut_{};
  std::size_t cut_size_ = 0;
};

}  // namespace firekeeper::core
