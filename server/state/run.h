// One training job: its attempts, sources and layers, and the rules that keep
// every contribution counted once (DESIGN.md 4 and 5).

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/step_history.h"
#include "core/window.h"
#include "server/state/event_log.h"
#include "server/state/layer_state.h"
#include "server/state/limits.h"
#include "server/state/memory_budget.h"
#include "server/state/open_request.h"
#include "server/state/rows/run_rows.h"
#include "server/state/run_assessment.h"
#include "server/state/run_turns.h"
#include "server/state/views.h"

namespace firekeeper::server {

// A run as the store has it, without its signals. By number: layers of the run,
// sources of the newest attempt.
struct StoredRun {
  RunRecord run;
  std::map<std::uint32_t, LayerSpec> layers;
  // Greater than the number of any layer, also of one whose row is damaged.
  std::uint32_t next_layer = 0;
  std::map<std::uint32_t, SourceRecord> sources;
  std::map<std::uint32_t, SharesRecord> shares;
  CountersRecord counters;
  std::map<std::string, ScalarRecord> scalars;
  std::vector<RunEvent> events;  // ascending
  std::string assessment;        // RunAssessment::Encode()
};

// What a run is to the store. `journal` outlives the run.
struct RunPlace {
  StateJournal& journal;
  std::uint64_t number = 0;  // of its rows
};

// Thread-safe. A call with a handle that a newer attempt or incarnation has
// superseded fails with kAborted (reason FENCED) and changes nothing.
//
// Who folds in a message, from Open() to Disconnect(), has a turn of turns()
// meanwhile; what a sweep or a query asks for takes its own.
class Run {
 public:
  Run(std::string tenant, std::string run_id, const Limits& limits,
      const StateSettings& settings, MemoryBudget& memory,
      const RunPlace& place, absl::Time now);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Takes over what the store has; the tracks of the layers follow one by one.
  // Fails where the assessment cannot be read: it then begins anew. Requires:
  // nothing was called before.
  absl::Status Restore(const StoredRun& stored, absl::Time now);

  // Joins the attempt of the launch token, or begins it. Fails, changing
  // nothing: kAborted (FENCED) for a superseded token, kInvalidArgument for a
  // source_count, layer or share that disagrees with what others declared,
  // kResourceExhausted for limits, kNotFound for a deleted run.
  absl::StatusOr<OpenResult> Open(const OpenRequest& request,
                                  FenceFunction on_fenced, absl::Time now);

  // The layer of that name; null where no source declared it.
  [[nodiscard]] std::shared_ptr<LayerState> FindLayer(
      const std::string& name) const;

  // A message came from a source, with this much payload. Asked before anything
  // of the message is folded in, so that a superseded stream changes nothing.
  absl::Status Receive(const SourceHandle& handle, std::uint64_t payload_bytes,
                       absl::Time now);
  // Counts a snapshot as accepted, whatever became of it. Returns what keeps
  // it. Requires: its seq is the next one of the source, and it was merged.
  absl::StatusOr<Ticket> Accept(const SourceHandle& handle,
                                const AcceptedSnapshot& snapshot,
                                absl::Time now);

  // Snapshots (accepted mark, to_seq] will never come. Returns what keeps that.
  absl::StatusOr<Ticket> AcceptGap(const SourceHandle& handle,
                                   std::uint64_t to_seq, absl::Time now);
  // Fails with kResourceExhausted where memory for `sampled_steps` is used up.
  absl::Status SetProgress(const SourceHandle& handle,
                           std::int64_t complete_through_step,
                           const std::vector<std::int64_t>& sampled_steps,
                           absl::Time now);
  // Keeps the value of the greatest step. kResourceExhausted beyond
  // max_scalars_per_run names.
  absl::Status SetScalar(const std::string& name, std::int64_t step,
                         double value);
  // The source is done. A run whose sources all closed has ended. Returns what
  // keeps that.
  absl::StatusOr<Ticket> CloseSource(const SourceHandle& handle,
                                     absl::Time now);
  // The stream is gone; the source may come back.
  void Disconnect(const SourceHandle& handle, absl::Time now);

