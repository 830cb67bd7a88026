#include "server/state/state_journal.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

// What may wait for the disk. Credit bounds each stream; this all of them.
constexpr std::size_t kMaxWaitingBytes = std::size_t{512} << 20;

}  // namespace

Ticket StateJournal::Add(WriteBatch batch) const {
  if (queue_ == nullptr || batch.empty()) return 0;
  return queue_->Add(std::move(batch));
}

Ticket StateJournal::committed() const {
  return queue_ == nullptr ? std::numeric_limits<Ticket>::max()
                           : queue_->committed();
}

void StateJournal::Hurry() const {
  if (queue_ != nullptr) queue_->Hurry();
}

absl::Status StateJournal::Settle() const {
  constexpr absl::Duration kLongest = absl::Seconds(5);
  return queue_ == nullptr ? absl::OkStatus()
                           : queue_->Flush(absl::Now() + kLongest);
}

absl::Status StateJournal::Admits() const {
  if (queue_ == nullptr) return absl::OkStatus();
  if (const absl::Status state = queue_->state(); !state.ok()) {
    return Overloaded(
        absl::StrCat("the store takes nothing in: ", state.message()),
        std::chrono::seconds(5));
  }
  const std::size_t waiting = queue_->waiting_bytes();
  if (waiting <= kMaxWaitingBytes) return absl::OkStatus();
  return Overloaded(absl::StrCat(waiting, " bytes wait for the disk; at most ",
                                 kMaxWaitingBytes),
                    std::chrono::seconds(1));
}

void StateJournal::SkipNumbers(std::uint64_t last) {
  std::uint64_t now = last_number_.load();
  while (now < last && !last_number_.compare_exchange_weak(now, last)) {
  }
}

}  // namespace firekeeper::server
