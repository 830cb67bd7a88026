#include "core/health.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>

#include "core/layer_census.h"
#include "core/living_states.h"
#include "core/silence_groups.h"
#include "core/silence_timeline.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

// Fewer examples behind proofs do not make a layer dead.
constexpr std::uint64_t kProofClusters = 64;

// A group of units as it is judged.
struct Group {
  const SilenceGroup& units;
  GroupTimelines& timelines;
};

class Judge {
 public:
  Judge(const LayerEvidence& evidence, std::uint64_t tracked_units,
        const HealthSettings& settings)
      : evidence_(evidence),
        settings_(settings),
        replay_(evidence.windows, evidence.window_steps, tracked_units,
                settings),
        living_(evidence, tracked_units, settings),
        birth_needed_{.observations = SilenceNeededFixedStart(
                          settings.certificate.p0, settings.certificate.alpha,
                          tracked_units),
                      .clusters = SilenceNeededFixedStart(
                          settings.certificate.pc0, settings.certificate.alpha,
                          tracked_units)} {
    const std::size_t windows = evidence.windows.size();
    const std::size_t horizon = std::min(settings.horizon_windows, windows);
    if (horizon > 0) {
      horizon_first_step_ = evidence.windows[windows - horizon].steps.first;
    } else if (windows > 0) {
      horizon_first_step_ = evidence.windows.back().steps.end;
    }
    // What the lives were one horizon ago, or as of the record if that is
    // newer.
    before_ = std::max(windows - horizon, evidence.final_windows);
  }

  [[nodiscard]] std::int64_t horizon_first_step() const {
    return horizon_first_step_;
  }

  // The life of the unit until now, and whether it was dead one horizon ago.
  [[nodiscard]] RelivedUnit Relive(Index unit, const Group& group) const {
    RelivedUnit relived{.life = LifeOf(unit)};
    const LifeReplay::Unit replayed{
        .life = relived.life,
        .timelines = group.timelines,
        .seen = replay_.From(evidence_.first_seen_step[unit])};
    // A firing that no closed window knows of: in an open one.
    const std::int64_t last = evidence_.last_firing_step[unit];
    const std::uint32_t last_window =
        last == kNeverFired ? 0 : WindowNumber(last, evidence_.window_steps);
    const std::size_t next = replay_.Behind(last);
    const auto fire_if_open = [&] {
      if (last == kNeverFired || (relived.life.fired != UnitLife::kNoWindow &&
                                  relived.life.fired >= last_window)) {
        return;
      }
      replay_.Fire(replayed, last_window, next);
    };
    std::size_t window = evidence_.final_windows;
    for (const WindowTrace& trace : evidence_.traces) {
      if (window == before_) relived.was_dead = IsDeadBy(replayed, window);
      if (window == next) fire_if_open();
      if (!trace.empty()) {
        replay_.See(replayed, window, trace[static_cast<std::size_t>(unit)]);
      }
      ++window;
    }
    if (window <= before_) relived.was_dead = IsDeadBy(replayed, before_);
    fire_if_open();
    replay_.Settle(replayed, evidence_.windows.size());
    return relived;
  }

  [[nodiscard]] UnitHealth Verdict(Index unit, const Group& group,
                                   const UnitLife& life) const {
    const SilenceTimeline& timeline = group.timelines.At(life.level);
    const std::size_t silent_since = SilentSince(unit);
    const auto incomplete = group.units.last_incomplete();
    const bool interrupted =
        incomplete.has_value() && *incomplete >= silent_since;
    const std::size_t start = interrupted ? *incomplete + 1 : silent_since;
    const Silence silence = timeline.Since(start);
    const auto certified_by = timeline.CompletedBy(start);

    UnitHealth health;
    health.silent_observations = silence.observations;
    health.silent_clusters = silence.clusters;
    health.rate_upper_bound = RateBound(unit, silence);
    health.level = life.level;
    health.deaths = life.deaths;
    health.revivals = life.revivals;
    if (life.deaths > 0 && life.death_by != UnitLife::kNoWindow) {
      health.last_death = IntervalOf(life);
    }
    AddStates(unit, group, life, certified_by.has_value(), &health);
    health.state = health.also.Primary();
    health.also.Remove(health.state);
    if (health.state == HealthState::kDead ||
        health.also.Has(HealthState::kDead)) {
      Explain(unit, certified_by, &health);
    }
    if (IsProven(unit)) {
      health.proven_step = evidence_.sides.proof_steps.end - 1;
    }
    if (health.state == HealthState::kUnknown) {
      const WindowEvidence& window = evidence_.windows[*incomplete];
      const RangeCoverage& coverage = CoverageOf(window, unit);
      health.incomplete = {.steps = window.steps,
                           .shards_received = coverage.shards_received,
                           .shards_expected = coverage.shards_expected};
    }
    return health;
  }

