#include "core/unit_counts.h"

#include <cassert>

namespace firekeeper::core {

UnitCounts UnitCounts::FromArray(CountArray values) {
  UnitCounts counts(values.size());
  counts.values_ = std::move(values);
  counts.Compact();
  return counts;
}

std::uint64_t UnitCounts::Max() const {
  if (unit_count_ == 0) return 0;
  return is_uniform() ? uniform_ : values_.maxCoeff();
}

std::uint64_t UnitCounts::Sum() const {
  if (is_uniform()) return uniform_ * static_cast<std::uint64_t>(unit_count_);
  return values_.sum();
}

CountArray UnitCounts::ToArray() const {
  if (is_uniform()) return CountArray::Constant(unit_count_, uniform_);
  return values_;
}

void UnitCounts::AddUniform(std::uint64_t count) {
  if (is_uniform()) {
    uniform_ += count;
  } else {
    values_ += count;
  }
}

void UnitCounts::AddAt(Index offset, const UnitCounts& other) {
  assert(offset >= 0);
  assert(offset + other.unit_count_ <= unit_count_);
  if (other.unit_count_ == 0) return;
  const bool covers_all = other.unit_count_ == unit_count_;
  if (other.is_uniform() && (covers_all || other.uniform_ == 0)) {
    AddUniform(other.uniform_);
    return;
  }
  if (is_uniform()) values_ = CountArray::Constant(unit_count_, uniform_);
  auto range = values_.segment(offset, other.unit_count_);
  if (other.is_uniform()) {
    range += other.uniform_;
  } else {
    range += other.values_;
  }
}

void UnitCounts::Compact() {
  if (is_uniform() || !AllEqual()) return;
  uniform_ = values_[0];
  values_.resize(0);
}

bool operator==(const UnitCounts& a, const UnitCounts& b) {
  if (a.unit_count_ != b.unit_count_) return false;
  if (a.unit_count_ == 0) return true;
  if (a.is_uniform() && b.is_uniform()) return a.uniform_ == b.uniform_;
  if (a.is_uniform()) return (b.values_ == a.uniform_).all();
  if (b.is_uniform()) return (a.values_ == b.uniform_).all();
  return (a.values_ == b.values_).all();
}

}  // namespace firekeeper::core
