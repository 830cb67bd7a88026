// What queries, /metrics and the registry see of a run.

#include <algorithm>

#include "server/state/run.h"
#include "server/state/run_parts.h"

namespace firekeeper::server {

std::shared_ptr<LayerState> Run::FindLayer(const std::string& name) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = layers_.find(name);
  return found == layers_.end() ? nullptr : found->second;
}

bool Run::HasOpenStream() const {
  return std::ranges::any_of(attempts_, [](const auto& attempt) {
    return std::ranges::any_of(attempt->sources, [](const auto& entry) {
      return entry.second.connected;
    });
  });
}

bool Run::RetireIfExpired(absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  const bool ended = facts_.ended != absl::InfiniteFuture();
  // After a machine's sleep or a jump of its clock: a source that is fenced
  // would not come back.
  if (!ended && HasOpenStream()) return false;
  const absl::Time since = ended ? facts_.ended : facts_.last_seen;
  const auto ttl = ended ? settings_.ended_run_ttl : settings_.silent_run_ttl;
  if (now - std::max(since, restored_) <= absl::FromChrono(ttl)) return false;
  deleted_ = true;
  return true;
}

bool Run::RetireIfUnused() {
  const absl::MutexLock lock(&mutex_);
  if (!attempts_.empty()) return false;
  deleted_ = true;
  return true;
}

bool Run::OnMetrics(absl::Time now) const {
  const absl::MutexLock lock(&mutex_);
  if (facts_.ended != absl::InfiniteFuture()) {
    return now - facts_.ended <= absl::FromChrono(settings_.ended_metrics_ttl);
  }
  // A query may have brought one back from the store that died long ago.
  return HasOpenStream() ||
         now - facts_.last_seen <= absl::FromChrono(settings_.silent_run_ttl);
}

RunView Run::View(absl::Time now) const {
  const absl::MutexLock lock(&mutex_);
  RunView view = facts_;
  view.findings = findings_;
  view.glance = assessed_.glance;
  view.assessed = assessed_.assessed;
  for (const auto& attempt : attempts_) {
    AttemptView& shown = view.attempts.emplace_back();
    shown.number = attempt->number;
    shown.resume_step = attempt->resume_step;
    shown.source_count = attempt->source_count;
    shown.started = attempt->started;
    shown.superseded = attempt != attempts_.back();
    shown.dead = attempt->dead;
    shown.sources_opened = attempt->sources_opened;
    for (const auto& [number, source] : attempt->sources) {
      shown.sources_connected += source.connected ? 1U : 0U;
    }
  }
  if (facts_.ended <= now) {
    view.state = RunState::kEnded;
  } else if (!HasOpenStream() &&
             now - facts_.last_seen > absl::FromChrono(settings_.source_idle)) {
    view.state = RunState::kSilent;
  }
  return view;
}

LayerList Run::Layers() const {
  LayerList layers;
  {
    const absl::MutexLock lock(&mutex_);
    layers.reserve(layers_.size());
    for (const auto& [name, layer] : layers_) layers.push_back(layer);
  }
  std::ranges::stable_sort(layers, [](const auto& a, const auto& b) {
    return a->spec().order < b->spec().order;
  });
  return layers;
}

RunFacts Run::Facts() const {
  RunFacts facts{.units = UnitCount()};
  facts.collapsed =
      std::ranges::any_of(Layers(), [units = facts.units](const auto& layer) {
        return layer->IsCollapsed(units);
      });
  return facts;
}

std::uint64_t Run::UnitCount() const {
  const absl::MutexLock lock(&mutex_);
  return facts_.unit_count;
}

}  // namespace firekeeper::server
