#include "client/cpp/examples/trainer/activation.h"

#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firekeeper::trainer {
namespace {

using core::Activation;

// Klambauer et al. 2017, arXiv 1706.02515.
template <typename Scalar>
constexpr auto kSeluAlpha = static_cast<Scalar>(1.6732632423543772);
template <typename Scalar>
constexpr auto kSeluScale = static_cast<Scalar>(1.0507009873554805);
// Hendrycks and Gimpel 2016, arXiv 1606.08415.
template <typename Scalar>
constexpr auto kGeluTanhCubic = static_cast<Scalar>(0.044715);

template <typename Scalar>
Scalar Sigmoid(Scalar z) {
  return Scalar{1} / (Scalar{1} + std::exp(-z));
}

// tanh'(z) as a product: 1 - tanh(z)^2 loses every digit where the gate closes.
template <typename Scalar>
Scalar TanhDerivative(Scalar z) {
  return Scalar{4} * Sigmoid(Scalar{2} * z) * Sigmoid(Scalar{-2} * z);
}

template <typename Scalar>
ActivationFunction<Scalar> Linear() {
  return {.value = [](Scalar z, Scalar /*parameter*/) { return z; },
          .derivative = [](Scalar /*z*/,
                           Scalar /*parameter*/) { return Scalar{1}; },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> Leaky(double slope) {
  return {.value =
              [](Scalar z, Scalar negative_slope) {
                return z <= Scalar{0} ? negative_slope * z : z;
              },
          .derivative =
              [](Scalar z, Scalar negative_slope) {
                return z <= Scalar{0} ? negative_slope : Scalar{1};
              },
          .parameter = static_cast<Scalar>(slope)};
}

template <typename Scalar>
ActivationFunction<Scalar> Relu() {
  return {.value = [](Scalar z,
                      Scalar /*p*/) { return z <= Scalar{0} ? Scalar{0} : z; },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                return z <= Scalar{0} ? Scalar{0} : Scalar{1};
              },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> Relu6() {
  return {.value =
              [](Scalar z, Scalar /*p*/) {
                if (z <= Scalar{0}) return Scalar{0};
                return z > Scalar{6} ? Scalar{6} : z;
              },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                return z <= Scalar{0} || z > Scalar{6} ? Scalar{0} : Scalar{1};
              },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> Elu(double alpha) {
  return {
      .value = [](Scalar z,
                  Scalar a) { return z <= Scalar{0} ? a * std::expm1(z) : z; },
      .derivative =
          [](Scalar z, Scalar a) {
            return z <= Scalar{0} ? a * std::exp(z) : Scalar{1};
          },
      .parameter = static_cast<Scalar>(alpha)};
}

template <typename Scalar>
ActivationFunction<Scalar> Celu(double alpha) {
  return {.value =
              [](Scalar z, Scalar a) {
                return z <= Scalar{0} ? a * std::expm1(z / a) : z;
              },
          .derivative =
              [](Scalar z, Scalar a) {
                return z <= Scalar{0} ? std::exp(z / a) : Scalar{1};
              },
          .parameter = static_cast<Scalar>(alpha)};
}

template <typename Scalar>
ActivationFunction<Scalar> Selu() {
  return {.value =
              [](Scalar z, Scalar alpha) {
                return kSeluScale<Scalar> *
                       (z <= Scalar{0} ? alpha * std::expm1(z) : z);
              },
          .derivative =
              [](Scalar z, Scalar alpha) {
                return kSeluScale<Scalar> *
                       (z <= Scalar{0} ? alpha * std::exp(z) : Scalar{1});
              },
          .parameter = kSeluAlpha<Scalar>};
}

template <typename Scalar>
Scalar NormalDistribution(Scalar z) {
  constexpr auto kRootHalf = Scalar{1} / std::numbers::sqrt2_v<Scalar>;
  return Scalar{0.5} * std::erfc(-z * kRootHalf);
}

template <typename Scalar>
ActivationFunction<Scalar> Gelu() {
  return {
      .value = [](Scalar z, Scalar /*p*/) { return z * NormalDistribution(z); },
      .derivative =
          [](Scalar z, Scalar /*p*/) {
            constexpr auto kDensityAtZero = std::numbers::inv_sqrtpi_v<Scalar> /
                                            std::numbers::sqrt2_v<Scalar>;
            return NormalDistribution(z) +
                   z * kDensityAtZero * std::exp(Scalar{-0.5} * z * z);
          },
      .parameter = Scalar{0}};
}

// z * Phi(z) with Phi(z) taken as sigmoid(2 u): the same as
// (1 + tanh(u)) / 2, without its cancellation at negative u.
template <typename Scalar>
ActivationFunction<Scalar> GeluTanh() {
  return {
      .value =
          [](Scalar z, Scalar scale) {
            const Scalar u = scale * (z + kGeluTanhCubic<Scalar> * z * z * z);
            return z * Sigmoid(Scalar{2} * u);
          },
      .derivative =
          [](Scalar z, Scalar scale) {
            const Scalar u = scale * (z + kGeluTanhCubic<Scalar> * z * z * z);
            const Scalar slope =
                scale *
                (Scalar{1} + Scalar{3} * kGeluTanhCubic<Scalar> * z * z);
            return Sigmoid(Scalar{2} * u) +
                   Scalar{0.5} * z * TanhDerivative(u) * slope;
          },
      .parameter =
          std::numbers::sqrt2_v<Scalar> * std::numbers::inv_sqrtpi_v<Scalar>};
}

template <typename Scalar>
ActivationFunction<Scalar> Silu() {
  return {.value = [](Scalar z, Scalar /*p*/) { return z * Sigmoid(z); },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                return Sigmoid(z) * (Scalar{1} + z * Sigmoid(-z));
              },
          .parameter = Scalar{0}};
}

template <typename Scalar>
Scalar SoftplusValue(Scalar z) {
  return std::log1p(std::exp(-std::abs(z))) + (z <= Scalar{0} ? Scalar{0} : z);
}

template <typename Scalar>
ActivationFunction<Scalar> Softplus() {
  return {.value = [](Scalar z, Scalar /*p*/) { return SoftplusValue(z); },
          .derivative = [](Scalar z, Scalar /*p*/) { return Sigmoid(z); },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> SquaredRelu() {
  return {
      .value = [](Scalar z,
                  Scalar /*p*/) { return z <= Scalar{0} ? Scalar{0} : z * z; },
      .derivative =
          [](Scalar z, Scalar /*p*/) {
            return z <= Scalar{0} ? Scalar{0} : Scalar{2} * z;
          },
      .parameter = Scalar{0}};
}

// z tanh(softplus(z)); Misra 2019, arXiv 1908.08681.
template <typename Scalar>
ActivationFunction<Scalar> Mish() {
  return {.value = [](Scalar z,
                      Scalar /*p*/) { return z * std::tanh(SoftplusValue(z)); },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                const Scalar softplus = SoftplusValue(z);
                return std::tanh(softplus) +
                       z * TanhDerivative(softplus) * Sigmoid(z);
              },
          .parameter = Scalar{0}};
}

// A ramp from 0 to 1 between -3 and 3, as PyTorch's.
template <typename Scalar>
Scalar HardSigmoidValue(Scalar z) {
  if (z <= Scalar{-3}) return Scalar{0};
  return z > Scalar{3} ? Scalar{1} : z / Scalar{6} + Scalar{0.5};
}

template <typename Scalar>
ActivationFunction<Scalar> HardSigmoid() {
  return {.value = [](Scalar z, Scalar /*p*/) { return HardSigmoidValue(z); },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                return z <= Scalar{-3} || z > Scalar{3} ? Scalar{0}
                                                        : Scalar{1} / Scalar{6};
              },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> HardTanh() {
  return {.value =
              [](Scalar z, Scalar /*p*/) {
                if (z <= Scalar{-1}) return Scalar{-1};
                return z > Scalar{1} ? Scalar{1} : z;
              },
          .derivative =
              [](Scalar z, Scalar /*p*/) {
                return z <= Scalar{-1} || z > Scalar{1} ? Scalar{0} : Scalar{1};
              },
          .parameter = Scalar{0}};
}

// z times the hard sigmoid; Howard et al. 2019, arXiv 1905.02244.
template <typename Scalar>
ActivationFunction<Scalar> HardSwish() {
  return {
      .value = [](Scalar z, Scalar /*p*/) { return z * HardSigmoidValue(z); },
      .derivative =
          [](Scalar z, Scalar /*p*/) {
            if (z <= Scalar{-3}) return Scalar{0};
            return z > Scalar{3} ? Scalar{1}
                                 : (Scalar{2} * z + Scalar{3}) / Scalar{6};
          },
      .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> SigmoidFunction() {
  return {.value = [](Scalar z, Scalar /*p*/) { return Sigmoid(z); },
          .derivative = [](Scalar z,
                           Scalar /*p*/) { return Sigmoid(z) * Sigmoid(-z); },
          .parameter = Scalar{0}};
}

template <typename Scalar>
ActivationFunction<Scalar> Tanh() {
  return {
      .value = [](Scalar z, Scalar /*p*/) { return std::tanh(z); },
      .derivative = [](Scalar z, Scalar /*p*/) { return TanhDerivative(z); },
      .parameter = Scalar{0}};
}

struct NamedActivation {
  std::string_view name;
  core::ActivationSpec spec;
};

constexpr double kRreluMeanSlope = (kRreluLowSlope + kRreluHighSlope) / 2.0;

constexpr std::array kNamedActivations{
    NamedActivation{"relu", {.kind = Activation::kRelu}},
    NamedActivation{"relu6", {.kind = Activation::kRelu6}},
    NamedActivation{"squared-relu", {.kind = Activation::kSquaredRelu}},
    NamedActivation{"leaky-relu",
                    {.kind = Activation::kLeakyRelu, .negative_slope = 0.01}},
    NamedActivation{"prelu",
                    {.kind = Activation::kPrelu, .negative_slope = 0.25}},
    NamedActivation{
        "rrelu",
        {.kind = Activation::kRrelu, .negative_slope = kRreluMeanSlope}},
    NamedActivation{"elu", {.kind = Activation::kElu}},
    NamedActivation{"selu", {.kind = Activation::kSelu}},
    NamedActivation{"celu", {.kind = Activation::kCelu}},
    NamedActivation{"gelu", {.kind = Activation::kGelu}},
    NamedActivation{"gelu-tanh", {.kind = Activation::kGeluTanh}},
    NamedActivation{"silu", {.kind = Activation::kSilu}},
    NamedActivation{"mish", {.kind = Activation::kMish}},
    NamedActivation{"softplus", {.kind = Activation::kSoftplus}},
    NamedActivation{"sigmoid", {.kind = Activation::kSigmoid}},
    NamedActivation{"tanh", {.kind = Activation::kTanh}},
    NamedActivation{"hard-sigmoid", {.kind = Activation::kHardSigmoid}},
    NamedActivation{"hard-tanh", {.kind = Activation::kHardTanh}},
    NamedActivation{"hard-swish", {.kind = Activation::kHardSwish}},
    NamedActivation{"linear", {.kind = Activation::kLinear}},
};

}  // namespace

template <typename Scalar>
absl::StatusOr<ActivationFunction<Scalar>> ActivationFunctionFor(
    const core::ActivationSpec& spec) {
  switch (spec.kind) {
    case Activation::kLinear:
      return Linear<Scalar>();
    case Activation::kRelu:
      return Relu<Scalar>();
    case Activation::kRelu6:
      return Relu6<Scalar>();
    case Activation::kLeakyRelu:
    case Activation::kPrelu:
    case Activation::kRrelu:
      return Leaky<Scalar>(spec.negative_slope);
    case Activation::kElu:
      return Elu<Scalar>(spec.alpha);
    case Activation::kSelu:
      return Selu<Scalar>();
    case Activation::kCelu:
      return Celu<Scalar>(spec.alpha);
    case Activation::kGelu:
      return Gelu<Scalar>();
    case Activation::kGeluTanh:
      return GeluTanh<Scalar>();
    case Activation::kSilu:
      return Silu<Scalar>();
    case Activation::kSoftplus:
      return Softplus<Scalar>();
    case Activation::kSigmoid:
      return SigmoidFunction<Scalar>();
    case Activation::kTanh:
      return Tanh<Scalar>();
    case Activation::kSquaredRelu:
      return SquaredRelu<Scalar>();
    case Activation::kMish:
      return Mish<Scalar>();
    case Activation::kHardSigmoid:
      return HardSigmoid<Scalar>();
    case Activation::kHardTanh:
      return HardTanh<Scalar>();
    case Activation::kHardSwish:
      return HardSwish<Scalar>();
    case Activation::kSoftmaxExperts:
    case Activation::kSparseLatents:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the trainer has no activation of kind ", static_cast<int>(spec.kind)));
}

template absl::StatusOr<ActivationFunction<float>> ActivationFunctionFor(
    const core::ActivationSpec& spec);
template absl::StatusOr<ActivationFunction<double>> ActivationFunctionFor(
    const core::ActivationSpec& spec);

absl::StatusOr<core::ActivationSpec> ParseActivation(std::string_view name) {
  for (const NamedActivation& named : kNamedActivations) {
    if (named.name == name) return named.spec;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no activation is called '", std::string(name),
                   "'; there are ", absl::StrJoin(ActivationNames(), ", ")));
}

std::vector<std::string> ActivationNames() {
  std::vector<std::string> names;
  names.reserve(kNamedActivations.size());
  for (const NamedActivation& named : kNamedActivations) {
    names.emplace_back(named.name);
  }
  return names;
}

}  // namespace firekeeper::trainer
