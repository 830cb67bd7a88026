// Group commit: takes changes from many threads in order, writes them together
// and tells how far it is.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/store.h"

namespace firekeeper::server {

struct CommitSettings {
  // What comes first ends a group.
  std::chrono::milliseconds interval{200};
  std::size_t group_bytes = std::size_t{4} << 20;
  // Groups that have become full while the disk was busy are committed together
  // up to this size.
  std::size_t most_bytes = std::size_t{32} << 20;
  // How long to wait on a full disk before the next try.
  std::chrono::milliseconds retry{1'000};
};

// Thread-safe. One thread commits; within a group, puts that a later put or
// erase undoes are not written (WriteBatch::Coalesce()).
class CommitQueue {
 public:
  using OnCommitted = std::function<void(std::uint64_t ticket)>;
  using OnFailed = std::function<void(const absl::Status& status)>;

  // `store` outlives the queue. `on_committed` is called after every commit
  // with the greatest ticket that is safe, `on_failed` once when nothing can be
  // committed any more (any failure but a full disk); both from the committing
  // thread, with no lock held.
  CommitQueue(Store& store, const CommitSettings& settings,
              OnCommitted on_committed, OnFailed on_failed);
  // Commits what is there, as Flush(), unless the store failed or is full.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Queues changes that become durable together. Never waits. Returns their
  // ticket: greater than every earlier one, at least 1.
  std::uint64_t Add(WriteBatch batch);

  // The greatest ticket that survives a loss of power; 0 before the first.
  [[nodiscard]] std::uint64_t committed() const;
  // Ends the group that is open: commits it as soon as can be. Does not wait.
  void Hurry();
  // Commits now what is there, and waits for it. Fails with kUnavailable where
  // that did not happen before the deadline, otherwise as Store::Commit().
  absl::Status Flush(absl::Time deadline);

  // OK; kResourceExhausted while the disk is full, what is queued waits and
  // nothing more should be taken in; otherwise why nothing is committed any
  // more.
  [[nodiscard]] absl::Status state() const;
  // Bytes that wait, those of a commit under way included.
  [[nodiscard]] std::size_t waiting_bytes() const;
  // Time that the last commit took.
  [[nodiscard]] absl::Duration last_commit_duration() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace firekeeper::server
