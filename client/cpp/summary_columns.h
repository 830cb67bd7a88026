// A core::UnitSummary as columns of bytes, free of the protocol's classes: what
// every client sends, whatever it is written in.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/unit_summary.h"

namespace firekeeper::client {

// Values equal those of firekeeper.v1.SummaryColumn.
enum class SummaryColumnId : std::uint8_t {
  kObservations = 1,
  kFirings,
  kClusters,
  kFiringClusters,
  kPositives,
  kClosedHigh,
  kZeros,
  kNonFinite,
  kAbsSum,
  kMean,
  kM2,
  kMin,
  kMax,
  kProven,
};

struct SummaryColumn {
  SummaryColumnId id = SummaryColumnId::kObservations;
  std::uint32_t width = 0;  // bytes of one entry; 0 where it is derived
  std::string data;         // little-endian, one entry or one a unit
};

// The columns that `summary` has, in the order of their numbers: one entry
// where all units agree, derived where summary.proto says how and nothing is
// lost. Counts take the narrowest width that holds the greatest. Reals are
// binary32 where that is exact (min, max), moves no mean by more than 1/1024 of
// the standard deviation, or rounds a sum (ABS_SUM, M2) by 6e-8 of it at most;
// otherwise binary64. PROVEN is left out where nothing is proven.
[[nodiscard]] std::vector<SummaryColumn> EncodeColumns(
    const core::UnitSummary& summary);

}  // namespace firekeeper::client
