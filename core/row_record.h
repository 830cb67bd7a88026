// How long the weight rows of a layer's units stayed what they were at step 0:
// what tells a unit that was born dead from one that died early.

#pragma once

#include <cstdint>
#include <memory>

#include "core/signal.h"
#include "core/unit_summary.h"
#include "core/window_plan.h"

namespace firekeeper::core {

class StateReader;
class StateWriter;

// Fed the windows of a WEIGHT or WEIGHT_UPDATE track. A WEIGHT row counts as
// kept where its window looks like the window of step 0 times a factor, which
// is what weight decay does; a WEIGHT_UPDATE row where it is exactly zero.
//
// Thread-compatible.
class RowRecord {
 public:
  // Bytes that a unit takes, the row of step 0 not counted.
  static constexpr std::size_t kUnitBytes = sizeof(std::int64_t);

  // Requires: signal is kWeight or kWeightUpdate.
  RowRecord(Index units, Signal signal);

  // Windows may come in any order, but step 0 first. Folding one again changes
  // nothing.
  void Fold(const StepRange& steps, const UnitSummary& summary);
  // Forgets what an attempt that begins at resume_step does anew.
  void Resume(std::int64_t resume_step);

  // By unit: the last step through which its row is known to be kept; -1 where
  // nothing is known.
  [[nodiscard]] StepArray KeptThrough() const;
  // As bytes and back; Read() fails the reader where they are not of so many
  // units. `columns`: of the summaries that are folded.
  void Write(StateWriter* writer) const;
  void Read(StateReader* reader, const ColumnSet& columns);

  // Bytes of the row of step 0.
  [[nodiscard]] std::size_t FirstRowBytes() const;

 private:
  [[nodiscard]] bool IsKept(const UnitSummary& summary, Index unit) const;

  Signal signal_;
  // The window [0, 1); null until it came. Shared by copies of the record.
  std::shared_ptr<const UnitSummary> first_;
  std::int64_t first_step_ = kNeverSeen;  // of the first window
  std::int64_t seen_through_ = -1;        // last step of the newest window
  StepArray changed_from_;  // first step of the first window that differs
};

}  // namespace firekeeper::core
