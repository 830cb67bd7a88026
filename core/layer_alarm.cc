#include "core/layer_alarm.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {
namespace {

double DeadShare(const LayerSituation& now) {
  if (now.units == 0) return 0.0;
  return static_cast<double>(now.dead) / static_cast<double>(now.units);
}

// "32 of 64 units are dead"
std::string CountText(std::uint64_t count, std::uint64_t units,
                      const char* what) {
  return absl::StrCat(count, " of ", units, units == 1 ? " unit" : " units",
                      count == 1 ? " is " : " are ", what);
}

std::string PercentText(double share) {
  return absl::StrCat(share * 100.0, " %");
}

}  // namespace

const char* Name(EventKind kind) {
  switch (kind) {
    case EventKind::kUnitsDied:
      return "units_died";
    case EventKind::kUnitsRevived:
      return "units_revived";
    case EventKind::kLayerDying:
      return "layer_dying";
    case EventKind::kLayerCollapsed:
      return "layer_collapsed";
    case EventKind::kLayerRecovered:
      return "layer_recovered";
    case EventKind::kNoData:
      return "no_data";
    case EventKind::kNonFinite:
      return "non_finite";
    case EventKind::kFinding:
      return "finding";
    case EventKind::kCollapseSuspected:
      return "collapse_suspected";
    case EventKind::kDataResumed:
      return "data_resumed";
    case EventKind::kFindingCleared:
      return "finding_cleared";
  }
  assert(false);
  return "";
}

const char* Name(EventSeverity severity) {
  switch (severity) {
    case EventSeverity::kInfo:
      return "info";
    case EventSeverity::kWarning:
      return "warning";
    case EventSeverity::kCritical:
      return "critical";
  }
  assert(false);
  return "";
}

std::vector<LayerEvent> LayerAlarm::Observe(const LayerSituation& now) {
  std::vector<LayerEvent> events;
  ReportCounts(now, &events);
  ReportLevel(now, &events);
  ReportData(now, &events);
  return events;
}

LayerAlarms LayerAlarm::active() const {
  // A suspicion says nothing of the units that are dead for certain.
  const Level certain =
      level_ == Level::kSuspected ? LevelOfShare(dead_share_) : level_;
  return {.dying = certain == Level::kDying,
          .dead = certain == Level::kHalfDead,
          .collapse_suspected = level_ == Level::kSuspected,
          .collapsed = level_ == Level::kCollapsed,
          .non_finite = non_finite_,
          .no_data = no_data_,
          .windows_without_data = windows_without_data_};
}

void LayerAlarm::ReportCounts(const LayerSituation& now,
                              std::vector<LayerEvent>* events) {
  if (now.deaths > deaths_) {
    const std::uint64_t died = now.deaths - deaths_;
    events->push_back({.kind = EventKind::kUnitsDied,
                       .severity = EventSeverity::kInfo,
                       .step = now.step,
                       .unit_count = died,
                       .message = absl::StrCat(
                           died, died == 1 ? " unit" : " units", " died; now ",
                           CountText(now.dead, now.units, "dead"))});
  }
  if (now.revivals > revivals_) {
    const std::uint64_t revived = now.revivals - revivals_;
    events->push_back(
        {.kind = EventKind::kUnitsRevived,
         .severity = EventSeverity::kInfo,
         .step = now.step,
         .unit_count = revived,
         .message = absl::StrCat(revived, revived == 1 ? " unit" : " units",
                                 " that had been dead fired again")});
  }
  deaths_ = std::max(deaths_, now.deaths);
  revivals_ = std::max(revivals_, now.revivals);
  if (now.non_finite > 0 && !non_finite_) {
    events->push_back({.kind = EventKind::kNonFinite,
                       .severity = EventSeverity::kCritical,
                       .step = now.step,
                       .unit_count = now.non_finite,
                       .message = CountText(now.non_finite, now.units,
                                            "giving NaN or infinity")});
  }
  non_finite_ = now.non_finite > 0;
}