  // Marks the run as ended; closes every window.
  void End(absl::Time now);
  // Fences all streams; every later Open is refused. The store forgets the run.
  void Delete();
  // The same, but its rows stay. Requires: RetireIfExpired() said so.
  void Leave();
  // Refuses every later Open if the TTL of an ended or silent run is over, or
  // if no source ever opened it. False, changing nothing, otherwise. A run with
  // an open stream is not silent, whatever the clock says.
  [[nodiscard]] bool RetireIfExpired(absl::Time now);
  [[nodiscard]] bool RetireIfUnused();
  // Closes windows that are due by age or because their sources went idle.
  void Sweep(absl::Time now);
  // Looks at the whole run and notes what is new as events. Does nothing where
  // nothing changed since the last look.
  void Assess(absl::Time now);
  // The same. Requires: the caller has the turn.
  void AssessInTurn(absl::Time now);
  // The same, but only where a window closed, an attempt began or the run fell
  // silent: what the sweep can afford every second.
  void AssessClosedWindows(absl::Time now);
  // What the last look found.
  [[nodiscard]] AssessedRun Assessed() const;
  [[nodiscard]] EventLog& events() { return events_; }
  // Belongs on /metrics now.
  [[nodiscard]] bool OnMetrics(absl::Time now) const;

  // Everything that /metrics tells of the run. Layers are those of the last
  // look, or of now where there was none or one was declared since.
  [[nodiscard]] std::shared_ptr<const RunPage> Page(absl::Time now);
  // The next Page() begins anew: a run that is not shown keeps none.
  void ForgetPage();

  [[nodiscard]] RunView View(absl::Time now) const;
  // By step, ascending; empty where only the newest value is kept, or none.
  [[nodiscard]] std::vector<std::pair<std::int64_t, double>> ScalarHistory(
      const std::string& name) const;
  // Layers in forward order (order, then name).
  [[nodiscard]] LayerList Layers() const;
  // Sum of unit_count over the layers: for LayerState::View().
  [[nodiscard]] std::uint64_t UnitCount() const;
  // For LayerState::Units(); judges every layer whose evidence changed.
  [[nodiscard]] RunFacts Facts() const;

  [[nodiscard]] RunTurns& turns() { return turns_; }
  // Of its rows in the store.
  [[nodiscard]] std::uint64_t number() const { return place_.number; }
  [[nodiscard]] const std::string& tenant() const { return tenant_; }
  [[nodiscard]] const std::string& run_id() const { return run_id_; }

 private:
  struct Source;
  struct Attempt;

