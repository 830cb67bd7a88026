// The store of a server with everything around it: opened, committed to in
// groups, watched by /metrics, closed.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/ingest/flight_table.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/state/recovery.h"
#include "server/store/commit_queue.h"
#include "server/store/store.h"

namespace firekeeper::server {

// A metric of the store.
struct StoreMetric {
  const char* name;
  const char* help;
  double value;
  bool is_counter;
};

// Thread-safe.
class StoreKeeper {
 public:
  // Keeps nothing where there is no data directory. Fails with kDataLoss where
  // the directory cannot be used, saying why. Requires: `logger` outlives the
  // keeper.
  static absl::StatusOr<std::unique_ptr<StoreKeeper>> Open(
      const Options& options, Logger& logger);
  ~StoreKeeper();
  StoreKeeper(const StoreKeeper&) = delete;
  StoreKeeper& operator=(const StoreKeeper&) = delete;
  StoreKeeper(StoreKeeper&&) = delete;
  StoreKeeper& operator=(StoreKeeper&&) = delete;

  // Both null where nothing is kept.
  [[nodiscard]] CommitQueue* queue() { return queue_.get(); }
  [[nodiscard]] Store* store() { return store_.get(); }
  // Fills the registry with what the store has, and logs what that was.
  absl::Status Recover(Registry& registry);

  // `told` is called after every commit from now on; null: no longer, and a
  // call under way is over when this returns.
  void Tell(std::function<void()> told);
  // As StoreFigures::bytes_used; 0 where nothing is kept.
  [[nodiscard]] std::uint64_t used_bytes() const {
    return store_ ? store_->Figures().bytes_used : 0;
  }
  // Commits what waits. OK where nothing is kept.
  absl::Status Flush(absl::Time deadline);

  // Empty where nothing is kept.
  [[nodiscard]] std::vector<StoreMetric> Metrics() const;

 private:
  explicit StoreKeeper(Logger& logger) : logger_(logger) {}
  void OnCommitted();
  void OnFailed(const absl::Status& status) const;

  Logger& logger_;
  absl::Mutex tell_mutex_;
  std::function<void()> told_ ABSL_GUARDED_BY(tell_mutex_);
  RecoveryReport recovered_;  // set before anything is served
  double recovery_seconds_ = 0.0;
  std::unique_ptr<FlightTable> flights_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<CommitQueue> queue_;
};

}  // namespace firekeeper::server
