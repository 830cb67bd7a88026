// The lives of all units of a layer, as of the windows that are final.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/evidence.h"

namespace firekeeper::core {

// What the units did in one window that has become final.
struct FinalWindow {
  WindowTrace trace;           // empty: nothing was received
  CountArray firing_clusters;  // empty as well then
};

class StateReader;
class StateWriter;

// Thread-compatible.
class LifeBook {
 public:
  // Bytes that a unit takes.
  static constexpr std::size_t kUnitBytes = sizeof(UnitLife);

  LifeBook(Index units, std::int64_t window_steps,
           const HealthSettings& settings);

  // Folds the newest windows of `windows`, one for each of `fresh`, into the
  // lives. Requires: the windows are final and all that are older were folded.
  void Fold(std::span<const WindowEvidence> windows,
            std::span<const FinalWindow> fresh,
            const StepArray& first_seen_step, std::uint64_t run_units);

  // An attempt begins at resume_step; windows before it were folded. Units that
  // fired at or after it lived until then: last_firing_step, not yet cut.
  void Resume(std::int64_t resume_step,
              std::span<const WindowEvidence> windows_before,
              const StepArray& last_firing_step,
              const StepArray& first_seen_step, std::uint64_t run_units);

  // Shared with whoever reads: a fold leaves their copy alone.
  [[nodiscard]] std::shared_ptr<const std::vector<UnitLife>> lives() const {
    return lives_;
  }
  // As bytes and back; Read() fails the reader where they are not of so many
  // units.
  void Write(StateWriter* writer) const;
  void Read(StateReader* reader);

  // Windows with end <= this were folded.
  [[nodiscard]] std::int64_t folded_before() const { return folded_before_; }

 private:
  std::vector<UnitLife>& Writable();

  std::int64_t window_steps_;
  HealthSettings settings_;
  std::shared_ptr<std::vector<UnitLife>> lives_;
  std::int64_t folded_before_ = 0;
};

}  // namespace firekeeper::core
