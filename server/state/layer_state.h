// Everything that is known of one layer of a run: a track for each signal and
// phase, and the verdicts computed from them.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/diagnosis/facts.h"
#include "core/firing_rule.h"
#include "core/health.h"
#include "core/layer_alarm.h"
#include "core/side_evidence.h"
#include "core/signal_track.h"
#include "core/window.h"
#include "server/state/layer_rows.h"
#include "server/state/layer_spec.h"
#include "server/state/limits.h"
#include "server/state/memory_budget.h"
#include "server/state/views.h"

namespace firekeeper::server {

// Where a snapshot belongs.
struct SnapshotPlace {
  std::uint32_t attempt = 0;
  std::uint32_t source = 0;
  core::Signal signal{};
  core::Phase phase{};
  std::int64_t step = 0;
  std::uint32_t part = 0;
};

struct MergeResult {
  core::MergeOutcome outcome{};
  // Held until the store has committed it.
  std::size_t waiting_bytes = 0;
};

// What the store has of a track, by key.
struct TrackRows {
  std::optional<std::string> marks;  // empty: damaged
  std::optional<std::string> units;
  std::map<std::string, std::string> archive;
  std::map<std::string, std::string> windows;
  std::map<std::string, std::string> journal;
  // Keys of damaged rows of windows and contributions.
  std::vector<std::string> damaged_windows;
  bool is_damaged = false;  // units or archive
};

// What became of them.
struct TrackRestored {
  std::uint64_t windows = 0;
  std::uint64_t contributions = 0;
  std::uint64_t archived = 0;
  std::uint64_t corrupt_rows = 0;
  std::uint64_t last_number = 0;  // of the journal
};

// What the assessment of a run reads of a layer.
struct LayerLook {
  core::LayerFacts facts;
  core::LayerSituation situation;  // windows_without_data is the run's to tell
  // First steps of the retained TRAIN windows that received anything.
  std::vector<std::int64_t> windows;
};

// Thread-safe.
class LayerState {
 public:
  LayerState(LayerSpec spec, const StateSettings& settings,
             MemoryBudget& memory, const LayerPlace& place);
  ~LayerState();
  LayerState(const LayerState&) = delete;
  LayerState& operator=(const LayerState&) = delete;

  [[nodiscard]] const LayerSpec& spec() const { return spec_; }
  // In its run.
  [[nodiscard]] std::uint32_t number() const { return number_; }

  // How a snapshot of this layer has to be reduced.
  [[nodiscard]] core::FiringRule RuleFor(core::Signal signal) const;
  [[nodiscard]] core::ColumnSet ColumnsFor(core::Signal signal) const;

  // Whether a source of `attempt` may hold `share`: kInvalidArgument where it
  // contradicts what this or another source of the attempt declared.
  [[nodiscard]] absl::Status CheckShare(std::uint32_t attempt,
                                        std::uint32_t source,
                                        const LayerShare& share) const;
  // Declares it. Requires: CheckShare() allowed it, the attempt has begun.
  void Declare(std::uint32_t source, const LayerShare& share);
  // What a source declared; empty where it did not.
  [[nodiscard]] std::optional<LayerShare> ShareOf(std::uint32_t source) const;

  // Merges one snapshot of a source. `summary` has the units of the source's
  // share (for INPUT all of them), columns as ColumnsFor() says (clusters may
  // be missing: the step is the cluster) and carries its step. Fails, changing
  // nothing, with kInvalidArgument for other columns or units, kOutOfRange for
  // a step whose window is no longer retained, kResourceExhausted where memory
  // is used up, kAborted where `attempt` was superseded.
  absl::StatusOr<MergeResult> Merge(const SnapshotPlace& place,
                                    const core::UnitSummary& summary,
                                    absl::Time now);

  // A new attempt executes from `resume_step` on. What the store must change
  // goes into `batch`, so that all layers begin it together.
  void BeginAttempt(std::uint32_t attempt, std::int64_t resume_step,
                    WriteBatch* batch);
  // The run is gone: everything is refused from now on, nothing is kept.
  void Retire();

  // After a restart: the attempt that was under way, then each track, from the
  // rows of the store. A window whose rows are damaged counts as missing data;
  // a signal whose figures are begins anew. Requires: shares and run units are
  // declared.
  void Resume(std::uint32_t attempt, std::int64_t resume_step);
  TrackRestored RestoreTrack(TrackKey key, const TrackRows& rows);
  // Of signals yet to come, windows that end at or before `step` are closed
  // from their first contribution on, as those of the others are.
  void SetClosedBefore(std::int64_t step);
  // Closes windows that end at or before `before`, and those older than the
  // wall-clock limit. Does nothing where `attempt` was superseded.
  // Returns whether any was closed.
  bool CloseWindows(std::uint32_t attempt, std::int64_t before, absl::Time now);
  // Steps that were sampled although nothing may have arrived. Does nothing
  // where `attempt` was superseded; kResourceExhausted, changing nothing, where
  // memory is used up.
  absl::Status NoteSampled(std::uint32_t attempt,
                           const std::vector<std::int64_t>& steps);

