// How the weights and biases of a layer are drawn.

#pragma once

#include <cstdint>

#include "client/cpp/examples/trainer/random.h"
#include "client/cpp/examples/trainer/values.h"

namespace firekeeper::trainer {

enum class Initialization : std::uint8_t {
  kHe,       // normal, variance 2 / fan_in (He et al. 2015, 1502.01852)
  kGlorot,   // normal, variance 2 / (fan_in + units) (Glorot, Bengio 2010)
  kLecun,    // normal, variance 1 / fan_in
  kPytorch,  // weights and biases U(+-1 / sqrt(fan_in)), as torch.nn.Linear
  kNormal,   // normal, a given standard deviation
  // Randomized asymmetric initialisation (Lu et al. 2020, arXiv 1903.06733):
  // weights and bias normal with standard deviation 0.6007 / sqrt(fan_in),
  // then one of the fan_in + 1 entries of each unit, at random, is replaced by
  // a Beta(2, 1) draw.
  kRai,
};

struct InitializationSpec {
  Initialization kind = Initialization::kHe;
  double standard_deviation = 0.01;  // kNormal only
  // Multiplies the standard deviation of the chosen kind, of RAI's normal part:
  // 5/3 for tanh, for example.
  double gain = 1.0;
  // Mean of the weights, in standard deviations of the chosen kind: -1 moves
  // every weight down by one. Makes unbalanced weights (STATISTICS.md 7.3).
  double weight_mean = 0.0;
  // Added to every bias; makes layers that are born dead (STATISTICS.md 7.2).
  double bias = 0.0;
};

// Standard deviation of the weights that `spec` draws; for kRai that of the
// normal part. Requires: fan_in > 0, units > 0.
[[nodiscard]] double WeightDeviation(const InitializationSpec& spec,
                                     Eigen::Index fan_in, Eigen::Index units);

// Fills `weight` [units, fan_in] and `bias` [1, units] unit by unit, weights
// before bias; draws from `random` as many numbers as the kind needs.
// Requires: both have entries and fit together.
template <typename Scalar>
void Initialize(const InitializationSpec& spec, Random& random,
                Matrix<Scalar>& weight, Matrix<Scalar>& bias);

}  // namespace firekeeper::trainer
