// When what happens to a layer is worth an event: thresholds with hysteresis,
// each condition reported once.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firekeeper::core {

// Values equal those of firekeeper.v1.
enum class EventKind : std::uint8_t {
  kUnitsDied = 1,
  kUnitsRevived = 2,
  kLayerDying = 3,
  kLayerCollapsed = 4,
  kLayerRecovered = 5,
  kNoData = 6,
  kNonFinite = 7,
  kFinding = 8,
  kCollapseSuspected = 9,
  kDataResumed = 10,
  kFindingCleared = 11,
};

enum class EventSeverity : std::uint8_t { kInfo = 1, kWarning, kCritical };

// "units_died", "layer_collapsed", …
[[nodiscard]] const char* Name(EventKind kind);
// "info", "warning", "critical".
[[nodiscard]] const char* Name(EventSeverity severity);

struct AlarmSettings {
  // Share of DEAD units, 0 to 1, at which a layer is dying.
  double warn_dead_share = 0.2;
  double critical_dead_share = 0.5;
  // A layer of nothing but SILENT units is suspected of collapse after this
  // many silent clusters.
  std::uint64_t suspect_clusters = 64;
  // An alarm ends where the share falls below this part of its threshold, so
  // that a layer at the threshold does not report back and forth.
  double clear_ratio = 0.9;
  // A layer that received nothing for this many windows while the run went on
  // has no data.
  std::size_t no_data_windows = 3;
};

// A layer at the end of its newest closed window.
struct LayerSituation {
  std::int64_t step = -1;  // last step that the verdicts rest on
  std::uint64_t units = 0;
  std::uint64_t dead = 0;  // DEAD and BORN_DEAD
  std::uint64_t silent = 0;
  std::uint64_t non_finite = 0;
  std::uint64_t deaths = 0;    // so far; never shrinks
  std::uint64_t revivals = 0;  // so far; never shrinks
  // Of the least observed silent unit, since it fell silent.
  std::uint64_t silent_clusters = 0;
  // Every unit is proven unable to fire on the data seen.
  bool proven_dead = false;
  // Windows that the run closed after the last one in which this layer
  // received anything.
  std::size_t windows_without_data = 0;
};

struct LayerEvent {
  EventKind kind{};
  EventSeverity severity{};
  std::int64_t step = -1;
  std::uint64_t unit_count = 0;
  std::string message;
};

// What is wrong with a layer now. Of dying, dead and collapsed at most one; a
// suspicion may stand beside the first two.
struct LayerAlarms {
  bool dying = false;               // warn_dead_share is reached
  bool dead = false;                // critical_dead_share is
  bool collapse_suspected = false;  // all units silent, not all for certain
  bool collapsed = false;           // all units dead, or proven so
  bool non_finite = false;
  bool no_data = false;
  std::uint64_t windows_without_data = 0;

  friend bool operator==(const LayerAlarms&, const LayerAlarms&) = default;
};

class StateReader;
class StateWriter;

// Remembers what was reported of one layer. Thread-compatible.
class LayerAlarm {
 public:
  explicit LayerAlarm(const AlarmSettings& settings) : settings_(settings) {}

  // What is new since the last call. An alarm that rises is reported at once;
  // one that falls only when it is over. Where nothing is known of the layer,
  // as when an attempt begins anew, its death is neither.
  [[nodiscard]] std::vector<LayerEvent> Observe(const LayerSituation& now);

  // What was reported and is not over.
  [[nodiscard]] LayerAlarms active() const;

  // What was reported, as bytes and back; Read() fails the reader where they
  // do not fit together.
  void Write(StateWriter* writer) const;
  void Read(StateReader* reader);

 private:
  enum class Level : std::uint8_t {
    kQuiet,
    kDying,
    kHalfDead,
    kSuspected,
    kCollapsed
  };

  [[nodiscard]] Level LevelOf(const LayerSituation& now) const;
  // Whether the alarm of `level_` still holds, a little below its threshold.
  [[nodiscard]] bool StillHolds(const LayerSituation& now) const;
  void ReportCounts(const LayerSituation& now, std::vector<LayerEvent>* events);
  void ReportLevel(const LayerSituation& now, std::vector<LayerEvent>* events);
  void ReportData(const LayerSituation& now, std::vector<LayerEvent>* events);

  // By the share of dead units alone.
  [[nodiscard]] Level LevelOfShare(double share) const;

  AlarmSettings settings_;
  Level level_ = Level::kQuiet;
  double dead_share_ = 0.0;
  std::uint64_t windows_without_data_ = 0;
  std::uint64_t deaths_ = 0;    // reported so far
  std::uint64_t revivals_ = 0;  // reported so far
  bool non_finite_ = false;
  bool no_data_ = false;
};

}  // namespace firekeeper::core
