#include "client/cpp/ring.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace firekeeper::client {

namespace {

// What a slot takes beside its snapshot, allocator and shared_ptr included. An
// upper bound on how many snapshots, however small, fit the ring.
constexpr std::size_t kSlotBytes = 128;

}  // namespace

void Ring::Extent::Add(const Slot& slot) {
  first_step = empty ? slot.step : std::min(first_step, slot.step);
  last_step = empty ? slot.step : std::max(last_step, slot.step);
  samples += slot.samples;
  empty = false;
}

void Ring::Extent::Add(const Extent& other) {
  if (other.empty) return;
  first_step =
      empty ? other.first_step : std::min(first_step, other.first_step);
  last_step = empty ? other.last_step : std::max(last_step, other.last_step);
  samples += other.samples;
  empty = false;
}

std::uint64_t Ring::Push(std::shared_ptr<const v1::Snapshot> snapshot,
                         std::uint64_t samples) {
  assert(snapshot != nullptr);
  const std::uint64_t seq = next_seq();
  Slot slot;
  slot.wire_bytes = snapshot->ByteSizeLong();
  slot.samples = samples;
  slot.step = snapshot->step();
  slot.memory_bytes = kSlotBytes + snapshot->SpaceUsedLong();
  if (slot.memory_bytes > capacity_) {
    // Everything older would have to go and it would still not fit.
    slot.memory_bytes = kSlotBytes;
    ++dropped_;
  } else {
    slot.snapshot = std::move(snapshot);
    ++buffered_;
  }
  bytes_ += slot.memory_bytes;
  slots_.push_back(std::move(slot));
  while (bytes_ > capacity_ && !slots_.empty()) DropFront();
  return seq;
}

void Ring::DropFront() {
  Slot& front = slots_.front();
  if (Release(front)) ++dropped_;
  dropped_extent_.Add(front);
  bytes_ -= front.memory_bytes;
  slots_.pop_front();
  ++first_held_;
}

bool Ring::Release(Slot& slot) {
  if (slot.snapshot == nullptr) return false;
  slot.snapshot.reset();
  bytes_ -= slot.memory_bytes - kSlotBytes;
  slot.memory_bytes = kSlotBytes;
  --buffered_;
  return true;
}

void Ring::AckThrough(std::uint64_t seq) {
  seq = std::min(seq, next_seq() - 1);
  if (seq <= acked_seq_) return;
  acked_seq_ = seq;
  while (first_held_ <= seq) {
    Slot& front = slots_.front();
    if (Release(front)) ++acked_;
    acked_extent_.Add(front);
    bytes_ -= front.memory_bytes;
    slots_.pop_front();
    ++first_held_;
  }
  if (first_held_ == seq + 1) {
    acked_extent_.Add(std::exchange(dropped_extent_, Extent{}));
  }
}

bool Ring::Reject(std::uint64_t seq) {
  Slot* slot = FindMutable(seq);
  if (slot == nullptr || !Release(*slot)) return false;
  ++rejected_;
  return true;
}

bool Ring::Drop(std::uint64_t seq) {
  Slot* slot = FindMutable(seq);
  if (slot == nullptr || !Release(*slot)) return false;
  ++dropped_;
  return true;
}

void Ring::DropAll() {
  while (!slots_.empty()) DropFront();
}

std::optional<LostRange> Ring::LostFrom(std::uint64_t seq) const {
  if (seq == 0 || seq >= next_seq()) return std::nullopt;
  Extent extent;
  if (seq < first_held_) {
    extent.Add(dropped_extent_);
    // A server that lost its memory asks for what it once acknowledged.
    if (seq <= acked_seq_) extent.Add(acked_extent_);
  }
  std::uint64_t end = std::max(seq, first_held_);
  for (; end < next_seq(); ++end) {
    const Slot& slot = slots_[end - first_held_];
    if (slot.snapshot != nullptr) break;
    extent.Add(slot);
  }
  if (end == seq) return std::nullopt;
  return LostRange{.from_seq = seq,
                   .to_seq = end - 1,
                   .first_step = extent.first_step,
                   .last_step = extent.last_step,
                   .samples = extent.samples};
}

const Ring::Slot* Ring::Find(std::uint64_t seq) const {
  if (seq < first_held_ || seq >= next_seq()) return nullptr;
  return &slots_[seq - first_held_];
}

Ring::Slot* Ring::FindMutable(std::uint64_t seq) {
  if (seq < first_held_ || seq >= next_seq()) return nullptr;
  return &slots_[seq - first_held_];
}

}  // namespace firekeeper::client
