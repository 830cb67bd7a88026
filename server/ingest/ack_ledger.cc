#include "server/ingest/ack_ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace firekeeper::server {

void AckLedger::Begin(std::uint64_t accepted, std::uint64_t durable) {
  const absl::MutexLock lock(&mutex_);
  marks_ = {.accepted_seq = accepted,
            .durable_seq = durable,
            .credit_bytes = window_};
}

absl::Status AckLedger::Receive(std::uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  received_bytes_ += bytes;
  if (received_bytes_ <= marks_.credit_bytes) return absl::OkStatus();
  return Refusal(absl::StatusCode::kResourceExhausted, "CREDIT_EXCEEDED",
                 absl::StrCat(received_bytes_,
                              " bytes were sent; the credit "
                              "is ",
                              marks_.credit_bytes));
}

void AckLedger::Accept(std::uint64_t seq, Ticket ticket,
                       std::uint64_t waiting_bytes) {
  const absl::MutexLock lock(&mutex_);
  marks_.accepted_seq = seq;
  waiting_bytes_ += waiting_bytes;
  waiting_.push_back({.seq = seq, .ticket = ticket, .bytes = waiting_bytes});
}

void AckLedger::Settle(Ticket committed) {
  while (!waiting_.empty() && waiting_.front().ticket <= committed) {
    marks_.durable_seq = waiting_.front().seq;
    waiting_bytes_ -= waiting_.front().bytes;
    waiting_.pop_front();
  }
  // One snapshot may be larger as a summary than all that was received.
  const std::uint64_t granted = received_bytes_ + window_;
  marks_.credit_bytes = std::max(marks_.credit_bytes,
                                 granted - std::min(granted, waiting_bytes_));
}

AckMarks AckLedger::Marks(Ticket committed) {
  const absl::MutexLock lock(&mutex_);
  Settle(committed);
  given_ = marks_;
  return marks_;
}

std::optional<AckMarks> AckLedger::News(Ticket committed) {
  const absl::MutexLock lock(&mutex_);
  Settle(committed);
  if (given_ == marks_) return std::nullopt;
  given_ = marks_;
  return marks_;
}

bool AckLedger::IsDurable(Ticket committed) {
  const absl::MutexLock lock(&mutex_);
  Settle(committed);
  return waiting_.empty();
}

}  // namespace firekeeper::server
