// The share of units that never fire at He initialisation with zero bias, by
// depth and sample size: what a dead share at step 0 has to be compared with
// (STATISTICS.md 2.4).

#pragma once

#include <cstdint>

namespace firekeeper::core {

// Expected share of units that fire on none of `samples` independent inputs
// whose pairwise cosine is `cosine`:
//   pi(c, B) = integral phi(z) Phi(-z sqrt(c / (1 - c)))^B dz.
// Requires: 0 <= cosine <= 1, samples >= 1. 1/2 at cosine 1.
[[nodiscard]] double NeverFiredShare(double cosine, std::uint64_t samples);

// Cosine after one ReLU layer (arc-cosine kernel of order 1):
//   c' = (sqrt(1 - c^2) + c (pi - arccos c)) / pi.
// Requires: 0 <= cosine <= 1.
[[nodiscard]] double NextCosine(double cosine);

// Cosine of inputs with |mean| / sd = gamma: gamma^2 / (1 + gamma^2).
// Requires: gamma >= 0.
[[nodiscard]] double InputCosine(double gamma);

}  // namespace firekeeper::core