 private:
  [[nodiscard]] UnitLife LifeOf(Index unit) const {
    if (evidence_.lives) {
      return evidence_.lives->at(static_cast<std::size_t>(unit));
    }
    UnitLife life;
    // Without any trace the last firing is all that is known.
    if (evidence_.traces.empty() &&
        evidence_.last_firing_step[unit] != kNeverFired) {
      life.fired = WindowNumber(evidence_.last_firing_step[unit],
                                evidence_.window_steps);
    }
    return life;
  }

  [[nodiscard]] bool IsDeadBy(const LifeReplay::Unit& unit,
                              std::size_t window) const {
    replay_.Settle(unit, window);
    return unit.life.dead;
  }

  // First window that is wholly after the last firing and not wholly before the
  // unit was first seen.
  [[nodiscard]] std::size_t SilentSince(Index unit) const {
    return std::max(replay_.From(evidence_.first_seen_step[unit]),
                    replay_.Behind(evidence_.last_firing_step[unit]));
  }

  [[nodiscard]] bool FiredInHorizon(Index unit) const {
    return evidence_.horizon_firings[unit] > 0 ||
           (evidence_.last_firing_step[unit] != kNeverFired &&
            evidence_.last_firing_step[unit] >= horizon_first_step_);
  }

  [[nodiscard]] bool IsDeadAtBirth(Index unit) const {
    const SideEvidence& sides = evidence_.sides;
    return evidence_.last_firing_step[unit] == kNeverFired &&
           SideEvidence::Says(sides.silent_at_birth, unit) &&
           sides.birth_observations[unit] >= birth_needed_.observations &&
           sides.birth_clusters[unit] >= birth_needed_.clusters;
  }

  void AddStates(Index unit, const Group& group, const UnitLife& life,
                 bool certified, UnitHealth* health) const {
    StateSet& states = health->also;
    if (evidence_.horizon_non_finite[unit] > 0) {
      states.Add(HealthState::kNonFinite);
      return;
    }
    const bool dead_at_birth = IsDeadAtBirth(unit);
    if (evidence_.first_seen_step[unit] == kNeverSeen && !dead_at_birth) {
      states.Add(HealthState::kUnobserved);
      return;
    }
    living_.AddStatic(unit, health);
    if (IsSilentOnProbe(unit)) states.Add(HealthState::kDeadOnSet);
    if (FiredInHorizon(unit)) {
      living_.AddFiring(unit, group.units, group.timelines.At(0), health);
      if (IsLinearised(unit, group, life)) {
        states.Add(HealthState::kLinearised);
      }
    } else if (certified || dead_at_birth) {
      states.Add(HealthState::kDead);
    } else {
      const auto incomplete = group.units.last_incomplete();
      const bool interrupted =
          incomplete.has_value() && *incomplete >= SilentSince(unit);
      states.Add(interrupted ? HealthState::kUnknown : HealthState::kSilent);
    }
  }

  [[nodiscard]] bool IsSilentOnProbe(Index unit) const {
    return evidence_.sides.probe_step >= 0 &&
           evidence_.sides.probe_step >= evidence_.last_firing_step[unit] &&
           SideEvidence::Says(evidence_.sides.silent_on_probe, unit);
  }

  // A firing since then is worth more than any proof: somebody computed it from
  // other inputs than the layer was given.
  [[nodiscard]] bool IsProven(Index unit) const {
    return SideEvidence::Says(evidence_.sides.proven, unit) &&
           evidence_.last_firing_step[unit] <
               evidence_.sides.proof_steps.first &&
           evidence_.sides.proof_steps.end > horizon_first_step_ &&
           evidence_.horizon_non_finite[unit] == 0;
  }

  // The mirror image of DEAD: always on for as long as would be proof of death.
  [[nodiscard]] bool IsLinearised(Index unit, const Group& group,
                                  const UnitLife& life) const {
    if (life.linear == 0) return false;
    if (!evidence_.open_trace.empty()) {
      const std::uint8_t open =
          evidence_.open_trace[static_cast<std::size_t>(unit)];
      if ((open & Trace::kObserved) != 0 && (open & life.linear) == 0) {
        return false;
      }
    }
    std::size_t start = std::max(replay_.From(evidence_.first_seen_step[unit]),
                                 replay_.After(life.linear_since) - 1);
    const auto incomplete = group.units.last_incomplete();
    if (incomplete.has_value()) start = std::max(start, *incomplete + 1);
    return group.timelines.At(0).CompletedBy(start).has_value();
  }

