// How the values of a signal are distributed, from the sketch of a window.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "server/state/layer_state.h"

namespace firekeeper::server {
namespace {

using core::QuantileSketch;
using core::SketchBuckets;

constexpr std::array kLevels = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

using TrackedWindow = core::SignalTrack::TrackedWindow;

// Null where no window has a sketch.
const TrackedWindow* NewestWithSketch(const core::SignalTrack& track) {
  const TrackedWindow* newest = nullptr;
  for (const auto& [first, tracked] : track.windows()) {
    if (tracked.window.sketch().empty()) continue;
    // In order of their steps: a closed one takes the place of any, an open one
    // only that of an open one.
    if (newest == nullptr || !tracked.open || newest->open) newest = &tracked;
  }
  return newest;
}

// A group is `width` buckets, counted from the first of all: it begins at the
// same bound whatever the sketch holds.
std::int32_t GroupOf(std::int32_t bucket, std::int32_t width) {
  return (bucket - QuantileSketch::kMinBucket) / width;
}

// The largest |value| before the group.
double LowerBound(std::int32_t group, std::int32_t width) {
  return QuantileSketch::UpperBound(QuantileSketch::kMinBucket - 1 +
                                    group * width);
}

std::int64_t GroupCount(const SketchBuckets& buckets, std::int32_t width) {
  if (buckets.empty()) return 0;
  const auto size = static_cast<std::int32_t>(buckets.counts().size());
  return GroupOf(buckets.first() + size - 1, width) -
         GroupOf(buckets.first(), width) + 1;
}

// Buckets to a bin, so that both signs together make at most `max_bins`.
std::int32_t WidthFor(const QuantileSketch& sketch, std::size_t max_bins) {
  std::int32_t width = 1;
  while (GroupCount(sketch.negative(), width) +
             GroupCount(sketch.positive(), width) >
         static_cast<std::int64_t>(max_bins)) {
    ++width;
  }
  return width;
}

// By |value|, ascending.
std::vector<ValueBin> BinsOf(const SketchBuckets& buckets, std::int32_t width) {
  std::vector<ValueBin> bins;
  // Not by their bounds: near the ends of the range of doubles these are equal.
  std::int32_t last = -1;
  for (std::size_t i = 0; i < buckets.counts().size(); ++i) {
    if (buckets.counts()[i] == 0) continue;
    const std::int32_t group =
        GroupOf(buckets.first() + static_cast<std::int32_t>(i), width);
    if (group != last) {
      bins.push_back({.lower = LowerBound(group, width),
                      .upper = LowerBound(group + 1, width)});
      last = group;
    }
    bins.back().values += buckets.counts()[i];
  }
  return bins;
}

void Fill(const QuantileSketch& sketch, std::size_t max_bins,
          DistributionView* view) {
  const std::int32_t width = WidthFor(sketch, max_bins);
  view->bins = BinsOf(sketch.negative(), width);
  std::reverse(view->bins.begin(), view->bins.end());
  for (ValueBin& bin : view->bins) {
    const double lower = bin.lower;
    bin.lower = -bin.upper;
    bin.upper = -lower;
  }
  const std::vector<ValueBin> positive = BinsOf(sketch.positive(), width);
  view->bins.insert(view->bins.end(), positive.begin(), positive.end());
  view->values = sketch.Total();
  view->zero_values = sketch.zeros();
  for (const double level : kLevels) {
    if (const auto value = sketch.Quantile(level)) {
      view->quantiles.emplace_back(level, *value);
    }
  }
}

}  // namespace

DistributionView LayerState::Distribution(TrackKey key,
                                          std::size_t max_bins) const {
  DistributionView view;
  QuantileSketch sketch;
  {
    const absl::MutexLock lock(&mutex_);
    const core::SignalTrack* const track = FindTrack(key);
    const TrackedWindow* const tracked =
        track == nullptr ? nullptr : NewestWithSketch(*track);
    if (tracked == nullptr) return view;
    view.steps = tracked->window.steps();
    view.open = tracked->open;
    view.observations = tracked->window.merged().observations.Sum();
    sketch = tracked->window.sketch();
  }
  Fill(sketch, max_bins, &view);
  return view;
}

}  // namespace firekeeper::server
