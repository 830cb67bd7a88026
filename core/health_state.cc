#include "core/health_state.h"

#include <array>
#include <cassert>

namespace firekeeper::core {

const char* Name(HealthState state) {
  switch (state) {
    case HealthState::kUnobserved:
      return "unobserved";
    case HealthState::kUnknown:
      return "unknown";
    case HealthState::kSilent:
      return "silent";
    case HealthState::kDead:
      return "dead";
    case HealthState::kAlive:
      return "alive";
    case HealthState::kNonFinite:
      return "non_finite";
    case HealthState::kDeadOnSet:
      return "dead_on_set";
    case HealthState::kBornDead:
      return "born_dead";
    case HealthState::kDying:
      return "dying";
    case HealthState::kRare:
      return "rare";
    case HealthState::kDormant:
      return "dormant";
    case HealthState::kSaturated:
      return "saturated";
    case HealthState::kLinearised:
      return "linearised";
    case HealthState::kConstant:
      return "constant";
    case HealthState::kGradientStarved:
      return "gradient_starved";
  }
  assert(false);
  return "";
}

HealthState StateSet::Primary() const {
  using enum HealthState;
  constexpr std::array kOrder{
      kNonFinite,  kUnobserved, kBornDead,        kDead,      kDeadOnSet,
      kUnknown,    kSilent,     kGradientStarved, kSaturated, kDying,
      kLinearised, kConstant,   kDormant,         kRare,      kAlive};
  static_assert(kOrder.size() == kHealthStateCount - 1);
  for (const HealthState state : kOrder) {
    if (Has(state)) return state;
  }
  assert(false);
  return kUnknown;
}

}  // namespace firekeeper::core
