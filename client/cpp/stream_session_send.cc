// What StreamSession sends next, and what the credit has to say to it.

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/stream_session.h"

namespace firekeeper::client {

namespace {

constexpr std::size_t kMaxBatchSnapshots = 256;

}  // namespace

std::optional<Outgoing> StreamSession::Next(Time now) {
  if (state_ != ConnectionState::kStreaming || fenced_ || close_sent_) {
    return std::nullopt;
  }
  if (now < throttled_until_) return std::nullopt;
  // The chunks of a tensor follow each other with nothing between them.
  if (chunk_) return NextChunk();
  if (control_ || PrepareControl(now)) return NextControl();
  return NextSnapshots();
}

bool StreamSession::ProgressDue(Time now) const {
  const auto silence = now - last_progress_;
  if (silence >= settings_.heartbeat) return true;
  return progress_.HasNews(next_to_send_) &&
         (closing_ || silence >= settings_.progress_interval);
}

bool StreamSession::PrepareControl(Time now) {
  v1::StreamRequest request;
  while (const Ring::Slot* slot = ring_.Find(next_to_send_)) {
    if (slot->snapshot == nullptr) break;
    const std::string why = TooLarge(*slot);
    if (why.empty()) break;
    if (!oversize_logged_) {
      Log(LogSeverity::kWarning,
          absl::StrCat("dropped a snapshot of layer ", slot->snapshot->layer(),
                       ": ", why));
    }
    oversize_logged_ = true;
    ring_.Drop(next_to_send_);
  }
  if (const auto lost = ring_.LostFrom(next_to_send_)) {
    v1::Gap& gap = *request.mutable_gap();
    gap.set_from_seq(lost->from_seq);
    gap.set_to_seq(lost->to_seq);
    gap.set_first_step(lost->first_step);
    gap.set_last_step(lost->last_step);
    gap.set_samples(lost->samples);
    gap.set_reason("dropped by the client");
    next_to_send_ = lost->to_seq + 1;
  } else if (ProgressDue(now)) {
    *request.mutable_progress() = progress_.Take(next_to_send_);
    last_progress_ = now;
  } else if (closing_ && next_to_send_ == ring_.next_seq()) {
    request.mutable_close()->set_final_seq(ring_.next_seq() - 1);
  } else {
    return false;
  }
  control_ = std::move(request);
  return true;
}

std::optional<Outgoing> StreamSession::NextControl() {
  if (!Charge(control_->ByteSizeLong())) return std::nullopt;
  close_sent_ = control_->has_close();
  return std::exchange(control_, std::nullopt);
}

std::string StreamSession::TooLarge(const Ring::Slot& slot) const {
  const v1::Snapshot& snapshot = *slot.snapshot;
  std::size_t wire_bytes = BatchWireBytes(slot.wire_bytes, 1);
  if (snapshot.has_tensor()) {
    const std::size_t data = snapshot.tensor().data().size();
    const std::uint64_t limit = limits_.max_tensor_bytes();
    if (limit > 0 && data > limit) {
      return absl::StrCat("tensor of ", data, " bytes; the server takes ",
                          limit);
    }
    if (data > message_bytes_ && snapshot.tensor().cluster_axis() != 0) {
      return absl::StrCat("tensor of ", data, " bytes, whose cluster axis ",
                          "keeps it in one piece; the server takes ",
                          message_bytes_);
    }
    wire_bytes = ChunkWireBytes(snapshot, std::min(data, message_bytes_));
  }
  for (const std::uint64_t limit :
       {limits_.max_message_bytes(), limits_.credit_window_bytes()}) {
    if (limit > 0 && wire_bytes > limit) {
      return absl::StrCat("message of ", wire_bytes,
                          " bytes; the server takes ", limit);
    }
  }
  return "";
}

std::optional<Outgoing> StreamSession::NextSnapshots() {
  const Ring::Slot* slot = ring_.Find(next_to_send_);
  if (slot == nullptr) return std::nullopt;
  assert(slot->snapshot != nullptr);  // PrepareControl() declared it otherwise
  if (slot->snapshot->tensor().data().size() > message_bytes_) {
    StartChunks(*slot);
    return NextChunk();
  }
  BatchPlan plan = PlanBatch();
  if (!Charge(plan.wire_bytes)) return std::nullopt;
  next_to_send_ += plan.snapshots.size();
  return plan;
}

BatchPlan StreamSession::PlanBatch() const {
  BatchPlan plan{.first_seq = next_to_send_, .snapshots = {}};
  std::size_t bytes = 0;
  // At least one; more while they fit both the message and the credit, so that
  // a nearly spent credit does not hold up what it still covers.
  for (std::uint64_t seq = next_to_send_;
       plan.snapshots.size() < kMaxBatchSnapshots; ++seq) {
    const Ring::Slot* slot = ring_.Find(seq);
    if (slot == nullptr || slot->snapshot == nullptr) break;
    const std::size_t with =
        BatchWireBytes(bytes + slot->wire_bytes, plan.snapshots.size() + 1);
    const bool fits =
        with <= message_bytes_ && with <= credit_bytes_ - sent_bytes_;
    if (!plan.snapshots.empty() && !fits) break;
    bytes += slot->wire_bytes;
    plan.snapshots.push_back(slot->snapshot);
    plan.wire_bytes = with;
  }
  return plan;
}

void StreamSession::StartChunks(const Ring::Slot& slot) {
  const std::size_t data = slot.snapshot->tensor().data().size();
  chunk_ = ChunkPlan{.seq = next_to_send_,
                     .snapshot = slot.snapshot,
                     .index = 0,
                     .count = static_cast<std::uint32_t>(
                         (data + message_bytes_ - 1) / message_bytes_),
                     .offset = 0,
                     .length = message_bytes_};
}

std::optional<Outgoing> StreamSession::NextChunk() {
  const ChunkPlan plan = *chunk_;
  if (!Charge(ChunkWireBytes(*plan.snapshot, plan.length))) {
    return std::nullopt;
  }
  const std::size_t end = plan.offset + plan.length;
  const std::size_t left = plan.snapshot->tensor().data().size() - end;
  if (left == 0) {
    chunk_.reset();
    ++next_to_send_;
  } else {
    ++chunk_->index;
    chunk_->offset = end;
    chunk_->length = std::min(message_bytes_, left);
  }
  return plan;
}

bool StreamSession::Charge(std::size_t wire_bytes) {
  if (wire_bytes > credit_bytes_ - sent_bytes_) return false;
  sent_bytes_ += wire_bytes;
  charged_bytes_ = wire_bytes;
  return true;
}

void StreamSession::OnBuilt(std::size_t wire_bytes) {
  assert(wire_bytes <= charged_bytes_);
  // Bounds that were never corrected would add up and starve a long stream.
  sent_bytes_ -= charged_bytes_ - wire_bytes;
  charged_bytes_ = wire_bytes;
}

StreamSession::Time StreamSession::WakeAt(Time now) const {
  if (state_ == ConnectionState::kConnecting) {
    return began_ + settings_.open_timeout;
  }
  if (now < throttled_until_) return throttled_until_;
  // An answer of the server ends these; the transport then looks again.
  if (control_ || chunk_ || close_sent_ || fenced_) {
    return now + settings_.heartbeat;
  }
  return last_progress_ + (progress_.HasNews(next_to_send_)
                               ? settings_.progress_interval
                               : settings_.heartbeat);
}

}  // namespace firekeeper::client
