// How long the units of a group were silent, from any window on, and when that
// was enough for the certificate.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/evidence.h"
#include "core/silence_groups.h"

namespace firekeeper::core {

// Trials without a firing, at both levels of the certificate.
struct Silence {
  std::uint64_t observations = 0;
  std::uint64_t clusters = 0;
};

// What the certificate asks for at the end of every window, from the totals up
// to there, for every level of p0 division (kMaxLevel of lifecycle.h).
//
// Thread-compatible. Borrows `windows`.
class Demands {
 public:
  Demands(std::span<const WindowEvidence> windows, std::uint64_t run_units,
          const CertificateSettings& settings);

  // By window. Computed at the first call for a level.
  [[nodiscard]] const std::vector<Silence>& At(int level);
  // Now, at level 0.
  [[nodiscard]] const CertificateTotals& totals() const { return totals_; }

 private:
  CertificateSettings settings_;
  std::vector<Silence> trials_;  // by window, up to its end
  std::array<std::optional<std::vector<Silence>>, kMaxLevel + 1> needed_;
  CertificateTotals totals_;
};

// The silence of one group of units, from the start of any window until now.
class SilenceTimeline {
 public:
  // Requires: windows.size() == needed.size().
  SilenceTimeline(std::span<const WindowEvidence> windows,
                  const SilenceGroup& group,
                  const std::vector<Silence>& needed);

  [[nodiscard]] std::size_t window_count() const { return completed_.size(); }
  // Counts of the windows [start, end). Requires: start <= end <=
  // window_count().
  [[nodiscard]] Silence Between(std::size_t start, std::size_t end) const;
  [[nodiscard]] Silence Since(std::size_t start) const {
    return Between(start, window_count());
  }

  // The first window at whose end a silence that began with window `start` was
  // enough; none if it never was.
  [[nodiscard]] std::optional<std::size_t> CompletedBy(std::size_t start) const;
  // The same where the silence begins anew after every window with incomplete
  // coverage; window_count() if it never was enough.
  [[nodiscard]] std::size_t CertifiedBy(std::size_t start) const;

 private:
  std::vector<Silence> before_;         // sums over all windows before this one
  std::vector<std::size_t> completed_;  // by start; the window count: never
  std::vector<std::size_t> certified_;  // the same with restarts
};

// The timelines of one group at the levels that its units need.
class GroupTimelines {
 public:
  // Borrows all of them.
  GroupTimelines(std::span<const WindowEvidence> windows,
                 const SilenceGroup& group, Demands& demands)
      : windows_(windows), group_(group), demands_(demands) {}

  [[nodiscard]] const SilenceTimeline& At(int level);

 private:
  std::span<const WindowEvidence> windows_;
  const SilenceGroup& group_;
  Demands& demands_;
  std::array<std::optional<SilenceTimeline>, kMaxLevel + 1> timelines_;
};

}  // namespace firekeeper::core
