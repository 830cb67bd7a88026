// One window of a signal as queries show it: units taken together.

#pragma once

#include <optional>

#include "core/signal_track.h"
#include "server/state/views.h"

namespace firekeeper::server {

// Requires: `tracked` is a window of `track`.
[[nodiscard]] SignalView ViewOf(
    core::Signal signal, core::Phase phase, const core::SignalTrack& track,
    const core::SignalTrack::TrackedWindow& tracked);

// The newest closed window, or the newest open one where none is closed; empty
// without windows.
[[nodiscard]] std::optional<SignalView> NewestView(
    core::Signal signal, core::Phase phase, const core::SignalTrack& track);

}  // namespace firekeeper::server
