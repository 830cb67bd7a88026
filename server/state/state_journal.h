// How changes of the state reach the store, and when they are safe there.

#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "server/store/commit_queue.h"

namespace firekeeper::server {

// Names a change; kept once the store has committed it. 0: nothing to keep.
using Ticket = std::uint64_t;

// Thread-safe. Never waits, so it may be called with any lock held: changes are
// kept in the order in which they were added.
class StateJournal {
 public:
  // `queue` outlives the journal; null: nothing is kept, a restart forgets
  // everything.
  explicit StateJournal(CommitQueue* queue = nullptr) : queue_(queue) {}

  [[nodiscard]] bool keeps() const { return queue_ != nullptr; }
  // Changes that become durable together.
  Ticket Add(WriteBatch batch) const;
  // Everything up to this ticket survives a restart.
  [[nodiscard]] Ticket committed() const;
  // Someone waits: commits what was added without waiting for more.
  void Hurry() const;
  // Waits until everything added so far is safe; kUnavailable where that takes
  // too long. Requires: no lock is held that a commit could need.
  absl::Status Settle() const;
  // kUnavailable with RetryInfo while the store cannot take more in.
  [[nodiscard]] absl::Status Admits() const;

  // Numbers the rows of contributions, so that none replaces another.
  [[nodiscard]] std::uint64_t NextNumber() { return ++last_number_; }
  // Numbers up to this one are taken.
  void SkipNumbers(std::uint64_t last);

 private:
  CommitQueue* queue_ = nullptr;
  std::atomic<std::uint64_t> last_number_{0};
};

}  // namespace firekeeper::server
