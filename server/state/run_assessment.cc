#include "server/state/run_assessment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/state_bytes.h"

namespace firekeeper::server {
namespace {

RunEvent EventOf(const RunLook& look, core::EventKind kind,
                 core::EventSeverity severity, std::string message) {
  RunEvent event;
  event.kind = kind;
  event.severity = severity;
  event.step = look.last_step;
  event.time = look.now;
  event.message = std::move(message);
  return event;
}

}  // namespace

core::EventSeverity SeverityOf(core::Cause cause) {
  if (!core::IsFault(cause)) return core::EventSeverity::kInfo;
  return cause == core::Cause::kNumericalFailure
             ? core::EventSeverity::kCritical
             : core::EventSeverity::kWarning;
}

void RunAssessment::Take(const RunLook& look) {
  TakeLayers(look);
  TakeFindings(look);
  TakeSilence(look);
}

core::LayerAlarms RunAssessment::AlarmsOf(const std::string& layer) const {
  const auto found = alarms_.find(layer);
  return found == alarms_.end() ? core::LayerAlarms() : found->second.active();
}

std::vector<FindingView> RunAssessment::Findings() const {
  std::vector<FindingView> findings;
  findings.reserve(findings_.size());
  for (const auto& [cause, known] : findings_) {
    findings.push_back({.cause = cause, .score = known.score});
  }
  return findings;
}

std::string RunAssessment::Encode() const {
  core::StateWriter writer;
  writer.Put(static_cast<std::uint8_t>(silent_ ? 1 : 0));
  writer.Put(static_cast<std::uint64_t>(findings_.size()));
  for (const auto& [cause, known] : findings_) {
    writer.Put(static_cast<std::uint8_t>(cause));
    writer.Put(static_cast<std::int32_t>(known.absent_looks));
  }
  writer.Put(static_cast<std::uint64_t>(alarms_.size()));
  for (const auto& [layer, alarm] : alarms_) {
    writer.Put(static_cast<std::uint64_t>(layer.size()));
    writer.PutBytes(layer.data(), layer.size());
    alarm.Write(&writer);
  }
  for (const auto& [cause, known] : findings_) writer.Put(known.score);
  return writer.Take();
}

absl::Status RunAssessment::Restore(std::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  core::StateReader reader(bytes);
  RunAssessment read(settings_, log_);
  read.silent_ = reader.GetBool();
  for (std::size_t left = reader.GetSize(5); left > 0; --left) {
    const auto cause = reader.Get<std::uint8_t>();
    if (cause == 0 || cause > core::kCauseCount) reader.Fail();
    if (!reader.ok()) break;
    read.findings_[static_cast<core::Cause>(cause)].absent_looks =
        reader.Get<std::int32_t>();
  }
  for (std::size_t left = reader.GetSize(8); left > 0; --left) {
    const std::size_t size = reader.GetSize(1);
    const char* const name = reader.Next(size);
    if (name == nullptr) break;
    read.alarms_.try_emplace(std::string(name, size), settings_)
        .first->second.Read(&reader);
  }
  // The first releases kept no scores.
  if (!reader.at_end()) {
    for (auto& [cause, known] : read.findings_) {
      known.score = reader.Get<double>();
    }
  }
  if (absl::Status done = reader.Finish("assessment"); !done.ok()) return done;
  silent_ = read.silent_;
  findings_ = std::move(read.findings_);
  alarms_ = std::move(read.alarms_);
  return absl::OkStatus();
}

void RunAssessment::TakeLayers(const RunLook& look) {
  for (const RunLook::Layer& layer : look.layers) {
    core::LayerAlarm& alarm =
        alarms_.try_emplace(layer.name, settings_).first->second;
    for (core::LayerEvent& said : alarm.Observe(layer.situation)) {
      RunEvent event =
          EventOf(look, said.kind, said.severity, std::move(said.message));
      event.layer = layer.name;
      event.step = said.step;
      event.unit_count = said.unit_count;
      log_.Append(std::move(event));
    }
  }
}

void RunAssessment::TakeFindings(const RunLook& look) {
  for (auto& [cause, known] : findings_) ++known.absent_looks;
  for (const core::Finding& finding : look.diagnosis.findings) {
    const auto [known, is_new] = findings_.try_emplace(finding.cause);
    known->second = {.absent_looks = 0, .score = finding.score};
    if (!is_new) continue;
    RunEvent event = EventOf(look, core::EventKind::kFinding,
                             SeverityOf(finding.cause), finding.summary);
    event.cause = finding.cause;
    event.step = finding.last_step;
    log_.Append(std::move(event));
  }
  for (auto known = findings_.begin(); known != findings_.end();) {
    if (known->second.absent_looks < kClearAfter) {
      ++known;
      continue;
    }
    RunEvent event = EventOf(
        look, core::EventKind::kFindingCleared, core::EventSeverity::kInfo,
        absl::StrCat(core::Name(known->first), " is no longer found"));
    event.cause = known->first;
    log_.Append(std::move(event));
    known = findings_.erase(known);
  }
}

void RunAssessment::TakeSilence(const RunLook& look) {
  if (look.silent == silent_) return;
  silent_ = look.silent;
  log_.Append(silent_
                  ? EventOf(look, core::EventKind::kNoData,
                            core::EventSeverity::kWarning,
                            "no source reports any more, and none said goodbye")
                  : EventOf(look, core::EventKind::kDataResumed,
                            core::EventSeverity::kInfo, "a source is back"));
}

}  // namespace firekeeper::server
