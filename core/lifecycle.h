// The life of a unit: its deaths and revivals, in steps, folded window by
// window.
//
// A life is a function of the closed windows in order of step, so it does not
// depend on the order in which data arrived. What lies in windows that can
// still change is replayed on top of the record at every evaluation.

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/activation_traits.h"
#include "core/unit_counts.h"

namespace firekeeper::core {

struct HealthSettings;
struct UnitSummary;
struct WindowEvidence;
class GroupTimelines;

// What one unit did in one window; bits of a byte.
struct Trace {
  static constexpr std::uint8_t kObserved = 1;
  static constexpr std::uint8_t kFired = 2;
  // On all of its observations it was linear: with the gate open or the value
  // positive; with the value never positive.
  static constexpr std::uint8_t kLinearHigh = 4;
  static constexpr std::uint8_t kLinearLow = 8;

  // What it did in two windows together.
  static constexpr std::uint8_t Join(std::uint8_t a, std::uint8_t b) {
    if ((a & kObserved) == 0) return static_cast<std::uint8_t>(a | b);
    if ((b & kObserved) == 0) return static_cast<std::uint8_t>(a | b);
    constexpr auto kLinear =
        static_cast<std::uint8_t>(kLinearHigh | kLinearLow);
    return static_cast<std::uint8_t>(((a | b) & ~kLinear) | (a & b & kLinear));
  }
};
using WindowTrace = std::vector<std::uint8_t>;  // by unit; empty: no data

// Requires: the summary counts firings.
[[nodiscard]] WindowTrace TraceOf(const UnitSummary& summary, LinearRule rule);

// The long-lived record of a unit. Windows by number (WindowNumber()).
struct UnitLife {
  static constexpr std::uint32_t kNoWindow =
      std::numeric_limits<std::uint32_t>::max();

  std::uint32_t fired = kNoWindow;  // the last with a firing
  // Of the last death: the last firing before it (kNoWindow: none), and the
  // window whose end completed the certificate.
  std::uint32_t death_after = kNoWindow;
  std::uint32_t death_by = kNoWindow;
  std::uint32_t revived = kNoWindow;       // the last revival; level > 0
  std::uint32_t clusters_fired = 0;        // since then; saturates
  std::uint32_t linear_since = kNoWindow;  // meaningful while linear
  std::uint16_t deaths = 0;                // == revivals + dead; saturates
  std::uint16_t revivals = 0;
  std::uint8_t level = 0;   // of Divided()
  std::uint8_t linear = 0;  // Trace::kLinearHigh, kLinearLow, or 0
  bool dead = false;
  bool seen = false;
  bool born_silent = false;  // did not fire in the first window that saw it
};
static_assert(sizeof(UnitLife) <= 40, "DESIGN.md 5: 64 bytes a unit in all");

// The record as it would be had nothing from resume_step on happened. What left
// a trace in counters only stays: firings are taken to have come before.
void Withdraw(std::int64_t resume_step, std::int64_t window_steps,
              UnitLife* life);

// Folds windows into lives. Borrows all it is made of.
class LifeReplay {
 public:
  LifeReplay(std::span<const WindowEvidence> windows, std::int64_t window_steps,
             std::uint64_t tracked_units, const HealthSettings& settings);

  // The first window that is not wholly before `step` (kNeverSeen: none).
  [[nodiscard]] std::size_t From(std::int64_t step) const;
  // The first window wholly after `step`; 0 for kNeverFired.
  [[nodiscard]] std::size_t Behind(std::int64_t step) const;
  // The first window wholly after the one of that number; 0 for kNoWindow.
  [[nodiscard]] std::size_t After(std::uint32_t number) const;

  // One unit as it is replayed.
  struct Unit {
    UnitLife& life;
    GroupTimelines& timelines;  // of its group
    std::size_t seen = 0;       // From(first_seen_step)
  };
  // Silence up to, not with, window `end`: death where it is enough. A unit
  // that fired within the horizon is not dead yet.
  void Settle(const Unit& unit, std::size_t end) const;
  // A firing in the window of that number, before window `next`.
  void Fire(const Unit& unit, std::uint32_t number, std::size_t next) const;
  // What it did in a window. Requires: windows come in order.
  void See(const Unit& unit, std::size_t window, std::uint8_t trace) const;
  // Clusters with a firing in a window, after See(): ends the division of p0
  // once the rate since the revival is surely one that level 0 cannot miss.
  void CountClusters(const Unit& unit, std::size_t window,
                     std::uint64_t firing_clusters) const;

 private:
  [[nodiscard]] std::uint32_t NumberOf(std::size_t window) const;

  std::int64_t window_steps_;
  std::uint64_t tracked_units_;
  const HealthSettings& settings_;
  std::vector<std::int64_t> firsts_;  // by window
  std::vector<std::int64_t> ends_;    // by window
};

}  // namespace firekeeper::core
