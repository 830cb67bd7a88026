// What queries see of a layer.

#include <algorithm>
#include <string>
#include <utility>

#include "core/interval_proof.h"
#include "core/silence_groups.h"
#include "server/state/layer_state.h"
#include "server/state/layer_verdicts.h"
#include "server/state/signal_view.h"

namespace firekeeper::server {
namespace {

bool AllDead(const std::vector<core::UnitHealth>& units) {
  return !units.empty() &&
         std::ranges::all_of(units, [](const core::UnitHealth& unit) {
           return unit.state == core::HealthState::kDead ||
                  unit.state == core::HealthState::kBornDead;
         });
}

// Leaves what views show: verdicts are kept while nothing changes.
void DropArrays(core::LayerEvidence* evidence) {
  evidence->windows = {};
  evidence->horizon_closed_high.resize(0);
  evidence->recent_firings.resize(0);
  evidence->baseline_firings.resize(0);
  evidence->lives = nullptr;
  evidence->traces.clear();
  evidence->open_trace.clear();
  evidence->sides = core::SideEvidence();
}

// Units by state, and the first certified death.
void CountUnits(const core::LayerHealth& health,
                const core::LayerEvidence& evidence, LayerView* view) {
  for (std::size_t i = 0; i < health.units.size(); ++i) {
    const core::UnitHealth& unit = health.units[i];
    ++view->units_by_state.at(static_cast<std::size_t>(unit.state));
    ++view->units_that_hold.at(static_cast<std::size_t>(unit.state));
    for (std::size_t state = 1; state < kHealthStateCount; ++state) {
      if (unit.also.Has(static_cast<core::HealthState>(state))) {
        ++view->units_that_hold.at(state);
      }
    }
    const auto& certified = unit.certified_step;
    if (!certified) continue;
    const std::int64_t after =
        evidence.last_firing_step[static_cast<core::Index>(i)];
    if (view->first_death_by_step &&
        std::pair(*view->first_death_by_step, *view->first_death_after_step) <=
            std::pair(*certified, after)) {
      continue;
    }
    view->first_death_by_step = certified;
    view->first_death_after_step = after;
  }
}

}  // namespace

std::optional<core::Signal> LayerState::HealthSignal() const {
  for (const core::Signal signal : HealthSignals(spec_.activation.kind)) {
    const auto found = tracks_.find({core::Phase::kTrain, signal});
    if (found != tracks_.end() && found->second.settings().columns.firings) {
      return signal;
    }
  }
  return std::nullopt;
}

const core::SignalTrack* LayerState::FindTrack(TrackKey key) const {
  const auto found = tracks_.find(key);
  return found == tracks_.end() ? nullptr : &found->second;
}

core::SideTracks LayerState::SidesOf(core::Signal health_signal) const {
  using core::Phase;
  using core::Signal;
  return {
      .activation = FindTrack({Phase::kTrain, Signal::kActivation}),
      .output_gradient = FindTrack({Phase::kTrain, Signal::kOutputGradient}),
      .weight = FindTrack({Phase::kTrain, Signal::kWeight}),
      .weight_gradient = FindTrack({Phase::kTrain, Signal::kWeightGradient}),
      .weight_update = FindTrack({Phase::kTrain, Signal::kWeightUpdate}),
      .birth = FindTrack({Phase::kBirth, health_signal}),
      .probe = FindTrack({Phase::kProbe, health_signal}),
      .proofs_hold = core::ProofsHold(RuleFor(Signal::kPreActivation),
                                      spec_.norm_before, spec_.residual)};
}

std::uint64_t LayerState::EvidenceVersion(core::Signal health_signal) const {
  const core::SideTracks sides = SidesOf(health_signal);
  std::uint64_t version = 0;
  for (const core::SignalTrack* track :
       {FindTrack({core::Phase::kTrain, health_signal}), sides.activation,
        sides.output_gradient, sides.weight, sides.weight_gradient,
        sides.weight_update, sides.birth, sides.probe}) {
    // A track that is there and never changed counts too.
    if (track != nullptr) version += track->version() + 1;
  }
  return version;
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
    verdicts->signal = *signal;
    verdicts->version = EvidenceVersion(*signal);
    verdicts->run_units = units;
    if (verdicts_ && verdicts_->signal == *signal &&
        verdicts_->version == verdicts->version &&
        verdicts_->run_units == units) {
      return verdicts_;
    }
    verdicts->evidence =
        tracks_.at({core::Phase::kTrain, *signal}).Evidence(&windows);
    // A client that declares no inputs at all still counts its layers.
    verdicts->evidence.reads_network_input =
        spec_.inputs.empty() && spec_.order == 0;
    verdicts->evidence.sides = core::GatherSides(
        SidesOf(*signal), verdicts->evidence, settings_.health);
  }
  // Without the lock: ingest must not wait for the verdicts of a million units.
  verdicts->health =
      core::EvaluateHealth(verdicts->evidence, units, settings_.health);
  verdicts->collapsed = !spec_.residual && (AllDead(verdicts->health.units) ||
                                            verdicts->health.proven_dead);
  if (!windows.empty()) verdicts->newest = std::move(windows.back());
  DropArrays(&verdicts->evidence);

  const absl::MutexLock lock(&mutex_);
  const core::LayerLife& life = verdicts->health.life;
  deaths_total_ = std::max(deaths_total_, life.deaths);
  revivals_total_ = std::max(revivals_total_, life.revivals);
  if (!verdicts_ || verdicts_->signal != verdicts->signal ||
      verdicts_->version <= verdicts->version) {
    verdicts_ = verdicts;
  }
  return verdicts;
}

bool LayerState::IsCollapsed(std::uint64_t run_units) {
  const auto verdicts = Evaluate(run_units);
  return verdicts && verdicts->collapsed;
}

LayerView LayerState::View(std::uint64_t run_units) {
  LayerView view;
  view.spec = spec_;
  view.certificate_settings = settings_.health.certificate;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [key, track] : tracks_) {
      if (const auto signal = NewestView(key.second, key.first, track)) {
        view.signals.push_back(*signal);
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
  view.horizon_first_step = verdicts->health.horizon_first_step;
  view.evaluated_through_step = verdicts->health.evaluated_through_step;
  view.life = verdicts->health.life;
  view.proven_units = verdicts->health.proven_units;
  view.collapsed = verdicts->collapsed;
  {
    const absl::MutexLock lock(&mutex_);
    view.deaths_total = deaths_total_;
    view.revivals_total = revivals_total_;
  }
  CountUnits(verdicts->health, verdicts->evidence, &view);
  return view;
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
