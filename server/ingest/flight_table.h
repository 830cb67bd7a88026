// Which snapshots are being folded in right now, in memory that outlives the
// process: after a crash it tells which of them may have caused it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace firekeeper::server {

// Names one snapshot of one source.
struct FlightName {
  std::string tenant;
  std::string run_id;
  std::uint32_t source = 0;
  std::uint64_t instance_id = 0;
  std::uint64_t seq = 0;

  friend bool operator==(const FlightName&, const FlightName&) = default;
};

// A file that is mapped and never synced: the system keeps it when the process
// dies, and a loss of power may lose it, which costs a count. A snapshot that
// was under way at kFatalCrashes ends of the process, and was never folded in
// between, is taken to be their cause.
//
// Thread-safe.
class FlightTable {
 public:
  static constexpr std::uint32_t kFatalCrashes = 3;

  // Opens or creates the file and counts what was under way. A file that is
  // damaged begins anew. Fails with kUnavailable where it cannot be used.
  static absl::StatusOr<std::unique_ptr<FlightTable>> Open(
      const std::string& path);
  ~FlightTable();
  FlightTable(const FlightTable&) = delete;
  FlightTable& operator=(const FlightTable&) = delete;

  // Notes the snapshot while it lives. Must not outlive the table.
  class Flight {
   public:
    Flight(FlightTable& table, const FlightName& name);
    ~Flight();
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

   private:
    FlightTable& table_;
    std::size_t slot_;
    bool was_suspect_ = false;
  };

  // Whether the snapshot has ended the process kFatalCrashes times.
  [[nodiscard]] bool IsFatal(const FlightName& name) const;
  // Snapshots of which IsFatal() is true.
  [[nodiscard]] std::vector<FlightName> Fatal() const;

 private:
  struct Slot;
  struct Layout;

  explicit FlightTable(Layout* layout) : layout_(layout) {}
  void CountCrashes();
  // Where the snapshot stands among the suspects; their number if nowhere.
  [[nodiscard]] std::size_t FindSuspect(const FlightName& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Layout* const layout_;  // what it points to is guarded by mutex_
  // Nearly always 0: then nobody is looked up.
  std::size_t suspect_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace firekeeper::server