  // Of streams that an Open supersedes: called once the lock is released.
  using Fenced = std::vector<FenceFunction>;
  // The attempt of the token; null where the token is new and may begin one.
  absl::StatusOr<Attempt*> FindAttempt(const OpenRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckLayers(const OpenRequest& request,
                           const Attempt* attempt) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Attempt* BeginAttempt(const OpenRequest& request, absl::Time now,
                        Fenced* fenced, WriteBatch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LayerList DeclareLayers(const OpenRequest& request, const Attempt& attempt,
                          WriteBatch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the source to a new stream.
  OpenResult Connect(const OpenRequest& request, FenceFunction on_fenced,
                     absl::Time now, Fenced* fenced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The source of a handle; kAborted or kNotFound where it lost its place.
  absl::StatusOr<Source*> FindSource(const SourceHandle& handle)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Heard(Source* source, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool HasOpenStream() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Windows that end by this step are to be closed now (DESIGN.md 5).
  [[nodiscard]] std::int64_t CloseBeforeStep(absl::Time now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseDueWindows(absl::Time now, bool by_age);
  // Fences all streams and lets the layers go.
  void Abandon();
  // What the store has of the run, or of one of its sources, from now on.
  void PutRun(WriteBatch* batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutSource(std::uint32_t number, const Source& source,
                 WriteBatch* batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutCounters(WriteBatch* batch) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutScalars(WriteBatch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutEvents() ABSL_EXCLUSIVE_LOCKS_REQUIRED(assess_mutex_);
  void PutUnitsOf(const std::vector<RunEvent>& events, WriteBatch* batch) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(assess_mutex_);
  void RestoreFacts(const StoredRun& stored, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RestoreAttempts(const StoredRun& stored, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RestoreShares(const StoredRun& stored)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A source is at `seq`: kept with its mark and the counters of the run.
  Ticket KeepMark(std::uint32_t number, Source* source, std::uint64_t seq)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const AcceptedSnapshot& snapshot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For the scalars that the diagnosis reads.
  void KeepHistory(const std::string& name, std::int64_t step, double value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `views` receives what each layer shows beside what is looked at.
  [[nodiscard]] RunLook Look(absl::Time now, std::vector<LayerView>* views)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds what the assessment says of each layer.
  [[nodiscard]] std::shared_ptr<const LayerPages> PagesOf(
      std::vector<LayerView> views)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(assess_mutex_);
  [[nodiscard]] std::uint64_t Version() const;

  const std::string tenant_;
  const std::string run_id_;
  const RunPlace place_;
  RunTurns turns_;
  EventLog events_;
  // One look at a time, so that events come in order.
  absl::Mutex assess_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  RunAssessment assessment_ ABSL_GUARDED_BY(assess_mutex_);
  std::uint64_t assessed_version_ ABSL_GUARDED_BY(assess_mutex_) = 0;
  // Windows closed, attempts begun and the like; compared by the sweep.
  std::atomic<std::uint64_t> closings_{0};
  std::uint64_t assessed_closings_ ABSL_GUARDED_BY(assess_mutex_) = 0;
  bool silent_ ABSL_GUARDED_BY(assess_mutex_) = false;
  // Of the last look; null before it.
  std::shared_ptr<const LayerPages> layer_pages_ ABSL_GUARDED_BY(assess_mutex_);
  std::uint64_t kept_events_ ABSL_GUARDED_BY(assess_mutex_) = 0;  // newest id
  std::string kept_assessment_ ABSL_GUARDED_BY(assess_mutex_);
  const Limits limits_;
  const StateSettings settings_;
  MemoryBudget& memory_;

  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Attempt>> attempts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<LayerState>> layers_
      ABSL_GUARDED_BY(mutex_);
  // All of the view but attempts and state.
  RunView facts_ ABSL_GUARDED_BY(mutex_);
  // Step of the newest value of each scalar.
  std::map<std::string, std::int64_t> scalar_steps_ ABSL_GUARDED_BY(mutex_);
  // Of the scalars that the diagnosis reads.
  std::map<std::string, core::StepHistory<double>> scalar_history_
      ABSL_GUARDED_BY(mutex_);
  // Names whose row is out of date.
  std::set<std::string> changed_scalars_ ABSL_GUARDED_BY(mutex_);
  AssessedRun assessed_ ABSL_GUARDED_BY(mutex_);
  // That the assessment has reported and not cleared: what /metrics shows does
  // not flap, and is there at once after a restart.
  std::vector<FindingView> findings_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_incarnation_ ABSL_GUARDED_BY(mutex_) = 0;
  // A layer whose declaration was lost keeps its number, and its rows.
  std::uint32_t next_layer_ ABSL_GUARDED_BY(mutex_) = 0;
  // Windows that end by this step were closed.
  std::int64_t closed_before_ ABSL_GUARDED_BY(mutex_) = 0;
  // When it came back from the store; its time in memory begins anew.
  absl::Time restored_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool deleted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace firekeeper::server