LayerAlarm::Level LayerAlarm::LevelOf(const LayerSituation& now) const {
  if (now.units == 0) return Level::kQuiet;
  if (now.dead == now.units || now.proven_dead) return Level::kCollapsed;
  if (now.dead + now.silent == now.units &&
      now.silent_clusters >= settings_.suspect_clusters) {
    return Level::kSuspected;
  }
  return LevelOfShare(DeadShare(now));
}

LayerAlarm::Level LayerAlarm::LevelOfShare(double share) const {
  if (share >= settings_.critical_dead_share) return Level::kHalfDead;
  if (share >= settings_.warn_dead_share) return Level::kDying;
  return Level::kQuiet;
}

bool LayerAlarm::StillHolds(const LayerSituation& now) const {
  const double share = DeadShare(now) / settings_.clear_ratio;
  switch (level_) {
    case Level::kQuiet:
      return true;
    case Level::kDying:
      return share >= settings_.warn_dead_share;
    case Level::kHalfDead:
      return share >= settings_.critical_dead_share;
    case Level::kSuspected:
      return now.dead + now.silent == now.units;
    case Level::kCollapsed:
      // One unit that fires lets gradients pass: no hysteresis.
      return now.dead == now.units || now.proven_dead;
  }
  assert(false);
  return true;
}

void LayerAlarm::ReportLevel(const LayerSituation& now,
                             std::vector<LayerEvent>* events) {
  if (now.step < 0) return;
  dead_share_ = DeadShare(now);
  const Level level = LevelOf(now);
  if (level == level_ || (level < level_ && StillHolds(now))) return;
  const Level before = level_;
  level_ = level;
  const std::string dead = CountText(now.dead, now.units, "dead");
  const auto report = [&](EventKind kind, EventSeverity severity,
                          std::string message) {
    events->push_back({.kind = kind,
                       .severity = severity,
                       .step = now.step,
                       .unit_count = now.proven_dead ? now.units : now.dead,
                       .message = std::move(message)});
  };
  if (level == Level::kQuiet) {
    report(EventKind::kLayerRecovered, EventSeverity::kInfo, dead);
    return;
  }
  // What has become less bad was reported when it was worse; a suspicion was
  // not about death.
  if (level < before && before != Level::kSuspected) return;
  switch (level) {
    case Level::kQuiet:
      break;
    case Level::kDying:
      report(EventKind::kLayerDying, EventSeverity::kWarning,
             absl::StrCat(dead, "; the warning is set at ",
                          PercentText(settings_.warn_dead_share)));
      break;
    case Level::kHalfDead:
      report(EventKind::kLayerDying, EventSeverity::kCritical,
             absl::StrCat(dead, "; critical is set at ",
                          PercentText(settings_.critical_dead_share)));
      break;
    case Level::kSuspected:
      report(EventKind::kCollapseSuspected, EventSeverity::kWarning,
             absl::StrCat("no unit fired in the last ", now.silent_clusters,
                          " examples; ", dead,
                          " with certainty, the others are only silent"));
      break;
    case Level::kCollapsed:
      report(
          EventKind::kLayerCollapsed, EventSeverity::kCritical,
          absl::StrCat(now.proven_dead ? "every unit is proven unable to fire"
                                       : "every unit is dead",
                       "; no gradient passes the layer"));
      break;
  }
}

void LayerAlarm::ReportData(const LayerSituation& now,
                            std::vector<LayerEvent>* events) {
  windows_without_data_ = now.windows_without_data;
  const bool missing = now.windows_without_data >= settings_.no_data_windows;
  if (missing == no_data_) return;
  no_data_ = missing;
  events->push_back(
      {.kind = missing ? EventKind::kNoData : EventKind::kDataResumed,
       .severity = missing ? EventSeverity::kWarning : EventSeverity::kInfo,
       .step = now.step,
       .unit_count = now.units,
       .message =
           missing ? absl::StrCat("nothing came for ", now.windows_without_data,
                                  " windows while the run went on")
                   : "data comes again"});
}

}  // namespace firekeeper::core
