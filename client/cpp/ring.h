// What waits to be sent or acknowledged: snapshots with their sequence numbers,
// bounded in bytes. Free of threads and gRPC.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

// Consecutive sequence numbers [from_seq, to_seq] that will not be sent, and
// what they stood for.
struct LostRange {
  std::uint64_t from_seq = 0;
  std::uint64_t to_seq = 0;
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  std::uint64_t samples = 0;
};

// Thread-compatible.
//
// Numbers start at 1 and have no holes. Those in [first_held(), next_seq())
// have a slot; all before are gone for good, by ack or by drop. A slot without
// a snapshot is a number that was given up or refused while older ones are
// still held. At every moment enqueued = acked + rejected + dropped + buffered.
class Ring {
 public:
  struct Slot {
    // Null: dropped or rejected.
    std::shared_ptr<const v1::Snapshot> snapshot;
    // Its serialized size.
    std::size_t wire_bytes = 0;
    // Observations of one unit.
    std::uint64_t samples = 0;
    std::int64_t step = 0;
    // What it counts against the capacity.
    std::size_t memory_bytes = 0;
  };

  explicit Ring(std::size_t capacity_bytes) : capacity_(capacity_bytes) {}

  // Gives `snapshot` the next number and makes room by dropping the oldest,
  // sent or not. One that is larger than the ring is dropped itself.
  std::uint64_t Push(std::shared_ptr<const v1::Snapshot> snapshot,
                     std::uint64_t samples);

  // The server has everything up to `seq`; numbers never given are ignored.
  void AckThrough(std::uint64_t seq);
  // Frees the snapshot of `seq`. False, changing nothing, where none is held.
  bool Reject(std::uint64_t seq);
  bool Drop(std::uint64_t seq);
  // Drops everything; the numbers go on.
  void DropAll();

  // Where `seq` cannot be sent: the longest range from it on that cannot be
  // either. Absent where `seq` is held or has not been given.
  [[nodiscard]] std::optional<LostRange> LostFrom(std::uint64_t seq) const;
  // Null where `seq` has no slot.
  [[nodiscard]] const Slot* Find(std::uint64_t seq) const;

  [[nodiscard]] std::uint64_t first_held() const { return first_held_; }
  [[nodiscard]] std::uint64_t next_seq() const {
    return first_held_ + slots_.size();
  }
  [[nodiscard]] std::uint64_t acked_seq() const { return acked_seq_; }

  [[nodiscard]] std::uint64_t enqueued() const { return next_seq() - 1; }
  [[nodiscard]] std::uint64_t acked() const { return acked_; }
  [[nodiscard]] std::uint64_t rejected() const { return rejected_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] std::uint64_t buffered() const { return buffered_; }
  [[nodiscard]] std::size_t buffered_bytes() const { return bytes_; }

 private:
  // Steps and observations of numbers that are gone.
  struct Extent {
    bool empty = true;
    std::int64_t first_step = 0;
    std::int64_t last_step = 0;
    std::uint64_t samples = 0;

    void Add(const Slot& slot);
    void Add(const Extent& other);
  };

  void DropFront();
  // Frees the snapshot; the slot stays. False where there was none.
  bool Release(Slot& slot);
  Slot* FindMutable(std::uint64_t seq);

  const std::size_t capacity_;
  std::deque<Slot> slots_;        // slots_[i] is number first_held_ + i
  std::uint64_t first_held_ = 1;  // > acked_seq_
  std::uint64_t acked_seq_ = 0;
  Extent acked_extent_;    // of numbers <= acked_seq_
  Extent dropped_extent_;  // of numbers in (acked_seq_, first_held_)
  std::size_t bytes_ = 0;  // of all slots; <= capacity_
  std::uint64_t acked_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t buffered_ = 0;
};

}  // namespace firekeeper::client
