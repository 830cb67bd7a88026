// What queries see of a layer.

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/state/layer_state.h"
#include "server/state/signal_view.h"

namespace firekeeper::server {
namespace {

// The step of a record that says "never" by an extreme value.
std::int64_t StepOr(std::int64_t step, std::int64_t never) {
  return step == core::kNeverSeen ? never : step;
}

std::string ReasonFor(const core::UnitHealth& health) {
  if (!health.incomplete) return {};
  const core::IncompleteCoverage& gap = *health.incomplete;
  return absl::StrCat("coverage ", gap.shards_received, " of ",
                      gap.shards_expected, " data shards in steps [",
                      gap.steps.first, ", ", gap.steps.end, ")");
}

}  // namespace

// What Evaluate() found, with what it was found for.
struct LayerState::Verdicts {
  core::Signal signal{};
  std::uint64_t version = 0;
  std::uint64_t run_units = 0;
  core::LayerEvidence evidence;
  core::LayerHealth health;
};

std::optional<core::Signal> LayerState::HealthSignal() const {
  for (const core::Signal signal : HealthSignals(spec_.activation.kind)) {
    const auto found = tracks_.find({core::Phase::kTrain, signal});
    if (found != tracks_.end() && found->second.settings().columns.firings) {
      return signal;
    }
  }
  return std::nullopt;
}

std::shared_ptr<const LayerState::Verdicts> LayerState::Evaluate(
    std::uint64_t run_units) {
  const std::uint64_t units = core::RoundUpToPowerOfTwo(run_units);
  auto verdicts = std::make_shared<Verdicts>();
  std::vector<core::WindowEvidence> windows;
  {
    const absl::MutexLock lock(&mutex_);
    const std::optional<core::Signal> signal = HealthSignal();
    if (!signal) return nullptr;
    const core::SignalTrack& track = tracks_.at({core::Phase::kTrain, *signal});
    if (verdicts_ && verdicts_->signal == *signal &&
        verdicts_->version == track.version() &&
        verdicts_->run_units == units) {
      return verdicts_;
    }
    verdicts->signal = *signal;
    verdicts->version = track.version();
    verdicts->run_units = units;
    verdicts->evidence = track.Evidence(&windows);
  }
  // Without the lock: ingest must not wait for the verdicts of a million units.
  verdicts->health =
      core::EvaluateHealth(verdicts->evidence, units, settings_.health);
  verdicts->evidence.windows = {};

  const absl::MutexLock lock(&mutex_);
  if (!verdicts_ || verdicts_->signal != verdicts->signal ||
      verdicts_->version <= verdicts->version) {
    verdicts_ = verdicts;
  }
  return verdicts;
}

LayerView LayerState::View(std::uint64_t run_units) {
  LayerView view;
  view.spec = spec_;
  view.certificate_settings = settings_.health.certificate;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [key, track] : tracks_) {
      if (auto signal = NewestView(key.second, key.first, track)) {
        view.signals.push_back(std::move(*signal));
      }
    }
  }
  const auto verdicts = Evaluate(run_units);
  if (!verdicts) {
    view.reason =
        view.signals.empty()
            ? "nothing was streamed yet"
            : "no TRAIN signal that tells whether a unit fires was streamed";
    return view;
  }
  view.observable = true;
  view.health_signal = verdicts->signal;
  view.certificate = verdicts->health.certificate;
  view.coverage = verdicts->health.coverage;
  view.evaluated_through_step = verdicts->health.evaluated_through_step;
  const std::vector<core::UnitHealth>& units = verdicts->health.units;
  for (std::size_t unit = 0; unit < units.size(); ++unit) {
    ++view.units_by_state.at(static_cast<std::size_t>(units[unit].state));
    const auto& certified = units[unit].certified_step;
    if (!certified ||
        (view.first_death_by_step && *view.first_death_by_step <= *certified)) {
      continue;
    }
    view.first_death_by_step = certified;
    view.first_death_after_step =
        verdicts->evidence.last_firing_step[static_cast<core::Index>(unit)];
  }
  return view;
}

UnitPage LayerState::Units(std::uint64_t run_units,
                           const std::vector<core::HealthState>& states,
                           std::uint64_t first, std::size_t limit) {
  UnitPage page;
  page.certificate_settings = settings_.health.certificate;
  const auto verdicts = Evaluate(run_units);
  if (!verdicts) return page;
  page.certificate = verdicts->health.certificate;
  const core::LayerEvidence& evidence = verdicts->evidence;
  for (core::Index unit = 0; unit < evidence.unit_count; ++unit) {
    const auto index = static_cast<std::size_t>(unit);
    const core::UnitHealth& health = verdicts->health.units[index];
    if (!states.empty() && !std::ranges::count(states, health.state)) continue;
    ++page.total;
    if (index < first || page.units.size() >= limit) continue;
    page.units.push_back(
        {.unit = index,
         .health = health,
         .reason = ReasonFor(health),
         .last_firing_step = evidence.last_firing_step[unit],
         .first_seen_step = StepOr(evidence.first_seen_step[unit], -1),
         .horizon_observations = evidence.horizon_observations[unit],
         .horizon_firings = evidence.horizon_firings[unit],
         .horizon_non_finite = evidence.horizon_non_finite[unit]});
  }
  return page;
}

std::vector<SignalView> LayerState::History(core::Signal signal,
                                            core::Phase phase) const {
  const absl::MutexLock lock(&mutex_);
  std::vector<SignalView> history;
  const auto found = tracks_.find({phase, signal});
  if (found == tracks_.end()) return history;
  for (const auto& [first, tracked] : found->second.windows()) {
    history.push_back(ViewOf(signal, phase, found->second, tracked));
  }
  return history;
}

}  // namespace firekeeper::server
