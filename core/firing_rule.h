// When a value counts as a firing: k of STATISTICS.md 1, per signal and
// activation.

#pragma once

#include <cstdint>
#include <limits>

#include "core/signal.h"

namespace firekeeper::core {

// |phi'(z)| at or below this counts as a closed gate of a smooth activation.
inline constexpr double kDefaultGateEpsilon = 1e-3;

// A value v fires if
//   kNonZero: v != 0
//   kBand:    low < v < high, and not hole_low <= v <= hole_high
//   kAlways:  every finite v
//   kNone:    the signal does not tell (GELU's output, for example); firings
//             are then not counted at all, which is not the same as zero.
// v is the true value, after scale. The hole is empty where
// hole_low > hole_high; it holds the point where the derivative of a
// non-monotone activation (GELU, SiLU, Mish, hard swish) crosses zero.
struct FiringRule {
  enum class Kind : std::uint8_t { kNone, kNonZero, kBand, kAlways };

  Kind kind = Kind::kNone;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  double hole_low = 1.0;
  double hole_high = -1.0;

  static constexpr FiringRule Positive() {
    return {.kind = Kind::kBand, .low = 0.0};
  }
  static constexpr FiringRule NonZero() { return {.kind = Kind::kNonZero}; }
  static constexpr FiringRule Always() { return {.kind = Kind::kAlways}; }
  static constexpr FiringRule None() { return {}; }

  [[nodiscard]] constexpr bool has_hole() const {
    return hole_low <= hole_high;
  }
  [[nodiscard]] constexpr bool counts() const { return kind != Kind::kNone; }
  // Requires: v is finite and counts().
  [[nodiscard]] constexpr bool Fires(double v) const {
    switch (kind) {
      case Kind::kNonZero:
        return v != 0.0;
      case Kind::kBand:
        return low < v && v < high && !(hole_low <= v && v <= hole_high);
      case Kind::kAlways:
        return true;
      case Kind::kNone:
        break;
    }
    return false;
  }

  friend bool operator==(const FiringRule&, const FiringRule&) = default;
};

// The rule for `signal` of a layer with `activation`. Gates of smooth kinds are
// open where |phi'(z)| > gate_epsilon; limits are solved numerically from the
// derivative, so that they hold for every gate_epsilon and alpha.
// Requires: 0 < gate_epsilon < 0.5.
[[nodiscard]] FiringRule FiringRuleFor(
    Signal signal, const ActivationSpec& activation,
    double gate_epsilon = kDefaultGateEpsilon);

// phi'(z), for the kinds that have one; 1 for experts and sparse latents. The
// subgradient at a kink is that of the left side.
[[nodiscard]] double Derivative(const ActivationSpec& activation, double z);

}  // namespace firekeeper::core
