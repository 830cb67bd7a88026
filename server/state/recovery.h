// After a restart: runs from the rows of the store.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/state/registry.h"
#include "server/store/store.h"

namespace firekeeper::server {

struct RecoveryReport {
  std::uint64_t runs = 0;           // in memory again
  std::uint64_t stored_runs = 0;    // whose time in memory was over
  std::uint64_t windows = 0;        // from rows of their own
  std::uint64_t contributions = 0;  // folded from the journal
  // Rows that were damaged and are set aside. What they told is UNKNOWN now.
  std::uint64_t corrupt_rows = 0;
  std::uint64_t lost_runs = 0;  // whose own row was damaged
};

// Reads runs. Thread-compatible.
class RunReader {
 public:
  // Requires: both outlive the reader.
  RunReader(Store& store, Registry& registry)
      : store_(store), registry_(registry) {}

  // The run whose rows have this number, as it was when they were committed. A
  // damaged row costs what it told: its window counts as missing data, a signal
  // without its marks begins anew. kDataLoss where the run's own row is gone,
  // kUnavailable where the store cannot be read.
  absl::StatusOr<std::shared_ptr<Run>> Read(std::uint64_t number);

  // Every run of the store: those whose time in memory is not over, and the
  // numbers of the others.
  absl::Status ReadAll(std::vector<std::shared_ptr<Run>>* runs,
                       StoredRuns* stored);

  // Of all reads so far.
  [[nodiscard]] const RecoveryReport& report() const { return report_; }

 private:
  using LayersByNumber = std::map<std::uint32_t, std::shared_ptr<LayerState>>;

  absl::StatusOr<StoredRun> ReadRun(std::uint64_t number);
  absl::StatusOr<std::shared_ptr<Run>> Build(std::uint64_t number,
                                             const StoredRun& stored);
  absl::Status ReadTracks(std::uint64_t number, const Run& run);
  // `marks`: empty where they are damaged.
  absl::Status ReadTrack(std::uint64_t number, const std::string& key,
                         const std::optional<std::string>& marks,
                         const LayersByNumber& layers);

  Store& store_;
  Registry& registry_;
  RecoveryReport report_;
};

// Fills the registry with what the store has; runs whose time in memory is over
// stay in the store until somebody asks. Requires: nothing was opened before;
// `store` outlives the registry. Fails where the store cannot be read.
absl::StatusOr<RecoveryReport> Recover(Store& store, Registry& registry);

}  // namespace firekeeper::server
