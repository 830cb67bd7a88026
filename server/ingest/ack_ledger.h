// What a stream may be told: how far its snapshots are merged, how far they are
// safe, and how much more it may send.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/state/state_journal.h"

namespace firekeeper::server {

struct AckMarks {
  std::uint64_t accepted_seq = 0;
  std::uint64_t durable_seq = 0;
  std::uint64_t credit_bytes = 0;

  friend bool operator==(const AckMarks&, const AckMarks&) = default;
};

// Credit covers what was received and is neither dropped nor safe yet: the
// bytes of a tensor are gone once it is reduced, and its summary waits.
//
// Thread-safe: the stream writes, whoever commits asks.
class AckLedger {
 public:
  // `window`: bytes that may wait at a time.
  explicit AckLedger(std::uint64_t window) : window_(window) {}

  // The stream goes on after `accepted`, of which `durable` is safe.
  void Begin(std::uint64_t accepted, std::uint64_t durable);
  // Serialized bytes came. kResourceExhausted where that passes the credit.
  absl::Status Receive(std::uint64_t bytes);
  // Snapshots up to `seq` are merged; they are safe with `ticket`, and
  // `waiting_bytes` of them are held until then.
  void Accept(std::uint64_t seq, Ticket ticket, std::uint64_t waiting_bytes);

  // The marks, given what the store has committed. Never shrink.
  AckMarks Marks(Ticket committed);
  // The same, but only where they differ from those that were last given.
  std::optional<AckMarks> News(Ticket committed);
  // Whether everything accepted is safe.
  [[nodiscard]] bool IsDurable(Ticket committed);

 private:
  struct Waiting {
    std::uint64_t seq;
    Ticket ticket;
    std::uint64_t bytes;
  };

  void Settle(Ticket committed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::uint64_t window_;
  absl::Mutex mutex_;
  AckMarks marks_ ABSL_GUARDED_BY(mutex_);
  std::optional<AckMarks> given_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t received_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);  // ascending
};

}  // namespace firekeeper::server
