// A store that forgets with the process, fails on demand, and shows what a
// crash would leave behind.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/store/store.h"

namespace firekeeper::testing {

// Thread-safe. Rows stand in it as in a database, behind a frame.
class MemoryStore : public server::Store {
 public:
  // Asked before every commit, with no lock held: may wait, or refuse it.
  using Gate = std::function<absl::Status(const server::WriteBatch& batch)>;

  // Every commit from now on fails with `status`, changing nothing; OK ends it.
  void FailCommits(const absl::Status& status);
  void SetGate(Gate gate);
  // A store that holds exactly what was committed here, and none of the above.
  [[nodiscard]] std::unique_ptr<MemoryStore> Clone() const;
  // Flips a bit of a row. Whether there is such a row.
  bool Damage(const server::RowKey& at);

  absl::Status Commit(const server::WriteBatch& batch) override;
  absl::Status Read(server::Table table, std::uint64_t run,
                    const std::string& begin, const std::string& end,
                    const Visitor& visit,
                    std::vector<std::string>* corrupt) override;
  absl::StatusOr<std::vector<std::uint64_t>> Runs() override;
  [[nodiscard]] server::StoreFigures Figures() const override;

 private:
  using Rows = std::map<std::string, std::string>;
  using Place = std::pair<std::uint64_t, server::Table>;

  void Apply(const server::Mutation& mutation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Gate gate_ ABSL_GUARDED_BY(mutex_);
  std::map<Place, Rows> tables_ ABSL_GUARDED_BY(mutex_);
  // Copies of damaged rows: place, key, what was stored.
  std::set<std::tuple<Place, std::string, std::string>> quarantine_
      ABSL_GUARDED_BY(mutex_);
  server::StoreFigures figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::testing
