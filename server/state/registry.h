// All runs in memory. The one place that queries and ingest meet.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/state/limits.h"
#include "server/state/memory_budget.h"
#include "server/state/run.h"
#include "server/state/run_board.h"
#include "server/state/run_recorder.h"
#include "server/state/views.h"

namespace firekeeper::server {

class FlightTable;

using NowFunction = std::function<absl::Time()>;

struct RunKey {
  std::string tenant;
  std::string run_id;

  // clang-tidy 14 takes the zero of the comparison for a null pointer.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const RunKey&, const RunKey&) = default;
};

// A run that is only in the store.
struct StoredPlace {
  std::uint64_t number = 0;  // of its rows
  absl::Time last_seen;
};
using StoredRuns = std::map<RunKey, StoredPlace>;

// Thread-safe. Lock order: the registry's mutex, then a run's, then a layer's;
// no two of one kind at once.
class Registry {
 public:
  // `now` is called from any thread. `queue`: where changes are kept; null:
  // nowhere. Outlives the registry.
  Registry(const Limits& limits, const StateSettings& settings,
           NowFunction now = &absl::Now, CommitQueue* queue = nullptr);

  // Fetches the run with this number of rows from the store.
  using Loader =
      std::function<absl::StatusOr<std::shared_ptr<Run>>(std::uint64_t number)>;
  // What a restart found: runs that are in memory again, and those that are
  // only in the store. Requires: called once, before anything else.
  void Restore(const std::vector<std::shared_ptr<Run>>& runs, StoredRuns stored,
               Loader loader);

  // A run of this registry that is not in it yet, with these rows.
  [[nodiscard]] std::shared_ptr<Run> MakeRun(const RunKey& key,
                                             std::uint64_t number);

  // Where what is kept can be read; null: nothing is. As NoteFlights().
  void ReadFrom(Store* store) { store_ = store; }
  [[nodiscard]] Store* store() const { return store_; }

  // Where snapshots are noted while they are folded in; null: nowhere.
  // Requires: set before anything else is called; outlives the registry.
  void NoteFlights(FlightTable* flights) { flights_ = flights; }
  [[nodiscard]] FlightTable* flights() const { return flights_; }

  // Who records runs; null: nobody. As NoteFlights().
  void RecordWith(RunRecorder* recorder) { recorder_ = recorder; }
  [[nodiscard]] RunRecorder* recorder() const { return recorder_; }

  // Finds or creates. Fails with RESOURCE_EXHAUSTED where max_runs is reached.
  absl::StatusOr<std::shared_ptr<Run>> FindOrCreate(const RunKey& key);
  // NOT_FOUND where the tenant has no such run. One that has left memory comes
  // back from the store.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Run>> Find(const RunKey& key);
  // Runs of a tenant with run_id > `after`, ascending, at most `limit`.
  [[nodiscard]] std::vector<std::shared_ptr<Run>> List(
      const std::string& tenant, const std::string& after,
      std::size_t limit) const;
  // Runs of all tenants.
  [[nodiscard]] std::vector<std::shared_ptr<Run>> All() const;
  // Forgets a run that no source ever opened (its first Open was refused).
  void DropIfUnused(const RunKey& key);
  // Fences its streams and forgets it. NOT_FOUND as Find().
  absl::Status Delete(const RunKey& key);

  // Applies the TTLs, closes windows by age and renews the board. Called every
  // second or so, by one thread.
  void Sweep();
  // The runs of the last sweep that belong on /metrics.
  [[nodiscard]] const RunBoard& board() const { return board_; }

  // Deletes runs that are only in the store: those not seen for longer than
  // StateSettings::keep_runs, and the one not seen for longest where the store
  // has more than Limits::max_store_bytes. Returns them.
  std::vector<RunKey> Retain(std::uint64_t store_bytes);

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] const StateSettings& settings() const { return settings_; }
  [[nodiscard]] absl::Time Now() const { return now_(); }
  [[nodiscard]] MemoryBudget& memory() { return memory_; }
  [[nodiscard]] StateJournal& journal() { return journal_; }
  [[nodiscard]] const StateJournal& journal() const { return journal_; }

 private:
  // Lets a run go whose TTL is over; false where it stays.
  bool SweepOut(Run& run, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // Retain(), but for recordings.
  std::vector<RunKey> DropStored(std::uint64_t store_bytes);
  // Brings a run back from the store; null where it is not there.
  absl::StatusOr<std::shared_ptr<Run>> Load(const RunKey& key)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Limits limits_;
  const StateSettings settings_;
  const NowFunction now_;
  MemoryBudget memory_;
  RunBoard board_;
  StateJournal journal_;
  FlightTable* flights_ = nullptr;
  RunRecorder* recorder_ = nullptr;
  Store* store_ = nullptr;
  Loader loader_;  // set before anything is served
  // One run at a time comes from the store; taken before mutex_.
  absl::Mutex load_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::map<RunKey, std::shared_ptr<Run>> runs_ ABSL_GUARDED_BY(mutex_);
  StoredRuns stored_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace firekeeper::server
