// What the shape of an activation allows: where it can saturate, and what
// makes a unit of it linear.

#pragma once

#include <cstdint>

#include "core/signal.h"

namespace firekeeper::core {

// Where the gate of a kind can close without the unit being plainly off. The
// ReLU family closes at z <= 0, which is silence, not saturation.
enum class SaturationRange : std::uint8_t { kNone, kHigh, kBoth };

[[nodiscard]] SaturationRange SaturationRangeOf(Activation kind);

// When a unit is an affine function of its input on what was observed
// (STATISTICS.md 3, LINEARISED). Smooth kinds never are.
enum class LinearRule : std::uint8_t {
  kNever,
  kGateOpen,     // the gate was open on every observation
  kGateOpenSix,  // the same, and no value reached 6 (ReLU6's ACTIVATION)
  kOneSign,      // always positive, or never (kinds with two slopes)
};

[[nodiscard]] LinearRule LinearRuleFor(Signal signal, Activation kind);

}  // namespace firekeeper::core
