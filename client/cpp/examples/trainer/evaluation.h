// What a network does on a whole set with its parameters frozen.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/examples/trainer/dataset.h"
#include "client/cpp/examples/trainer/network.h"

namespace firekeeper::trainer {

struct Evaluation {
  double loss = 0.0;      // mean softmax cross-entropy
  double accuracy = 0.0;  // share of examples whose largest logit is right
};

// A row whose logits are not finite counts as wrong.
// Requires: at least one example; data and network fit.
template <typename Scalar>
[[nodiscard]] Evaluation Evaluate(Network<Scalar>& network,
                                  const Dataset<Scalar>& data);

// How many units of a layer fired on no example of a set.
struct SilentUnits {
  std::string layer;
  std::int64_t units = 0;
  std::int64_t never_fired = 0;  // all values finite, gate never open
  std::int64_t non_finite = 0;   // units with a NaN or infinite pre-activation
};

// One entry for each layer, by the PRE_ACTIVATION rule of core
// (STATISTICS.md 1). Requires: at least one example; the width fits.
template <typename Scalar>
[[nodiscard]] std::vector<SilentUnits> CountSilentUnits(
    Network<Scalar>& network, const Matrix<Scalar>& inputs);

}  // namespace firekeeper::trainer
