// What the assessment of a run reads of a layer.

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "server/state/layer_state.h"
#include "server/state/layer_verdicts.h"

namespace firekeeper::server {
namespace {

core::LayerFacts FactsOf(const LayerSpec& spec) {
  core::LayerFacts facts;
  facts.name = spec.name;
  facts.activation = spec.activation;
  facts.unit_count = static_cast<std::uint64_t>(spec.unit_count);
  facts.fan_in = spec.fan_in;
  facts.order = spec.order;
  facts.inputs = spec.inputs;
  facts.norm_before = spec.norm_before;
  facts.residual = spec.residual;
  facts.is_output = spec.is_output;
  return facts;
}

bool IsSilent(core::HealthState state) {
  return state == core::HealthState::kSilent ||
         state == core::HealthState::kUnknown ||
         state == core::HealthState::kDeadOnSet;
}

}  // namespace

std::uint64_t LayerState::version() const {
  const absl::MutexLock lock(&mutex_);
  std::uint64_t version = attempt_;
  for (const auto& [key, track] : tracks_) version += track.version();
  return version;
}

void LayerState::FillSignals(LayerLook* look) const {
  std::set<std::int64_t> windows;
  for (const auto& [key, track] : tracks_) {
    const auto& [phase, signal] = key;
    if (phase == core::Phase::kTrain) {
      look->facts.train[signal] = track.Digests();
      for (const auto& [first, window] : track.windows()) windows.insert(first);
      continue;
    }
    if (signal != core::Signal::kActivation) continue;
    if (track.windows().empty()) continue;
    const core::SignalDigest& newest =
        core::SignalTrack::DigestOf(track.windows().rbegin()->second);
    if (phase == core::Phase::kBirth) look->facts.birth_activation = newest;
    if (phase == core::Phase::kProbe) look->facts.probe_activation = newest;
  }
  look->windows.assign(windows.begin(), windows.end());
}

LayerLook LayerState::Look(std::uint64_t run_units) {
  LayerLook look;
  look.facts = FactsOf(spec_);
  {
    const absl::MutexLock lock(&mutex_);
    FillSignals(&look);
  }
  const auto verdicts = Evaluate(run_units);
  if (!verdicts) return look;
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint64_t> deaths;
  std::uint64_t silent_clusters = std::numeric_limits<std::uint64_t>::max();
  const std::vector<core::UnitHealth>& units = verdicts->health.units;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const core::UnitHealth& unit = units[i];
    ++look.facts.units_by_state.at(static_cast<std::size_t>(unit.state));
    if (IsSilent(unit.state)) {
      silent_clusters = std::min(silent_clusters, unit.silent_clusters);
    }
    if (!unit.certified_step) continue;
    ++deaths[{verdicts->evidence.last_firing_step[static_cast<core::Index>(i)],
              *unit.certified_step}];
  }
  for (const auto& [interval, count] : deaths) {
    look.facts.deaths.push_back(
        {.after = interval.first, .by = interval.second, .units = count});
  }
  look.facts.total_deaths = verdicts->health.life.deaths;
  look.facts.total_revivals = verdicts->health.life.revivals;
  look.situation = {
      .step = verdicts->health.evaluated_through_step,
      .units = units.size(),
      .dead = look.facts.DeadUnits(),
      .silent = look.facts.UnitsIn(core::HealthState::kSilent) +
                look.facts.UnitsIn(core::HealthState::kUnknown) +
                look.facts.UnitsIn(core::HealthState::kDeadOnSet),
      .non_finite = look.facts.UnitsIn(core::HealthState::kNonFinite),
      .deaths = look.facts.total_deaths,
      .revivals = look.facts.total_revivals,
      .silent_clusters = 0,
      .proven_dead = verdicts->health.proven_dead};
  if (look.situation.silent > 0) {
    look.situation.silent_clusters = silent_clusters;
  }
  return look;
}

}  // namespace firekeeper::server
