#include "core/quantile_sketch.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace firekeeper::core {
namespace {

// log(1.01 / 0.99)
constexpr double kLogGamma = 0.020000666706669435;

// Within kRelativeAccuracy of everything in the bucket.
double ValueOf(std::int32_t bucket) {
  return QuantileSketch::UpperBound(bucket) *
         (2.0 / (1.0 + QuantileSketch::kGamma));
}

// The bucket of the value of this rank, lowest buckets first.
std::int32_t BucketAt(const SketchBuckets& buckets, std::uint64_t rank) {
  std::int32_t bucket = buckets.first();
  for (const std::uint64_t count : buckets.counts()) {
    if (rank < count) break;
    rank -= count;
    ++bucket;
  }
  return bucket;
}

}  // namespace

void SketchBuckets::Add(std::int32_t bucket, std::uint64_t count) {
  assert(bucket >= QuantileSketch::kMinBucket &&
         bucket <= QuantileSketch::kMaxBucket);
  if (count == 0) return;
  const std::int32_t place = Cover(bucket) - first_;
  counts_[static_cast<std::size_t>(place)] += count;
}

std::int32_t SketchBuckets::Cover(std::int32_t bucket) {
  constexpr auto kMost = static_cast<std::int32_t>(kMaxBuckets);
  if (counts_.empty()) {
    first_ = bucket;
    counts_.assign(1, 0);
    return bucket;
  }
  const std::int32_t last =
      first_ + static_cast<std::int32_t>(counts_.size()) - 1;
  const std::int32_t lowest = std::max(bucket, last) - kMost + 1;
  if (first_ < lowest) {
    const auto end =
        counts_.begin() +
        std::min<std::ptrdiff_t>(lowest - first_, std::ssize(counts_));
    const std::uint64_t low =
        std::accumulate(counts_.begin(), end, std::uint64_t{0});
    counts_.erase(counts_.begin(), end);
    if (counts_.empty()) counts_.assign(1, 0);
    counts_.front() += low;
    first_ = lowest;
  }
  bucket = std::max(bucket, lowest);
  const std::int32_t end = first_ + static_cast<std::int32_t>(counts_.size());
  counts_.reserve(CapacityFor(static_cast<std::size_t>(
      std::max(bucket + 1, end) - std::min(bucket, first_))));
  if (bucket < first_) {
    counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - bucket),
                   0);
    first_ = bucket;
  }
  const auto needed = static_cast<std::size_t>(bucket - first_) + 1;
  if (counts_.size() < needed) counts_.resize(needed);
  return bucket;
}

void SketchBuckets::Add(std::int32_t first,
                        std::span<const std::uint64_t> counts) {
  const auto is_used = [](std::uint64_t count) { return count != 0; };
  const auto begin = std::find_if(counts.begin(), counts.end(), is_used);
  if (begin == counts.end()) return;
  const auto end = std::find_if(counts.rbegin(), counts.rend(), is_used).base();
  // The ends first, the highest before all: nothing is moved in between.
  const auto bucket_at = [&](auto place) {
    return first + static_cast<std::int32_t>(place - counts.begin());
  };
  Cover(bucket_at(end - 1));
  Cover(bucket_at(begin));
  for (auto place = begin; place != end; ++place) {
    Add(bucket_at(place), *place);
  }
}

std::uint64_t SketchBuckets::Total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::int32_t QuantileSketch::BucketOf(double value) {
  return static_cast<std::int32_t>(
      std::ceil(std::log(std::abs(value)) / kLogGamma));
}

double QuantileSketch::UpperBound(std::int32_t bucket) {
  return std::min(std::exp(bucket * kLogGamma),
                  std::numeric_limits<double>::max());
}

void QuantileSketch::Add(double value) {
  assert(std::isfinite(value));
  if (value == 0.0) {
    ++zeros_;
    return;
  }
  (value > 0.0 ? positive_ : negative_).Add(BucketOf(value), 1);
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  zeros_ += other.zeros_;
  negative_.Merge(other.negative_);
  positive_.Merge(other.positive_);
}

std::uint64_t QuantileSketch::Total() const {
  return zeros_ + negative_.Total() + positive_.Total();
}

bool QuantileSketch::empty() const {
  return zeros_ == 0 && negative_.empty() && positive_.empty();
}

std::optional<double> QuantileSketch::Quantile(double q) const {
  assert(q >= 0.0 && q <= 1.0);
  const std::uint64_t total = Total();
  if (total == 0) return std::nullopt;
  auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total - 1));
  const std::uint64_t below = negative_.Total();
  if (rank < below) return -ValueOf(BucketAt(negative_, below - 1 - rank));
  rank -= below;
  if (rank < zeros_) return 0.0;
  return ValueOf(BucketAt(positive_, rank - zeros_));
}

}  // namespace firekeeper::core