  // When and how a dead unit died, and whether it can come back.
  void Explain(Index unit, std::optional<std::size_t> certified_by,
               UnitHealth* health) const {
    const bool dead_at_birth = IsDeadAtBirth(unit);
    if (certified_by.has_value()) {
      health->certified_step = evidence_.windows[*certified_by].steps.end - 1;
    }
    if (dead_at_birth) health->certified_step = 0;
    health->origin = OriginOf(unit, *health->certified_step, dead_at_birth);
    if (health->deaths == health->revivals) {
      // The BIRTH passes tell before the training does.
      ++health->deaths;
      health->last_death = DeathInterval{.after = -1, .by = 0};
    }
    if (health->origin == DeathOrigin::kBornDead &&
        health->state == HealthState::kDead) {
      health->also.Add(HealthState::kDead);
      health->state = HealthState::kBornDead;
    }
    // To the step rather than to the window, where that is the last death.
    const std::int64_t last = evidence_.last_firing_step[unit];
    if (health->last_death && last != kNeverFired &&
        last <= health->last_death->by) {
      health->last_death->after = last;
    }
    health->permanent = evidence_.reads_network_input &&
                        SideEvidence::Says(evidence_.sides.frozen, unit);
  }

  [[nodiscard]] DeathOrigin OriginOf(Index unit, std::int64_t certified_step,
                                     bool dead_at_birth) const {
    if (dead_at_birth) return DeathOrigin::kBornDead;
    if (evidence_.last_firing_step[unit] != kNeverFired) {
      return DeathOrigin::kDied;
    }
    if (evidence_.first_seen_step[unit] > 0) return DeathOrigin::kLeftCensored;
    const StepArray& kept = evidence_.sides.row_kept_through;
    return kept.size() > 0 && kept[unit] >= certified_step
               ? DeathOrigin::kBornDead
               : DeathOrigin::kBornDeadOrDiedEarly;
  }

  [[nodiscard]] DeathInterval IntervalOf(const UnitLife& life) const {
    const auto last_step = [this](std::uint32_t number) {
      return WindowNumbered(number, evidence_.window_steps).end - 1;
    };
    return {.after = life.death_after == UnitLife::kNoWindow
                         ? -1
                         : last_step(life.death_after),
            .by = last_step(life.death_by)};
  }

  [[nodiscard]] double RateBound(Index unit, const Silence& silence) const {
    const double alpha = settings_.certificate.alpha;
    if (!FiredInHorizon(unit)) {
      return RateUpperBound(0, silence.observations, alpha);
    }
    const std::uint64_t n = evidence_.horizon_observations[unit];
    return RateUpperBound(std::min(evidence_.horizon_firings[unit], n), n,
                          alpha);
  }

  const LayerEvidence& evidence_;
  const HealthSettings& settings_;
  LifeReplay replay_;
  LivingStates living_;
  Silence birth_needed_;
  std::int64_t horizon_first_step_ = 0;
  std::size_t before_ = 0;
};

RangeCoverage WorstCoverage(const WindowEvidence& window) {
  assert(!window.coverage.empty());
  return *std::ranges::min_element(window.coverage, {}, CoverageShare);
}

[[maybe_unused]] bool HasAllArrays(const LayerEvidence& evidence) {
  const Index units = evidence.unit_count;
  return evidence.last_firing_step.size() == units &&
         evidence.first_seen_step.size() == units &&
         evidence.horizon_observations.unit_count() == units &&
         evidence.horizon_firings.size() == units &&
         evidence.horizon_non_finite.unit_count() == units;
}

}  // namespace

LayerHealth EvaluateHealth(const LayerEvidence& evidence,
                           std::uint64_t run_units,
                           const HealthSettings& settings) {
  assert(HasAllArrays(evidence));
  const auto windows = evidence.windows;
  Demands demands(windows, run_units, settings.certificate);
  const Judge judge(evidence, demands.totals().tracked_units, settings);

  LayerHealth health;
  health.units.resize(static_cast<std::size_t>(evidence.unit_count));
  health.certificate = demands.totals();
  if (!windows.empty()) {
    health.horizon_first_step = judge.horizon_first_step();
    health.evaluated_through_step = windows.back().steps.end - 1;
    health.coverage = WorstCoverage(windows.back());
  }
  LayerCensus census(evidence);
  std::uint64_t proven_clusters = std::numeric_limits<std::uint64_t>::max();
  for (const SilenceGroup& units :
       GroupBySilence(windows, evidence.unit_count, settings.min_coverage)) {
    GroupTimelines timelines(windows, units, demands);
    const Group group{.units = units, .timelines = timelines};
    for (const Index unit : units.units) {
      const RelivedUnit relived = judge.Relive(unit, group);
      UnitHealth& verdict = health.units[static_cast<std::size_t>(unit)];
      verdict = judge.Verdict(unit, group, relived.life);
      if (verdict.proven_step.has_value()) {
        ++health.proven_units;
        proven_clusters = std::min(proven_clusters, verdict.silent_clusters);
      }
      census.Add(unit, relived, verdict);
    }
  }
  health.life = census.Count();
  health.proven_dead = health.proven_units > 0 &&
                       health.proven_units == health.units.size() &&
                       proven_clusters >= kProofClusters;
  return health;
}

}  // namespace firekeeper::core
