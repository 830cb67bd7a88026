// All runs in memory. The one place that queries, /metrics and ingest meet.

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
#include "server/state/views.h"

namespace firekeeper::server {

using NowFunction = std::function<absl::Time()>;

struct RunKey {
  std::string tenant;
  std::string run_id;

  // clang-tidy 14 takes the zero of the comparison for a null pointer.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const RunKey&, const RunKey&) = default;
};

// Thread-safe. Lock order: the registry's mutex, then a run's, then a layer's;
// no two of one kind at once.
class Registry {
 public:
  // `now` is called from any thread.
  Registry(const Limits& limits, const StateSettings& settings,
           NowFunction now = &absl::Now);

  // Finds or creates. Fails with RESOURCE_EXHAUSTED where max_runs is reached.
  absl::StatusOr<std::shared_ptr<Run>> FindOrCreate(const RunKey& key);
  // NOT_FOUND where the tenant has no such run.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Run>> Find(
      const RunKey& key) const;
  // Runs of a tenant with run_id > `after`, ascending, at most `limit`.
  [[nodiscard]] std::vector<std::shared_ptr<Run>> List(
      const std::string& tenant, const std::string& after,
      std::size_t limit) const;
  // Runs of all tenants, for /metrics.
  [[nodiscard]] std::vector<std::shared_ptr<Run>> All() const;
  // Forgets a run that no source ever opened (its first Open was refused).
  void DropIfUnused(const RunKey& key);
  // Fences its streams and forgets it. NOT_FOUND as Find().
  absl::Status Delete(const RunKey& key);

  // Applies the TTLs and closes windows by age. Called every second or so.
  void Sweep();

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] const StateSettings& settings() const { return settings_; }
  [[nodiscard]] absl::Time Now() const { return now_(); }
  [[nodiscard]] MemoryBudget& memory() { return memory_; }

 private:
  const Limits limits_;
  const StateSettings settings_;
  const NowFunction now_;
  MemoryBudget memory_;
  mutable absl::Mutex mutex_;
  std::map<RunKey, std::shared_ptr<Run>> runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::server
