#include "core/life_book.h"

#include <algorithm>
#include <cassert>

#include "core/silence_timeline.h"
#include "core/unit_summary.h"

namespace firekeeper::core {
namespace {

std::size_t At(Index unit) { return static_cast<std::size_t>(unit); }

}  // namespace

LifeBook::LifeBook(Index units, std::int64_t window_steps,
                   const HealthSettings& settings)
    : window_steps_(window_steps),
      settings_(settings),
      lives_(std::make_shared<std::vector<UnitLife>>(At(units))) {}

std::vector<UnitLife>& LifeBook::Writable() {
  if (lives_.use_count() > 1) {
    lives_ = std::make_shared<std::vector<UnitLife>>(*lives_);
  }
  return *lives_;
}

void LifeBook::Fold(std::span<const WindowEvidence> windows,
                    std::span<const FinalWindow> fresh,
                    const StepArray& first_seen_step, std::uint64_t run_units) {
  if (fresh.empty()) return;
  assert(fresh.size() <= windows.size());
  std::vector<UnitLife>& lives = Writable();
  const std::size_t first_fresh = windows.size() - fresh.size();
  Demands demands(windows, run_units, settings_.certificate);
  const LifeReplay replay(windows, window_steps_,
                          demands.totals().tracked_units, settings_);
  for (const SilenceGroup& group : GroupBySilence(
           windows, first_seen_step.size(), settings_.min_coverage)) {
    GroupTimelines timelines(windows, group, demands);
    for (const Index unit : group.units) {
      const LifeReplay::Unit replayed{
          .life = lives[At(unit)],
          .timelines = timelines,
          .seen = replay.From(first_seen_step[unit])};
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        if (fresh[i].trace.empty()) continue;
        replay.See(replayed, first_fresh + i, fresh[i].trace[At(unit)]);
        if (fresh[i].firing_clusters.size() == 0) continue;
        replay.CountClusters(replayed, first_fresh + i,
                             fresh[i].firing_clusters[unit]);
      }
      replay.Settle(replayed, windows.size());
    }
  }
  folded_before_ = std::max(folded_before_, windows.back().steps.end);
}

void LifeBook::Resume(std::int64_t resume_step,
                      std::span<const WindowEvidence> windows_before,
                      const StepArray& last_firing_step,
                      const StepArray& first_seen_step,
                      std::uint64_t run_units) {
  std::vector<UnitLife>& lives = Writable();
  if (resume_step < folded_before_) {
    for (UnitLife& life : lives) Withdraw(resume_step, window_steps_, &life);
    folded_before_ = resume_step;
  }
  if (resume_step == 0) return;
  Demands demands(windows_before, run_units, settings_.certificate);
  const LifeReplay replay(windows_before, window_steps_,
                          demands.totals().tracked_units, settings_);
  const std::uint32_t last = WindowNumber(resume_step - 1, window_steps_);
  for (const SilenceGroup& group : GroupBySilence(
           windows_before, last_firing_step.size(), settings_.min_coverage)) {
    GroupTimelines timelines(windows_before, group, demands);
    for (const Index unit : group.units) {
      UnitLife& life = lives[At(unit)];
      if (first_seen_step[unit] >= resume_step) life.seen = false;
      if (last_firing_step[unit] < resume_step) continue;
      replay.Fire({.life = life,
                   .timelines = timelines,
                   .seen = replay.From(first_seen_step[unit])},
                  last, replay.After(last));
    }
  }
}

}  // namespace firekeeper::core
