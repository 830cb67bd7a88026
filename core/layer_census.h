// The lives of a layer's units, counted.

#pragma once

#include <vector>

#include "core/health.h"

namespace firekeeper::core {

// A unit's life until now.
struct RelivedUnit {
  UnitLife life;
  bool was_dead = false;  // one horizon ago
};

class LayerCensus {
 public:
  // Borrows it.
  explicit LayerCensus(const LayerEvidence& evidence) : evidence_(evidence) {}

  void Add(Index unit, const RelivedUnit& relived, const UnitHealth& health);
  [[nodiscard]] LayerLife Count() const;

 private:
  const LayerEvidence& evidence_;
  LayerLife life_;
  std::size_t ever_fired_ = 0;
  // Of the units that fired once and are dead: by which step they were.
  std::vector<std::int64_t> died_by_;
};

}  // namespace firekeeper::core
