#include "client/cpp/cli/dead_check.h"

#include <algorithm>

#include "client/cpp/cli/layer_table.h"

namespace firekeeper::client::cli {

namespace {

bool IsLiving(v1::HealthState state) {
  switch (state) {
    case v1::HEALTH_STATE_ALIVE:
    case v1::HEALTH_STATE_DYING:
    case v1::HEALTH_STATE_RARE:
    case v1::HEALTH_STATE_DORMANT:
    case v1::HEALTH_STATE_SATURATED:
    case v1::HEALTH_STATE_LINEARISED:
    case v1::HEALTH_STATE_CONSTANT:
    case v1::HEALTH_STATE_GRADIENT_STARVED:
      return true;
    default:
      return false;
  }
}

}  // namespace

LayerCheck CheckLayer(const v1::LayerReport& report, double max_dead) {
  LayerCheck check{.layer = report.layer().name(),
                   .units = report.layer().unit_count()};
  std::uint64_t living = 0;
  if (report.observability() != v1::OBSERVABILITY_NOT_OBSERVABLE) {
    check.dead_on_set = UnitsIn(report, v1::HEALTH_STATE_DEAD_ON_SET);
    check.dead = DeadUnits(report) + check.dead_on_set;
    for (const v1::StateCount& count : report.units_by_state()) {
      if (IsLiving(count.state())) living += count.units();
    }
  }
  const std::uint64_t decided = std::min(check.units, check.dead + living);
  check.undecided = check.units - decided;
  const double allowed = max_dead * static_cast<double>(check.units);
  if (static_cast<double>(check.dead) > allowed) {
    check.verdict = CheckVerdict::kExceeded;
  } else if (static_cast<double>(check.dead + check.undecided) > allowed) {
    check.verdict = CheckVerdict::kUnknown;
  }
  return check;
}

const char* Name(CheckVerdict verdict) {
  switch (verdict) {
    case CheckVerdict::kOk:
      return "ok";
    case CheckVerdict::kExceeded:
      return "exceeded";
    case CheckVerdict::kUnknown:
      return "unknown";
  }
  return "";
}

}  // namespace firekeeper::client::cli
