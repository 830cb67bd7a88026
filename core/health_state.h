// What a unit can be called, and which of it comes first where several hold.
// Values equal those of firekeeper.v1.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace firekeeper::core {

enum class HealthState : std::uint8_t {
  kUnobserved = 1,
  kUnknown = 2,
  kSilent = 3,
  kDead = 4,
  kAlive = 5,
  kNonFinite = 6,
  kDeadOnSet = 7,
  kBornDead = 8,
  kDying = 9,
  kRare = 10,
  kDormant = 11,
  kSaturated = 12,
  kLinearised = 13,
  kConstant = 14,
  kGradientStarved = 15,
};

// Arrays indexed by HealthState have this many entries; 0 is none of them.
inline constexpr std::size_t kHealthStateCount = 16;

// "unobserved", "dead", "gradient_starved" and so on.
[[nodiscard]] const char* Name(HealthState state);

// The states that hold of one unit. A value.
class StateSet {
 public:
  constexpr StateSet() = default;
  constexpr StateSet(std::initializer_list<HealthState> states) {
    for (const HealthState state : states) Add(state);
  }

  constexpr void Add(HealthState state) { bits_ |= Bit(state); }
  constexpr void Remove(HealthState state) {
    bits_ &= static_cast<std::uint16_t>(~Bit(state));
  }
  [[nodiscard]] constexpr bool Has(HealthState state) const {
    return (bits_ & Bit(state)) != 0;
  }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  // The first that holds of NON_FINITE, UNOBSERVED, BORN_DEAD, DEAD,
  // DEAD_ON_SET, UNKNOWN, SILENT, GRADIENT_STARVED, SATURATED, DYING,
  // LINEARISED, CONSTANT, DORMANT, RARE, ALIVE. For a unit that does not fire
  // the second half says nothing new, so its silence comes first.
  // Requires: !empty().
  [[nodiscard]] HealthState Primary() const;

  friend constexpr bool operator==(StateSet, StateSet) = default;

 private:
  static constexpr std::uint16_t Bit(HealthState state) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(state));
  }

  std::uint16_t bits_ = 0;
};

}  // namespace firekeeper::core
