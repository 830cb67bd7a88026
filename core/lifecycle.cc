#include "core/lifecycle.h"

#include <algorithm>
#include <cassert>

#include "core/silence_timeline.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

void Increase(std::uint16_t* count) {
  if (*count < std::numeric_limits<std::uint16_t>::max()) ++*count;
}

// Which way the unit was linear on all `n` observations; 0 for neither.
std::uint8_t LinearBit(const UnitSummary& summary, Index unit, std::uint64_t n,
                       LinearRule rule) {
  switch (rule) {
    case LinearRule::kNever:
      return 0;
    case LinearRule::kGateOpen:
      return summary.firings[unit] == n ? Trace::kLinearHigh : 0;
    case LinearRule::kGateOpenSix:
      return summary.firings[unit] == n && summary.columns.moments &&
                     summary.max[unit] < 6.0
                 ? Trace::kLinearHigh
                 : 0;
    case LinearRule::kOneSign:
      if (!summary.columns.gate) return 0;
      if (summary.positives[unit] == n) return Trace::kLinearHigh;
      return summary.positives[unit] == 0 ? Trace::kLinearLow : 0;
  }
  assert(false);
  return 0;
}

}  // namespace

WindowTrace TraceOf(const UnitSummary& summary, LinearRule rule) {
  assert(summary.columns.firings);
  WindowTrace trace(static_cast<std::size_t>(summary.unit_count()), 0);
  for (Index unit = 0; unit < summary.unit_count(); ++unit) {
    const std::uint64_t n = summary.observations[unit];
    std::uint8_t bits = summary.firings[unit] > 0 ? Trace::kFired : 0;
    if (n > 0) {
      bits = static_cast<std::uint8_t>(bits | Trace::kObserved |
                                       LinearBit(summary, unit, n, rule));
    }
    trace[static_cast<std::size_t>(unit)] = bits;
  }
  return trace;
}

void Withdraw(std::int64_t resume_step, std::int64_t window_steps,
              UnitLife* life) {
  if (resume_step == 0) {
    *life = {};
    return;
  }
  const std::uint32_t before = WindowNumber(resume_step - 1, window_steps);
  // Windows from this one on are withdrawn.
  const std::uint32_t from = WindowNumber(resume_step, window_steps);
  if (life->fired != UnitLife::kNoWindow) {
    life->fired = std::min(life->fired, before);
  }
  if (life->dead && life->death_by >= from) {
    life->dead = false;
    --life->deaths;
    life->death_after = life->death_by = UnitLife::kNoWindow;
  }
  // Which of the clusters fired before is not known any more.
  life->clusters_fired = 0;
  if (life->revived != UnitLife::kNoWindow) life->revived = before;
  if (life->linear_since >= from) life->linear = 0;
}

LifeReplay::LifeReplay(std::span<const WindowEvidence> windows,
                       std::int64_t window_steps, std::uint64_t tracked_units,
                       const HealthSettings& settings)
    : window_steps_(window_steps),
      tracked_units_(tracked_units),
      settings_(settings) {
  firsts_.reserve(windows.size());
  ends_.reserve(windows.size());
  for (const WindowEvidence& window : windows) {
    firsts_.push_back(window.steps.first);
    ends_.push_back(window.steps.end);
  }
}

std::size_t LifeReplay::From(std::int64_t step) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(ends_, step) -
                                  ends_.begin());
}

std::size_t LifeReplay::After(std::uint32_t number) const {
  if (number == UnitLife::kNoWindow) return 0;
  return Behind(WindowNumbered(number, window_steps_).end - 1);
}

std::size_t LifeReplay::Behind(std::int64_t step) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(firsts_, step) -
                                  firsts_.begin());
}

std::uint32_t LifeReplay::NumberOf(std::size_t window) const {
  return WindowNumber(firsts_[window], window_steps_);
}

void LifeReplay::Settle(const Unit& unit, std::size_t end) const {
  UnitLife& life = unit.life;
  if (life.dead || end == 0) return;
  const std::size_t quiet = After(life.fired);
  const std::size_t start = std::max(unit.seen, quiet);
  if (start >= end) return;
  const std::size_t by = unit.timelines.At(life.level).CertifiedBy(start);
  if (by >= end) return;
  // The window before `quiet` holds the last firing; it must have left the
  // horizon, or the unit would be ALIVE and dead at once.
  if (quiet > 0 && end < quiet + settings_.horizon_windows) return;
  life.dead = true;
  Increase(&life.deaths);
  life.death_after = life.fired;
  life.death_by = NumberOf(by);
}

void LifeReplay::Fire(const Unit& unit, std::uint32_t number,
                      std::size_t next) const {
  Settle(unit, next);
  UnitLife& life = unit.life;
  if (life.dead) {
    life.dead = false;
    Increase(&life.revivals);
    life.level = static_cast<std::uint8_t>(std::min(life.level + 1, kMaxLevel));
    life.revived = number;
    life.clusters_fired = 0;
  }
  life.fired = number;
}

void LifeReplay::See(const Unit& unit, std::size_t window,
                     std::uint8_t trace) const {
  UnitLife& life = unit.life;
  const bool fired = (trace & Trace::kFired) != 0;
  if (fired) Fire(unit, NumberOf(window), window);
  if ((trace & Trace::kObserved) == 0) return;
  if (!life.seen) {
    life.seen = true;
    life.born_silent = !fired;
  }
  const auto linear = static_cast<std::uint8_t>(
      trace & (Trace::kLinearHigh | Trace::kLinearLow));
  if (linear != life.linear) {
    life.linear = linear;
    life.linear_since = NumberOf(window);
  }
}

void LifeReplay::CountClusters(const Unit& unit, std::size_t window,
                               std::uint64_t firing_clusters) const {
  UnitLife& life = unit.life;
  if (life.level == 0 || life.revived >= NumberOf(window)) return;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  life.clusters_fired = static_cast<std::uint32_t>(
      std::min(life.clusters_fired + firing_clusters, kMost));
  const Silence trials =
      unit.timelines.At(life.level).Between(After(life.revived), window + 1);
  if (trials.clusters == 0) return;
  // The certificate misses no unit that fires in more clusters than pc0, nor,
  // where clusters are small, one that fires in more than p0 of the
  // observations. Clusters are counted, for observations of one are not
  // independent.
  const auto clusters = static_cast<double>(trials.clusters);
  const CertificateSettings& settings = settings_.certificate;
  const double rate = std::min(
      settings.pc0,
      settings.p0 * static_cast<double>(trials.observations) / clusters);
  const std::uint64_t fired =
      std::min<std::uint64_t>(life.clusters_fired, trials.clusters);
  if (static_cast<double>(fired) <= rate * clusters) return;
  const double alpha = settings.alpha / static_cast<double>(tracked_units_);
  if (RateLowerBound(fired, trials.clusters, alpha) <= rate) return;
  life.level = 0;
  life.revived = UnitLife::kNoWindow;
  life.clusters_fired = 0;
}

}  // namespace firekeeper::core
