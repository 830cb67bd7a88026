// Goes through a tensor of any strides cluster by cluster.

#pragma once

#include "core/tensor_view.h"
#include "core/unit_accumulator.h"

namespace firekeeper::core {

// How WalkStrided() marks clusters.
[[nodiscard]] Clusters StridedClusters(const TensorLayout& layout);

// Hands every valid entry of `view` to `accumulator`, units that lie side by
// side as rows, else positions as runs, gathered where they do not lie side by
// side. Requires: Begin() was called with StridedClusters(view.layout).
void WalkStrided(const TensorView& view, UnitAccumulator& accumulator);

}  // namespace firekeeper::core
