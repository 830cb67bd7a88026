// A mergeable sketch of a distribution: counts in buckets of equal relative
// width (DDSketch; Masson, Rim, Lee, PVLDB 12, 2019, with its collapsing
// store). Quantiles are within 1 % of the value, relative. Merging only adds
// counts, so any split and any order of the same values give the same sketch,
// bit for bit.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace firekeeper::core {

// Counts of consecutive buckets of values of one sign: bucket i holds the |x|
// with kGamma^(i-1) < |x| <= kGamma^i. At most kMaxBuckets; what lies below
// them is counted in the lowest, so that the largest values keep their place.
//
// Thread-compatible.
class SketchBuckets {
 public:
  static constexpr std::size_t kMaxBuckets = 2048;

  // Requires: kMinBucket <= bucket <= kMaxBucket (quantile_sketch.h).
  void Add(std::int32_t bucket, std::uint64_t count);
  // Of consecutive buckets from `first` on. Requires: as Add(), of all of them.
  void Add(std::int32_t first, std::span<const std::uint64_t> counts);
  void Merge(const SketchBuckets& other) { Add(other.first_, other.counts_); }

  [[nodiscard]] bool empty() const { return counts_.empty(); }
  // Of the first count. Requires: not empty.
  [[nodiscard]] std::int32_t first() const { return first_; }
  // The first and the last are not 0.
  [[nodiscard]] std::span<const std::uint64_t> counts() const {
    return counts_;
  }
  [[nodiscard]] std::uint64_t Total() const;
  // Bytes that the counts may take: told by how many they are alone, so that
  // what a copy or a row brought back is charged as before.
  [[nodiscard]] std::size_t MemoryUsed() const {
    return CapacityFor(counts_.size()) * sizeof(std::uint64_t);
  }

  friend bool operator==(const SketchBuckets&, const SketchBuckets&) = default;

 private:
  // Makes room for `bucket`, and moves what is then too low. Returns the bucket
  // that stands for it.
  std::int32_t Cover(std::int32_t bucket);
  // Room that is made for so many counts. Requires: size <= kMaxBuckets.
  static std::size_t CapacityFor(std::size_t size) {
    return size == 0 ? 0 : std::bit_ceil(size);
  }

  std::int32_t first_ = 0;
  std::vector<std::uint64_t> counts_;
};

// Thread-compatible. The default value is the identity of Merge().
class QuantileSketch {
 public:
  static constexpr double kRelativeAccuracy = 0.01;
  static constexpr double kGamma =
      (1.0 + kRelativeAccuracy) / (1.0 - kRelativeAccuracy);
  // Of the smallest and the largest double.
  static constexpr std::int32_t kMinBucket = -37'220;
  static constexpr std::int32_t kMaxBucket = 35'488;
  // Bytes that the buckets of a sketch take at most.
  static constexpr std::size_t kMaxBytes =
      2 * SketchBuckets::kMaxBuckets * sizeof(std::uint64_t);

  // Requires: |value| is finite and not 0.
  [[nodiscard]] static std::int32_t BucketOf(double value);
  // kGamma^bucket, the largest |value| of the bucket; finite.
  [[nodiscard]] static double UpperBound(std::int32_t bucket);

  // Requires: value is finite.
  void Add(double value);
  void AddZeros(std::uint64_t count) { zeros_ += count; }
  void Merge(const QuantileSketch& other);

  [[nodiscard]] std::uint64_t zeros() const { return zeros_; }
  [[nodiscard]] const SketchBuckets& negative() const { return negative_; }
  [[nodiscard]] const SketchBuckets& positive() const { return positive_; }
  [[nodiscard]] SketchBuckets& negative() { return negative_; }
  [[nodiscard]] SketchBuckets& positive() { return positive_; }
  [[nodiscard]] std::uint64_t Total() const;
  [[nodiscard]] bool empty() const;
  // The value of rank floor(q (n - 1)) of all n in ascending order, within
  // kRelativeAccuracy; empty without values. Requires: 0 <= q <= 1.
  [[nodiscard]] std::optional<double> Quantile(double q) const;

  // Bytes that the buckets take.
  [[nodiscard]] std::size_t MemoryUsed() const {
    return negative_.MemoryUsed() + positive_.MemoryUsed();
  }

  friend bool operator==(const QuantileSketch&,
                         const QuantileSketch&) = default;

 private:
  std::uint64_t zeros_ = 0;
  SketchBuckets negative_;
  SketchBuckets positive_;
};

}  // namespace firekeeper::core
