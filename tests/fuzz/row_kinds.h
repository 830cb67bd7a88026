// The first byte of an input of fuzz_rows: which row its bytes are taken for.

#pragma once

#include <cstdint>

namespace firekeeper::testing {

enum class RowKind : std::uint8_t {
  // Behind the settings of a track.
  kMarks,
  kUnits,
  kWindow,
  kEvidence,
  kJournal,
  // As they are.
  kRun,
  kLayer,
  kSource,
  kShares,
  kCounters,
  kScalar,
  kEvent,
  kAssessment,
  kKey,
  // Behind a place and a bit to flip.
  kFrame,
};
inline constexpr int kRowKindCount = 15;

}  // namespace firekeeper::testing
