// Takes a tensor in, whole or chunk by chunk, and gives its summary out. Memory
// grows with the units of a layer, never with the tensor.

#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/reduce.h"
#include "firekeeper/v1/ingest.pb.h"
#include "server/state/limits.h"
#include "server/state/memory_budget.h"

namespace firekeeper::server {

// Thread-compatible. One tensor at a time.
class TensorIntake {
 public:
  // Requires: both outlive the intake.
  TensorIntake(const Limits& limits, MemoryBudget& memory);
  ~TensorIntake();
  TensorIntake(const TensorIntake&) = delete;
  TensorIntake& operator=(const TensorIntake&) = delete;

  // Folds in a snapshot that has a tensor; `width` is the number of units the
  // source holds, `options` how to reduce. Empty while chunks are missing, the
  // summary after the last. Fails with FieldError, LimitError or Overloaded;
  // the tensor in flight is then to be dropped.
  absl::StatusOr<std::optional<core::UnitSummary>> Fold(
      const v1::Snapshot& snapshot, core::Index width,
      const core::ReduceOptions& options);
  // Whether `snapshot` may come now: anything while no chunk is awaited,
  // otherwise exactly the next chunk.
  [[nodiscard]] absl::Status CheckNext(const v1::Snapshot& snapshot) const;
  void Drop() { first_.reset(); }

  [[nodiscard]] bool in_flight() const { return first_.has_value(); }
  [[nodiscard]] std::size_t MemoryUsed() const { return reducer_.MemoryUsed(); }

 private:
  absl::Status Begin(const v1::Snapshot& snapshot, core::Index width,
                     const core::ReduceOptions& options);

  const Limits& limits_;
  MemoryBudget& memory_;
  core::Reducer reducer_;
  std::size_t taken_bytes_ = 0;  // from memory_
  // Chunk 0 without its data and mask; set while chunks are awaited.
  std::optional<v1::Snapshot> first_;
  std::uint32_t next_chunk_ = 0;
};

}  // namespace firekeeper::server
