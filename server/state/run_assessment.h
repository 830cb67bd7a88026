// What a run's figures mean, kept from one look to the next: the alarms of its
// layers, the findings that hold, and the events that tell of both.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/diagnosis/finding.h"
#include "core/layer_alarm.h"
#include "server/state/event_log.h"
#include "server/state/views.h"

namespace firekeeper::server {

// A run at one moment.
struct RunLook {
  struct Layer {
    std::string name;
    core::LayerSituation situation;
  };
  std::vector<Layer> layers;
  core::Diagnosis diagnosis;
  std::int64_t last_step = -1;  // that the diagnosis rests on
  bool silent = false;          // no source reports, and none said goodbye
  absl::Time now;
};

// What is told of the newest look.
struct AssessedRun {
  core::Diagnosis diagnosis;
  std::int64_t last_step = -1;
  RunGlance glance;
  absl::Time assessed = absl::InfinitePast();
};

// How grave it is that the cause was found.
[[nodiscard]] core::EventSeverity SeverityOf(core::Cause cause);

// Thread-compatible.
class RunAssessment {
 public:
  // Requires: `log` outlives the assessment.
  RunAssessment(const core::AlarmSettings& settings, EventLog& log)
      : settings_(settings), log_(log) {}

  // Appends to the log what is new since the last look. A finding is reported
  // when it appears and once more when it was absent for kClearAfter looks.
  void Take(const RunLook& look);

  // Of a layer; nothing holds of one that was never seen.
  [[nodiscard]] core::LayerAlarms AlarmsOf(const std::string& layer) const;

  // What was reported and not cleared, each with its score when last found.
  [[nodiscard]] std::vector<FindingView> Findings() const;

  // What was reported, as bytes and back. Restore() fails with kDataLoss where
  // they do not fit together; the assessment then begins anew.
  [[nodiscard]] std::string Encode() const;
  absl::Status Restore(std::string_view bytes);

 private:
  static constexpr int kClearAfter = 2;

  struct KnownFinding {
    int absent_looks = 0;
    double score = 0.0;
  };

  void TakeLayers(const RunLook& look);
  void TakeFindings(const RunLook& look);
  void TakeSilence(const RunLook& look);

  core::AlarmSettings settings_;
  EventLog& log_;
  std::map<std::string, core::LayerAlarm> alarms_;  // by layer
  std::map<core::Cause, KnownFinding> findings_;    // reported, not cleared
  bool silent_ = false;                             // reported
};

}  // namespace firekeeper::server
