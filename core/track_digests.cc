// What a track remembers of its windows with the units taken together.

#include <map>

#include "core/signal_track.h"

namespace firekeeper::core {

const SignalDigest& SignalTrack::DigestOf(const TrackedWindow& tracked) {
  if (!tracked.digest) {
    const UnitSummary& merged = tracked.window.merged();
    tracked.digest = core::DigestOf(
        merged, tracked.window.steps(),
        merged.columns.clusters ? tracked.window.Clusters().Max() : 0);
  }
  return *tracked.digest;
}

std::vector<SignalDigest> SignalTrack::Digests() const {
  std::map<std::int64_t, SignalDigest> all;
  for (auto& [first, digest] : digests_.Values()) all.emplace(first, digest);
  for (const auto& [first, tracked] : windows_) {
    all.emplace(first, DigestOf(tracked));
  }
  std::vector<SignalDigest> digests;
  digests.reserve(all.size());
  for (const auto& [first, digest] : all) digests.push_back(digest);
  return digests;
}

}  // namespace firekeeper::core
