#include "server/store/commit_queue.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "server/failpoint.h"

namespace firekeeper::server {
namespace {

// Changes that are committed together.
struct Group {
  WriteBatch batch;
  std::size_t bytes = 0;  // as they were added
  std::uint64_t first_ticket = 0;
  std::uint64_t last_ticket = 0;
  absl::Time due;  // when its interval is over
};

}  // namespace

class CommitQueue::Impl {
 public:
  Impl(Store& store, const CommitSettings& settings, OnCommitted on_committed,
       OnFailed on_failed)
      : store_(store),
        settings_(settings),
        on_committed_(std::move(on_committed)),
        on_failed_(std::move(on_failed)),
        committer_([this] { Run(); }) {}
  ~Impl() {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint64_t Add(WriteBatch batch);
  void Hurry() {
    const absl::MutexLock lock(&mutex_);
    wanted_ = last_ticket_;
  }
  absl::Status Flush(absl::Time deadline);

  std::uint64_t committed() const {
    const absl::MutexLock lock(&mutex_);
    return committed_;
  }
  absl::Status state() const {
    const absl::MutexLock lock(&mutex_);
    return state_;
  }
  std::size_t waiting_bytes() const {
    const absl::MutexLock lock(&mutex_);
    return waiting_bytes_;
  }
  absl::Duration last_commit_duration() const {
    const absl::MutexLock lock(&mutex_);
    return last_commit_duration_;
  }

 private:
  void Run();
  // Waits until one is due; none where the queue ends.
  std::optional<Group> NextGroup();
  // Tries until it is decided. Whether the queue goes on.
  bool CommitGroup(const Group& group);
  absl::Status TryToCommit(const Group& group);
  void Succeed(const Group& group);
  void Fail(const absl::Status& status);
  // Whether there is another try.
  bool WaitForSpace(const absl::Status& full);

  bool IsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return absl::IsResourceExhausted(state_);
  }
  bool IsFailed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !state_.ok() && !IsFull();
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !groups_.empty();
  }
  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Group& group = groups_.front();
    return stopping_ || group.bytes >= settings_.group_bytes ||
           group.first_ticket <= wanted_;
  }
  bool MustNotWait() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || wanted_try_ > tries_;
  }

  Store& store_;
  const CommitSettings settings_;
  const OnCommitted on_committed_;
  const OnFailed on_failed_;

  mutable absl::Mutex mutex_;
  // Ascending tickets; only the last may grow.
  std::deque<Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t committed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Tickets up to here wait neither for an interval nor for a full group.
  std::uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  // Commits begun so far, and up to which one they do not wait for `retry`.
  std::uint64_t tries_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t wanted_try_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last of them that met a full disk.
  std::uint64_t full_try_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status state_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_commit_duration_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // Last, so that it has ended before what it uses goes.
  std::jthread committer_;
};

std::uint64_t CommitQueue::Impl::Add(WriteBatch batch) {
  const absl::MutexLock lock(&mutex_);
  const std::uint64_t ticket = ++last_ticket_;
  if (IsFailed()) return ticket;
  if (groups_.empty() || groups_.back().bytes >= settings_.group_bytes) {
    const absl::Time due = absl::Now() + absl::FromChrono(settings_.interval);
    groups_.push_back(
        {.batch = {}, .first_ticket = ticket, .last_ticket = 0, .due = due});
  }
  Group& group = groups_.back();
  group.bytes += batch.byte_size();
  waiting_bytes_ += batch.byte_size();
  group.batch.Append(std::move(batch));
  group.last_ticket = ticket;
  return ticket;
}

absl::Status CommitQueue::Impl::Flush(absl::Time deadline) {
  const absl::MutexLock lock(&mutex_);
  const std::uint64_t ticket = last_ticket_;
  // A try that is under way may have missed the space that is there by now.
  const std::uint64_t first_try = tries_ + 1;
  wanted_ = std::max(wanted_, ticket);
  wanted_try_ = std::max(wanted_try_, first_try);
  const auto is_over = [&, this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return committed_ >= ticket || IsFailed() ||
           (IsFull() && full_try_ >= first_try);
  };
  const bool over =
      mutex_.AwaitWithDeadline(absl::Condition(&is_over), deadline);
  if (committed_ >= ticket) return absl::OkStatus();
  if (over) return state_;
  return absl::UnavailableError("changes still wait to be committed");
}

