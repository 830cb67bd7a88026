#include "core/layer_census.h"

#include <algorithm>

#include "core/unit_summary.h"

namespace firekeeper::core {

void LayerCensus::Add(Index unit, const RelivedUnit& relived,
                      const UnitHealth& health) {
  life_.deaths += health.deaths;
  life_.revivals += health.revivals;
  if (relived.life.born_silent) ++life_.born_silent_units;
  if (health.deaths > 1) ++life_.flapping_units;
  if (relived.was_dead) {
    ++life_.dead_before_units;
    if (relived.life.dead) ++life_.still_dead_units;
  }
  if (evidence_.last_firing_step[unit] == kNeverFired) return;
  ++ever_fired_;
  if (relived.life.dead && health.last_death.has_value()) {
    died_by_.push_back(health.last_death->by);
  }
}

LayerLife LayerCensus::Count() const {
  LayerLife life = life_;
  if (ever_fired_ == 0 || 2 * died_by_.size() < ever_fired_) return life;
  std::vector<std::int64_t> by = died_by_;
  const auto half =
      by.begin() + static_cast<std::ptrdiff_t>((ever_fired_ + 1) / 2 - 1);
  std::ranges::nth_element(by, half);
  life.half_life_steps = *half - evidence_.first_seen_step.minCoeff();
  return life;
}

}  // namespace firekeeper::core
