#include "core/dense_walk.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "core/validity.h"

namespace firekeeper::core {
namespace {

std::int64_t LengthAfter(const TensorLayout& layout) {
  std::int64_t length = 1;
  for (std::size_t axis = layout.unit_axis() + 1; axis < layout.rank();
       ++axis) {
    length *= layout.shape()[axis];
  }
  return length;
}

Clusters ClustersOf(const TensorLayout& layout) {
  if (!layout.cluster_axis().has_value()) return Clusters::kNone;
  return layout.position_count() == 1 ? Clusters::kEntry : Clusters::kMarked;
}

}  // namespace

bool IsClusterSlowest(const TensorLayout& layout) {
  return layout.cluster_axis().value_or(0) == 0;
}

DenseWalk::DenseWalk(const TensorLayout& layout,
                     std::span<const std::byte> mask)
    : units_(layout.unit_count()),
      after_(LengthAfter(layout)),
      size_(static_cast<std::int64_t>(SizeOf(layout.dtype()))),
      clusters_(ClustersOf(layout)),
      mask_(mask) {
  assert(IsClusterSlowest(layout));
  cluster_elements_ =
      clusters_ == Clusters::kMarked ? units_ * layout.position_count() : 0;
}

void DenseWalk::Add(std::span<const std::byte> bytes,
                    UnitAccumulator& accumulator) {
  bytes_added_ += static_cast<std::int64_t>(bytes.size());
  const auto size = static_cast<std::size_t>(size_);
  if (cut_size_ > 0) {
    const std::size_t missing = std::min(size - cut_size_, bytes.size());
    std::copy_n(bytes.begin(), missing, cut_.begin() + cut_size_);
    cut_size_ += missing;
    bytes = bytes.subspan(missing);
    if (cut_size_ < size) return;
    cut_size_ = 0;
    AddElements(cut_.data(), 1, accumulator);
  }
  const std::size_t whole = bytes.size() / size;
  AddElements(bytes.data(), static_cast<std::int64_t>(whole), accumulator);
  const auto rest = bytes.subspan(whole * size);
  std::copy(rest.begin(), rest.end(), cut_.begin());
  cut_size_ = rest.size();
}

void DenseWalk::AddElements(const std::byte* data, std::int64_t count,
                            UnitAccumulator& accumulator) {
  if (after_ == 1) {
    AddRows(data, count, accumulator);
  } else {
    AddPlanes(data, count, accumulator);
  }
}

void DenseWalk::AddRows(const std::byte* data, std::int64_t count,
                        UnitAccumulator& accumulator) {
  while (count > 0) {
    const std::int64_t column = element_ % units_;
    std::int64_t done = 0;
    if (column == 0 && count >= units_) {
      done = AddBlock(data, count / units_, accumulator) * units_;
    } else {
      done = std::min(count, units_ - column);
      AddRowPart(data, done, accumulator);
    }
    Advance(done, accumulator);
    data += done * size_;
    count -= done;
  }
}

void DenseWalk::AddRowPart(const std::byte* data, std::int64_t count,
                           UnitAccumulator& accumulator) {
  if (!IsValid(mask_, element_ / units_)) return;
  accumulator.AddRows(element_ % units_, count, {&data, 1});
}

std::int64_t DenseWalk::AddBlock(const std::byte* data, std::int64_t row_limit,
                                 UnitAccumulator& accumulator) {
  const std::int64_t first_row = element_ / units_;
  if (cluster_elements_ > 0) {
    const std::int64_t rows = cluster_elements_ / units_;
    row_limit = std::min(row_limit, rows - first_row % rows);
  }
  std::array<const std::byte*, UnitAccumulator::kMaxRows> rows;
  std::size_t row_count = 0;
  std::int64_t row = 0;
  for (; row < row_limit && row_count < rows.size(); ++row) {
    if (!IsValid(mask_, first_row + row)) continue;
    rows[row_count++] = data + row * units_ * size_;
  }
  accumulator.AddRows(0, units_, {rows.data(), row_count});
  return row;
}

void DenseWalk::AddPlanes(const std::byte* data, std::int64_t count,
                          UnitAccumulator& accumulator) {
  while (count > 0) {
    const std::int64_t done = std::min(count, after_ - element_ % after_);
    AddPlanePart(data, done, accumulator);
    Advance(done, accumulator);
    data += done * size_;
    count -= done;
  }
}

void DenseWalk::AddPlanePart(const std::byte* data, std::int64_t count,
                             UnitAccumulator& accumulator) {
  const std::int64_t plane = element_ / after_;
  const Index unit = plane % units_;
  if (mask_.empty()) {
    accumulator.AddRun(unit, data, static_cast<std::size_t>(count));
    return;
  }
  const std::int64_t first_bit = plane / units_ * after_ + element_ % after_;
  for (std::int64_t begin = 0; begin < count;) {
    std::int64_t end = begin;
    while (end < count && IsValid(mask_, first_bit + end)) ++end;
    accumulator.AddRun(unit, data + begin * size_,
                       static_cast<std::size_t>(end - begin));
    begin = end + 1;
  }
}

void DenseWalk::Advance(std::int64_t count, UnitAccumulator& accumulator) {
  element_ += count;
  if (cluster_elements_ > 0 && element_ % cluster_elements_ == 0) {
    accumulator.EndCluster();
  }
}

}  // namespace firekeeper::core