void CommitQueue::Impl::Run() {
  while (auto group = NextGroup()) {
    Failpoint("commit.taken");
    group->batch.Coalesce();
    if (!CommitGroup(*group)) return;
  }
}

std::optional<Group> CommitQueue::Impl::NextGroup() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Impl::HasWork));
  if (groups_.empty()) return std::nullopt;
  mutex_.AwaitWithDeadline(absl::Condition(this, &Impl::IsDue),
                           groups_.front().due);
  std::optional<Group> group = std::move(groups_.front());
  groups_.pop_front();
  // On a full disk a small group may fit where a large one does not.
  while (!groups_.empty() && !IsFull() &&
         groups_.front().bytes >= settings_.group_bytes &&
         group->bytes + groups_.front().bytes <= settings_.most_bytes) {
    Group& next = groups_.front();
    group->bytes += next.bytes;
    group->batch.Append(std::move(next.batch));
    group->last_ticket = next.last_ticket;
    groups_.pop_front();
  }
  return group;
}

bool CommitQueue::Impl::CommitGroup(const Group& group) {
  while (true) {
    const absl::Status status = TryToCommit(group);
    if (status.ok()) {
      Succeed(group);
      return true;
    }
    if (!absl::IsResourceExhausted(status)) {
      Fail(status);
      return false;
    }
    if (!WaitForSpace(status)) return false;
  }
}

absl::Status CommitQueue::Impl::TryToCommit(const Group& group) {
  {
    const absl::MutexLock lock(&mutex_);
    ++tries_;
  }
  const absl::Time start = absl::Now();
  absl::Status status;
  if (!group.batch.empty()) status = store_.Commit(group.batch);
  const absl::Duration took = absl::Now() - start;
  const absl::MutexLock lock(&mutex_);
  last_commit_duration_ = took;
  return status;
}

void CommitQueue::Impl::Succeed(const Group& group) {
  {
    const absl::MutexLock lock(&mutex_);
    state_ = absl::OkStatus();
    committed_ = group.last_ticket;
    waiting_bytes_ -= group.bytes;
  }
  Failpoint("commit.done");
  on_committed_(group.last_ticket);
  Failpoint("commit.told");
}

void CommitQueue::Impl::Fail(const absl::Status& status) {
  {
    const absl::MutexLock lock(&mutex_);
    state_ = status;
    // Nothing of it will ever be committed.
    groups_.clear();
    waiting_bytes_ = 0;
  }
  on_failed_(status);
}

bool CommitQueue::Impl::WaitForSpace(const absl::Status& full) {
  const absl::MutexLock lock(&mutex_);
  state_ = full;
  full_try_ = tries_;
  mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::MustNotWait),
                          absl::FromChrono(settings_.retry));
  return !stopping_;
}

CommitQueue::CommitQueue(Store& store, const CommitSettings& settings,
                         OnCommitted on_committed, OnFailed on_failed)
    : impl_(std::make_unique<Impl>(store, settings, std::move(on_committed),
                                   std::move(on_failed))) {}

CommitQueue::~CommitQueue() = default;

std::uint64_t CommitQueue::Add(WriteBatch batch) {
  return impl_->Add(std::move(batch));
}

std::uint64_t CommitQueue::committed() const { return impl_->committed(); }

void CommitQueue::Hurry() { impl_->Hurry(); }

absl::Status CommitQueue::Flush(absl::Time deadline) {
  return impl_->Flush(deadline);
}

absl::Status CommitQueue::state() const { return impl_->state(); }

std::size_t CommitQueue::waiting_bytes() const {
  return impl_->waiting_bytes();
}

absl::Duration CommitQueue::last_commit_duration() const {
  return impl_->last_commit_duration();
}

}  // namespace firekeeper::server