  // Units of the run: M of the lives that become final from now on.
  void SetRunUnits(std::uint64_t run_units);

  // `run_units`: M before rounding, the units of all layers of the run.
  [[nodiscard]] LayerView View(std::uint64_t run_units);
  // Every unit is dead, and no residual connection passes the layer.
  [[nodiscard]] bool IsCollapsed(std::uint64_t run_units);
  // Verdicts of the units in one of `states` (empty: any), at most `limit`,
  // from unit `first` on; sorted otherwise than by unit, from the `first`-th
  // on. `total` counts all of them, wherever they are. Empty where View() is
  // not observable.
  [[nodiscard]] UnitPage Units(const RunFacts& run,
                               const std::vector<core::HealthState>& states,
                               std::uint64_t first, std::size_t limit,
                               const UnitSort& sort = {});
  // The units in at most `max_buckets` buckets. Requires: max_buckets >= 1.
  [[nodiscard]] UnitStripView Strip(std::uint64_t run_units,
                                    std::uint64_t max_buckets);
  // Without bins where View() is not observable.
  [[nodiscard]] UnitHistogramView Histogram(std::uint64_t run_units,
                                            UnitFigure figure);
  // Of the newest closed window that has a sketch, else of the newest open one,
  // in at most `max_bins` bins. Without values where there is none.
  // Requires: max_bins >= 2.
  [[nodiscard]] DistributionView Distribution(TrackKey key,
                                              std::size_t max_bins) const;
  // For the assessment and the diagnosis.
  [[nodiscard]] LayerLook Look(std::uint64_t run_units);
  // Raised by everything that can alter a look.
  [[nodiscard]] std::uint64_t version() const;
  // Retained windows of a signal, oldest first; empty where not streamed.
  [[nodiscard]] std::vector<SignalView> History(core::Signal signal,
                                                core::Phase phase) const;

 private:
  struct Verdicts;

  core::TrackSettings SettingsFor(TrackKey key) const;
  core::SignalTrack MakeTrack(TrackKey key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  core::ExpectedShards Expected(core::Signal signal) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes `bytes` from the budget; kResourceExhausted where they do not fit.
  absl::Status TakeMemory(std::size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes or gives back what the tracks hold more or less than is charged.
  void SettleMemory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<core::Signal> HealthSignal() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillSignals(LayerLook* look) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const core::SignalTrack* FindTrack(TrackKey key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  core::SideTracks SidesOf(core::Signal health_signal) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Raised by every change of what verdicts rest on.
  std::uint64_t EvidenceVersion(core::Signal health_signal) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What units are, now; null where no signal tells.
  std::shared_ptr<const Verdicts> Evaluate(std::uint64_t run_units)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ascending; those in one of `states`, or all.
  static std::vector<core::Index> MatchingUnits(
      const Verdicts& verdicts, const std::vector<core::HealthState>& states);
  [[nodiscard]] UnitView UnitViewOf(const Verdicts& verdicts,
                                    const RunFacts& run,
                                    core::Index unit) const;

  // Where a snapshot counts.
  struct Placed {
    core::Contribution contribution;  // without its fingerprint
    bool cluster_is_step = false;
  };

  absl::StatusOr<Placed> PlaceOf(const SnapshotPlace& place,
                                 const core::UnitSummary& summary) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False where the figures of the units are not known any more.
  static bool ReadFigures(const TrackRows& rows, core::SignalTrack* track,
                          TrackRestored* restored);
  static std::set<std::int64_t> LostWindows(const TrackRows& rows);
  void FoldJournal(TrackKey key, const TrackRows& rows,
                   std::set<std::int64_t>* lost, core::SignalTrack* track,
                   TrackRestored* restored)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `row`: the contribution as the store keeps it.
  absl::StatusOr<MergeResult> MergeLocked(TrackKey key, const Placed& placed,
                                          const core::UnitSummary& summary,
                                          std::string row, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LayerSpec spec_;
  const StateSettings settings_;
  MemoryBudget& memory_;
  const std::uint32_t number_;
  const bool keeps_;

  mutable absl::Mutex mutex_;
  std::map<TrackKey, core::SignalTrack> tracks_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t attempt_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t resume_step_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t closed_before_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t run_units_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::uint32_t, LayerShare> shares_ ABSL_GUARDED_BY(mutex_);
  // Taken from the budget for windows and unit records.
  std::size_t charged_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  LayerRows rows_ ABSL_GUARDED_BY(mutex_);
  // Of the last Evaluate(), reused while nothing changed.
  std::shared_ptr<const Verdicts> verdicts_ ABSL_GUARDED_BY(mutex_);
  // The most deaths and revivals that any verdicts counted.
  std::uint64_t deaths_total_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t revivals_total_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace firekeeper::server
