#include "client/cpp/examples/trainer/initialization.h"

#include <cassert>
#include <cmath>

namespace firekeeper::trainer {
namespace {

using Eigen::Index;

// From the second-moment condition of Lu et al. 2020 for Beta(2, 1).
constexpr double kRaiDeviation = 0.6007;

// Uniform on +-limit has variance limit^2 / 3.
double Draw(const InitializationSpec& spec, double deviation, Random& random) {
  if (spec.kind == Initialization::kPytorch) {
    return deviation * std::sqrt(3.0) * (2.0 * random.Uniform() - 1.0);
  }
  return deviation * random.Normal();
}

double UnitGainDeviation(const InitializationSpec& spec, Index fan_in,
                         Index units) {
  const auto inputs = static_cast<double>(fan_in);
  switch (spec.kind) {
    case Initialization::kHe:
      return std::sqrt(2.0 / inputs);
    case Initialization::kGlorot:
      return std::sqrt(2.0 / (inputs + static_cast<double>(units)));
    case Initialization::kLecun:
      return std::sqrt(1.0 / inputs);
    case Initialization::kPytorch:
      return std::sqrt(1.0 / (3.0 * inputs));
    case Initialization::kNormal:
      return spec.standard_deviation;
    case Initialization::kRai:
      return kRaiDeviation / std::sqrt(inputs);
  }
  assert(false && "an initialization outside the enumeration");
  return 0.0;
}

bool DrawsBias(Initialization kind) {
  return kind == Initialization::kPytorch || kind == Initialization::kRai;
}

}  // namespace

double WeightDeviation(const InitializationSpec& spec, Index fan_in,
                       Index units) {
  return spec.gain * UnitGainDeviation(spec, fan_in, units);
}

template <typename Scalar>
void Initialize(const InitializationSpec& spec, Random& random,
                Matrix<Scalar>& weight, Matrix<Scalar>& bias) {
  const Index units = weight.rows();
  const Index fan_in = weight.cols();
  assert(units > 0 && fan_in > 0);
  assert(bias.rows() == 1 && bias.cols() == units);
  const double deviation = WeightDeviation(spec, fan_in, units);
  const double mean = spec.weight_mean * deviation;
  for (Index unit = 0; unit < units; ++unit) {
    for (Index input = 0; input < fan_in; ++input) {
      weight(unit, input) =
          static_cast<Scalar>(mean + Draw(spec, deviation, random));
    }
    double drawn_bias =
        DrawsBias(spec.kind) ? Draw(spec, deviation, random) : 0.0;
    if (spec.kind == Initialization::kRai) {
      const auto chosen = static_cast<Index>(
          random.Below(static_cast<std::uint64_t>(fan_in) + 1));
      const double positive = random.Beta21();
      if (chosen < fan_in) {
        weight(unit, chosen) = static_cast<Scalar>(mean + positive);
      } else {
        drawn_bias = positive;
      }
    }
    bias(0, unit) = static_cast<Scalar>(spec.bias + drawn_bias);
  }
}

template void Initialize(const InitializationSpec& spec, Random& random,
                         Matrix<float>& weight, Matrix<float>& bias);
template void Initialize(const InitializationSpec& spec, Random& random,
                         Matrix<double>& weight, Matrix<double>& bias);

}  // namespace firekeeper::trainer
