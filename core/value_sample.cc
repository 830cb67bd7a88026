#include "core/value_sample.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "core/stored_value.h"
#include "core/validity.h"

namespace firekeeper::core {
namespace {

constexpr std::int64_t kSmallSample = 256;
constexpr std::int64_t kLargeSample = 1024;
constexpr std::int64_t kEntriesPerPick = 1024;

}  // namespace

std::int64_t SampleSize(std::int64_t element_count) {
  return std::min(element_count, std::clamp(element_count / kEntriesPerPick,
                                            kSmallSample, kLargeSample));
}

std::int64_t SampledEntry(std::int64_t pick, std::int64_t sample_size,
                          std::int64_t element_count) {
  assert(pick >= 0 && pick < sample_size && sample_size <= element_count);
  // 2^32 over the golden ratio.
  constexpr std::uint32_t kGoldenStep = 0x9E3779B9U;
  const auto begin_of = [=](std::int64_t stretch) {
    return stretch * (element_count / sample_size) +
           stretch * (element_count % sample_size) / sample_size;
  };
  const std::int64_t begin = begin_of(pick);
  const std::int64_t length = begin_of(pick + 1) - begin;
  const std::uint32_t turned = static_cast<std::uint32_t>(pick) * kGoldenStep;
  const std::uint64_t part = turned;
  // length * part / 2^32, in halves because the product may not fit.
  const auto size = static_cast<std::uint64_t>(length);
  return begin +
         static_cast<std::int64_t>((size >> 32U) * part +
                                   (((size & 0xFFFFFFFFU) * part) >> 32U));
}

void ValueSample::Begin(const TensorLayout& layout,
                        std::span<const std::byte> mask, double scale) {
  dtype_ = layout.dtype();
  element_count_ = layout.element_count();
  unit_count_ = layout.unit_count();
  const auto after = layout.shape().subspan(layout.unit_axis() + 1);
  after_ = std::accumulate(after.begin(), after.end(), std::int64_t{1},
                           std::multiplies<>());
  mask_ = mask;
  scale_ = scale;
  size_ = SampleSize(element_count_);
  pick_ = 0;
  bytes_added_ = 0;
  cut_size_ = 0;
  values_.clear();
  values_.reserve(static_cast<std::size_t>(size_));
  Choose();
}

void ValueSample::Choose() {
  entry_ = pick_ < size_ ? SampledEntry(pick_, size_, element_count_)
                         : element_count_;
}

void ValueSample::Add(std::span<const std::byte> bytes) {
  const auto entry_size = SizeOf(dtype_);
  const std::int64_t end =
      bytes_added_ + static_cast<std::int64_t>(bytes.size());
  while (pick_ < size_) {
    const std::int64_t missing =
        ByteOf(entry_) + static_cast<std::int64_t>(cut_size_);
    if (missing >= end) break;
    const auto from = static_cast<std::size_t>(missing - bytes_added_);
    const std::size_t part =
        std::min(entry_size - cut_size_, bytes.size() - from);
    std::memcpy(cut_.data() + cut_size_, bytes.data() + from, part);
    cut_size_ += part;
    if (cut_size_ < entry_size) break;
    Keep(cut_.data());
    cut_size_ = 0;
  }
  bytes_added_ = end;
}

void ValueSample::Take(const TensorView& view) {
  const TensorLayout& layout = view.layout;
  if (view.is_dense) {
    return Add({view.data, static_cast<std::size_t>(layout.byte_size())});
  }
  while (pick_ < size_) {
    std::int64_t rest = entry_;
    std::int64_t offset = 0;
    for (std::size_t axis = layout.rank(); axis-- > 0;) {
      const std::int64_t length = layout.shape()[axis];
      offset += rest % length * view.strides[axis];
      rest /= length;
    }
    Keep(view.data + offset);
  }
}

void ValueSample::Keep(const std::byte* entry) {
  const std::int64_t row =
      entry_ / (unit_count_ * after_) * after_ + entry_ % after_;
  const double stored = LoadStored(dtype_, entry);
  if (std::isfinite(stored) && IsValid(mask_, row)) values_.push_back(stored);
  ++pick_;
  Choose();
}

QuantileSketch ValueSample::Finish(bool zeros_count) const {
  QuantileSketch sketch;
  for (const double stored : values_) {
    if (stored == 0.0 && !zeros_count) continue;
    const double value = stored * scale_;
    // A product may overflow; it is then in the highest bucket.
    sketch.Add(std::clamp(value, std::numeric_limits<double>::lowest(),
                          std::numeric_limits<double>::max()));
  }
  return sketch;
}

}  // namespace firekeeper::core
