#include "core/diagnosis/consequences.h"

#include <algorithm>
#include <cstddef>

namespace firekeeper::core {
namespace {

std::optional<double> ExpectedBornDead(const LayerFacts& layer,
                                       const LayerMeasures& measures) {
  if (!measures.cosine_measured) return std::nullopt;
  return measures.expected_dead * static_cast<double>(layer.unit_count);
}

}  // namespace

Consequences ConsequencesOf(const RunFacts& facts,
                            const RunMeasures& measures) {
  Consequences result;
  double units = 0.0;
  double dead_units = 0.0;
  std::optional<std::int64_t> first_last_firing;
  for (std::size_t i = 0; i < facts.layers.size(); ++i) {
    const LayerFacts& layer = facts.layers[i];
    const std::uint64_t dead = layer.DeadUnits();
    const auto count = static_cast<double>(layer.unit_count);
    units += count;
    dead_units += static_cast<double>(dead);
    result.layers.push_back(
        {.layer = layer.name,
         .unit_count = layer.unit_count,
         .dead_units = dead,
         .lost_share =
             layer.unit_count == 0 ? 0.0 : static_cast<double>(dead) / count,
         .collapsed = measures.layers[i].collapsed,
         .expected_born_dead = ExpectedBornDead(layer, measures.layers[i])});
    for (const DeathGroup& death : layer.deaths) {
      result.first_death_step =
          std::min(result.first_death_step.value_or(death.by), death.by);
      first_last_firing =
          std::min(first_last_firing.value_or(death.after), death.after);
    }
  }
  if (units > 0.0) result.lost_share = dead_units / units;
  result.plateau_start = measures.loss.plateau_start;
  result.stalled = measures.loss.failed();
  // A unit dies at its last firing; the certificate only follows.
  result.stalled_after_deaths = result.plateau_start && first_last_firing &&
                                *result.plateau_start >= *first_last_firing;
  return result;
}

}  // namespace firekeeper::core
