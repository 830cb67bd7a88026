// One count for every unit, stored once where all units agree.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <utility>
#include <vector>

namespace firekeeper::core {

using Index = Eigen::Index;
using CountArray = Eigen::Array<std::uint64_t, Eigen::Dynamic, 1>;
using StepArray = Eigen::Array<std::int64_t, Eigen::Dynamic, 1>;

// Observations and clusters are the same for nearly all units of a layer, so a
// uniform value with exceptions costs bytes where an array costs megabytes.
// Counts are exact; sums wrap at 2^64, which no run reaches.
//
// Thread-compatible.
class UnitCounts {
 public:
  // `uniform` for every one of `unit_count` units. Requires: unit_count >= 0.
  explicit UnitCounts(Index unit_count = 0, std::uint64_t uniform = 0)
      : unit_count_(unit_count), uniform_(uniform) {}
  // One value a unit; stored as uniform where all are equal.
  static UnitCounts FromArray(CountArray values);

  [[nodiscard]] Index unit_count() const { return unit_count_; }
  [[nodiscard]] bool is_uniform() const { return values_.size() == 0; }
  // Whether all units agree, in whichever form.
  [[nodiscard]] bool AllEqual() const {
    return is_uniform() || (values_ == values_[0]).all();
  }
  // Requires: 0 <= unit < unit_count().
  [[nodiscard]] std::uint64_t operator[](Index unit) const {
    return is_uniform() ? uniform_ : values_[unit];
  }
  [[nodiscard]] std::uint64_t Max() const;
  [[nodiscard]] std::uint64_t Sum() const;
  [[nodiscard]] CountArray ToArray() const;

  void AddUniform(std::uint64_t count);
  // Adds other[i] to unit offset + i.
  // Requires: 0 <= offset, offset + other.unit_count() <= unit_count().
  void AddAt(Index offset, const UnitCounts& other);
  // Goes back to the uniform form where all values are equal.
  void Compact();

  // Compares values, not forms.
  friend bool operator==(const UnitCounts& a, const UnitCounts& b);

 private:
  Index unit_count_;
  std::uint64_t uniform_;  // meaningful while values_ is empty
  CountArray values_;      // empty, or unit_count_ long
};

}  // namespace firekeeper::core
