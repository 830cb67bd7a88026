#include "core/silence_timeline.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace firekeeper::core {
namespace {

bool Suffices(const Silence& silence, const Silence& needed) {
  return silence.observations >= needed.observations &&
         silence.clusters >= needed.clusters;
}

}  // namespace

Demands::Demands(std::span<const WindowEvidence> windows,
                 std::uint64_t run_units, const CertificateSettings& settings)
    : settings_(settings) {
  trials_.reserve(windows.size());
  Silence trials;
  for (const WindowEvidence& window : windows) {
    trials.observations += window.observations.Max();
    trials.clusters += window.clusters.Max();
    trials_.push_back(trials);
  }
  totals_.tracked_units = TrackedUnits(run_units);
  totals_.observations = RoundUpToPowerOfTwo(trials.observations);
  totals_.clusters = RoundUpToPowerOfTwo(trials.clusters);
  totals_.observations_needed = SilenceNeeded(
      settings.p0, settings.alpha, totals_.tracked_units, totals_.observations);
  totals_.clusters_needed = SilenceNeeded(
      settings.pc0, settings.alpha, totals_.tracked_units, totals_.clusters);
}

const std::vector<Silence>& Demands::At(int level) {
  auto& needed = needed_.at(static_cast<std::size_t>(level));
  if (needed) return *needed;
  needed.emplace();
  needed->reserve(trials_.size());
  const CertificateSettings divided = Divided(settings_, level);
  Silence rounded;
  for (const Silence& trials : trials_) {
    const Silence now{.observations = RoundUpToPowerOfTwo(trials.observations),
                      .clusters = RoundUpToPowerOfTwo(trials.clusters)};
    // The demand changes with the doublings only.
    if (needed->empty() || now.observations != rounded.observations ||
        now.clusters != rounded.clusters) {
      needed->push_back(
          {.observations =
               SilenceNeeded(divided.p0, divided.alpha, totals_.tracked_units,
                             now.observations),
           .clusters = SilenceNeeded(divided.pc0, divided.alpha,
                                     totals_.tracked_units, now.clusters)});
      rounded = now;
    } else {
      needed->push_back(needed->back());
    }
  }
  return *needed;
}

SilenceTimeline::SilenceTimeline(std::span<const WindowEvidence> windows,
                                 const SilenceGroup& group,
                                 const std::vector<Silence>& needed)
    : before_(windows.size() + 1),
      completed_(windows.size()),
      certified_(windows.size()) {
  assert(windows.size() == needed.size());
  const std::size_t count = windows.size();
  const Index unit = group.units.front();
  for (std::size_t i = 0; i < count; ++i) {
    before_[i + 1] = {before_[i].observations + windows[i].observations[unit],
                      before_[i].clusters + windows[i].clusters[unit]};
  }
  // A later start has less silence at every window, so its certificate never
  // completes earlier: one walk serves all starts.
  std::size_t window = 0;
  for (std::size_t start = 0; start < count; ++start) {
    window = std::max(window, start);
    while (window < count &&
           !Suffices(Between(start, window + 1), needed[window])) {
      ++window;
    }
    completed_[start] = window;
  }
  auto incomplete = group.incomplete.rbegin();
  std::size_t next = count;  // the first incomplete window from `start` on
  for (std::size_t start = count; start-- > 0;) {
    if (incomplete != group.incomplete.rend() && *incomplete == start) {
      next = *incomplete++;
    }
    certified_[start] = completed_[start] < next ? completed_[start]
                        : next + 1 < count       ? certified_[next + 1]
                                                 : count;
  }
}

Silence SilenceTimeline::Between(std::size_t start, std::size_t end) const {
  return {before_[end].observations - before_[start].observations,
          before_[end].clusters - before_[start].clusters};
}

std::optional<std::size_t> SilenceTimeline::CompletedBy(
    std::size_t start) const {
  if (start >= completed_.size() || completed_[start] == completed_.size()) {
    return std::nullopt;
  }
  return completed_[start];
}

std::size_t SilenceTimeline::CertifiedBy(std::size_t start) const {
  return start < certified_.size() ? certified_[start] : certified_.size();
}

const SilenceTimeline& GroupTimelines::At(int level) {
  auto& timeline = timelines_.at(static_cast<std::size_t>(level));
  if (!timeline) timeline.emplace(windows_, group_, demands_.At(level));
  return *timeline;
}

}  // namespace firekeeper::core
