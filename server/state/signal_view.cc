#include "server/state/signal_view.h"

namespace firekeeper::server {

SignalView ViewOf(core::Signal signal, core::Phase phase,
                  const core::SignalTrack& track,
                  const core::SignalTrack::TrackedWindow& tracked) {
  return {.signal = signal,
          .phase = phase,
          .open = tracked.open,
          .revision = tracked.revision,
          .digest = core::SignalTrack::DigestOf(tracked),
          .coverage = track.CoverageOf(tracked)};
}

std::optional<SignalView> NewestView(core::Signal signal, core::Phase phase,
                                     const core::SignalTrack& track) {
  const core::SignalTrack::TrackedWindow* newest = nullptr;
  for (const auto& [first, tracked] : track.windows()) {
    if (newest == nullptr || newest->open || !tracked.open) newest = &tracked;
  }
  if (newest == nullptr) return std::nullopt;
  return ViewOf(signal, phase, track, *newest);
}

}  // namespace firekeeper::server
