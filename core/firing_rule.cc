#include "core/firing_rule.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace firekeeper::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Klambauer et al., arXiv 1706.02515.
constexpr double kSeluAlpha = 1.6732632423543772;
constexpr double kSeluScale = 1.0507009873554805;

// The cubic term of GELU's tanh form, Hendrycks and Gimpel, arXiv 1606.08415.
constexpr double kGeluCubic = 0.044715;

double Sigmoid(double z) {
  // exp() of a negative number only: the other form loses all digits.
  const double e = std::exp(-std::abs(z));
  return z >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

double SigmoidSlope(double z) {
  const double e = std::exp(-std::abs(z));
  return e / ((1.0 + e) * (1.0 + e));
}

double TanhSlope(double z) {
  const double sech = 1.0 / std::cosh(z);
  return sech * sech;
}

double Softplus(double z) {
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}

double GeluSlope(double z) {
  const double density =
      std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
  return 0.5 * std::erfc(-z / std::numbers::sqrt2) + z * density;
}

double GeluTanhSlope(double z) {
  const double scale = std::sqrt(2.0 / std::numbers::pi);
  const double inner = scale * (z + kGeluCubic * z * z * z);
  const double inner_slope = scale * (1.0 + 3.0 * kGeluCubic * z * z);
  // 0.5 (1 + tanh(x)) is the sigmoid of 2x, and half of sech^2(x) is twice its
  // slope; both keep their digits far out.
  return Sigmoid(2.0 * inner) +
         2.0 * z * SigmoidSlope(2.0 * inner) * inner_slope;
}

double SiluSlope(double z) { return Sigmoid(z) + z * SigmoidSlope(z); }

double MishSlope(double z) {
  const double softplus = Softplus(z);
  return std::tanh(softplus) + z * TanhSlope(softplus) * Sigmoid(z);
}

double HardSwishSlope(double z) {
  if (z <= -3.0) return 0.0;
  return z <= 3.0 ? (2.0 * z + 3.0) / 6.0 : 1.0;
}

double EluSlope(double z, double alpha) {
  return z > 0.0 ? 1.0 : alpha * std::exp(z);
}

double CeluSlope(double z, double alpha) {
  if (z > 0.0) return 1.0;
  return alpha == 0.0 ? 0.0 : std::exp(z / alpha);
}

double StepSlope(double z, double low, double high, double slope) {
  return low < z && z <= high ? slope : 0.0;
}

// The point between `below` and `above` where |slope| crosses the gate
// epsilon, to the last bit. Requires: |slope| is at most epsilon at `below`
// and more at `above`; either may be the greater.
template <typename Slope>
double Crossing(const Slope& slope, double epsilon, double below,
                double above) {
  for (;;) {
    const double middle = below + (above - below) / 2.0;
    if (middle == below || middle == above) return below;
    if (std::abs(slope(middle)) > epsilon) {
      above = middle;
    } else {
      below = middle;
    }
  }
}

// The first point of from - 1, from - 2, from - 4 … with a closed gate.
template <typename Slope>
double ClosedBelow(const Slope& slope, double epsilon, double from) {
  double reach = 1.0;
  while (std::abs(slope(from - reach)) > epsilon) reach *= 2.0;
  return from - reach;
}

constexpr FiringRule Between(double low, double high) {
  return {.kind = FiringRule::Kind::kBand, .low = low, .high = high};
}

constexpr FiringRule Above(double low) { return Between(low, kInfinity); }

// An even slope that falls from z = 0 to both sides: sigmoid and tanh.
template <typename Slope>
FiringRule SymmetricGate(const Slope& slope, double epsilon) {
  if (slope(0.0) <= epsilon) return Between(0.0, 0.0);
  const double limit =
      Crossing(slope, epsilon, ClosedBelow(slope, epsilon, 0.0), 0.0);
  return Between(limit, -limit);
}

// A slope that rises from 0 for z towards minus infinity: softplus. More than
// 0.5 at every z > 0.
template <typename Slope>
FiringRule RisingGate(const Slope& slope, double epsilon) {
  return Above(Crossing(slope, epsilon, ClosedBelow(slope, epsilon, 0.0), 0.0));
}

// Where a function that falls and then rises on [low, high] is least.
template <typename Function>
double Lowest(const Function& function, double low, double high) {
  for (int i = 0; i < 200; ++i) {
    const double third = (high - low) / 3.0;
    if (function(low + third) < function(high - third)) {
      high -= third;
    } else {
      low += third;
    }
  }
  return low + (high - low) / 2.0;
}

// A slope that falls from 0 to a negative dip, then rises through zero and
// stays above 0.5 for z > 0: GELU, SiLU and Mish. All dips lie in [-3, 0].
template <typename Slope>
FiringRule DippingGate(const Slope& slope, double epsilon) {
  const double dip = Lowest(slope, -3.0, 0.0);
  const auto is_negative = [&slope](double z) { return slope(z) <= 0.0; };
  double zero = dip;
  double above = 0.0;
  for (double middle = (zero + above) / 2.0; middle != zero && middle != above;
       middle = (zero + above) / 2.0) {
    (is_negative(middle) ? zero : above) = middle;
  }
  const double rise = Crossing(slope, epsilon, zero, 0.0);
  if (-slope(dip) <= epsilon) return Above(rise);

  FiringRule rule =
      Above(Crossing(slope, epsilon, ClosedBelow(slope, epsilon, dip), dip));
  rule.hole_low = Crossing(slope, epsilon, zero, dip);
  rule.hole_high = rise;
  return rule;
}

FiringRule EluGate(double factor, double epsilon) {
  const double size = std::abs(factor);
  return Above(size > epsilon ? std::log(epsilon / size) : 0.0);
}

FiringRule CeluGate(double alpha, double epsilon) {
  if (alpha < 0.0) return FiringRule::Always();
  return Above(alpha == 0.0 ? 0.0 : alpha * std::log(epsilon));
}

FiringRule HardSwishGate(double epsilon) {
  FiringRule rule = Above(-3.0);
  rule.hole_low = -1.5 - 3.0 * epsilon;
  rule.hole_high = -1.5 + 3.0 * epsilon;
  return rule;
}

FiringRule LeakyGate(double slope) {
  return slope == 0.0 ? FiringRule::Positive() : FiringRule::Always();
}

// Where the gate is open, in terms of z.
FiringRule GateOf(const ActivationSpec& activation, double epsilon) {
  const auto slope = [&activation](double z) {
    return Derivative(activation, z);
  };
  switch (activation.kind) {
    case Activation::kLinear:
    case Activation::kPrelu:
    case Activation::kRrelu:
      return FiringRule::Always();
    case Activation::kLeakyRelu:
      return LeakyGate(activation.negative_slope);
    case Activation::kRelu:
    case Activation::kSquaredRelu:
      return FiringRule::Positive();
    case Activation::kRelu6:
      return Between(0.0, 6.0);
    case Activation::kElu:
      return EluGate(activation.alpha, epsilon);
    case Activation::kSelu:
      return EluGate(kSeluScale * kSeluAlpha, epsilon);
    case Activation::kCelu:
      return CeluGate(activation.alpha, epsilon);
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kSilu:
    case Activation::kMish:
      return DippingGate(slope, epsilon);
    case Activation::kSoftplus:
      return RisingGate(slope, epsilon);
    case Activation::kSigmoid:
    case Activation::kTanh:
      return SymmetricGate(slope, epsilon);
    case Activation::kHardSigmoid:
      return epsilon < 1.0 / 6.0 ? Between(-3.0, 3.0) : Between(0.0, 0.0);
    case Activation::kHardTanh:
      return Between(-1.0, 1.0);
    case Activation::kHardSwish:
      return HardSwishGate(epsilon);
    case Activation::kSoftmaxExperts:
    case Activation::kSparseLatents:
      return FiringRule::NonZero();
  }
  return FiringRule::None();
}

// phi(z) of the kinds that rise with z and whose gate closes.
double RisingOutput(const ActivationSpec& activation, double z) {
  const double alpha = activation.alpha;
  switch (activation.kind) {
    case Activation::kElu:
      return z > 0.0 ? z : alpha * std::expm1(z);
    case Activation::kSelu:
      return kSeluScale * (z > 0.0 ? z : kSeluAlpha * std::expm1(z));
    case Activation::kCelu:
      return z > 0.0 || alpha == 0.0 ? std::max(z, 0.0)
                                     : alpha * std::expm1(z / alpha);
    case Activation::kSoftplus:
      return Softplus(z);
    case Activation::kSigmoid:
      return Sigmoid(z);
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kHardSigmoid:
      return std::clamp(z / 6.0 + 0.5, 0.0, 1.0);
    default:  // hard tanh: a = z inside the gate
      return z;
  }
}

// Where the gate is open, in terms of a = phi(z).
FiringRule OutputGateOf(const ActivationSpec& activation, double epsilon) {
  switch (activation.kind) {
    case Activation::kRelu6:
      return FiringRule::Positive();
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kSilu:
    case Activation::kMish:
    case Activation::kHardSwish:
      return FiringRule::None();
    case Activation::kElu:
      // It falls and rises again: a positive a may come from either side.
      if (activation.alpha < 0.0) return FiringRule::None();
      break;
    default:
      break;
  }
  FiringRule rule = GateOf(activation, epsilon);
  const bool moves = rule.kind == FiringRule::Kind::kBand &&
                     activation.kind != Activation::kRelu &&
                     activation.kind != Activation::kSquaredRelu &&
                     activation.kind != Activation::kLeakyRelu;
  if (!moves) return rule;
  rule.low = RisingOutput(activation, rule.low);
  rule.high = RisingOutput(activation, rule.high);
  return rule;
}

}  // namespace

double Derivative(const ActivationSpec& activation, double z) {
  switch (activation.kind) {
    case Activation::kLinear:
    case Activation::kSoftmaxExperts:
    case Activation::kSparseLatents:
      return 1.0;
    case Activation::kRelu:
      return z > 0.0 ? 1.0 : 0.0;
    case Activation::kRelu6:
      return StepSlope(z, 0.0, 6.0, 1.0);
    case Activation::kSquaredRelu:
      return z > 0.0 ? 2.0 * z : 0.0;
    case Activation::kLeakyRelu:
    case Activation::kPrelu:
    case Activation::kRrelu:
      return z > 0.0 ? 1.0 : activation.negative_slope;
    case Activation::kElu:
      return EluSlope(z, activation.alpha);
    case Activation::kSelu:
      return kSeluScale * EluSlope(z, kSeluAlpha);
    case Activation::kCelu:
      return CeluSlope(z, activation.alpha);
    case Activation::kGelu:
      return GeluSlope(z);
    case Activation::kGeluTanh:
      return GeluTanhSlope(z);
    case Activation::kSilu:
      return SiluSlope(z);
    case Activation::kMish:
      return MishSlope(z);
    case Activation::kSoftplus:
      return Sigmoid(z);
    case Activation::kSigmoid:
      return SigmoidSlope(z);
    case Activation::kTanh:
      return TanhSlope(z);
    case Activation::kHardSigmoid:
      return StepSlope(z, -3.0, 3.0, 1.0 / 6.0);
    case Activation::kHardTanh:
      return StepSlope(z, -1.0, 1.0, 1.0);
    case Activation::kHardSwish:
      return HardSwishSlope(z);
  }
  return 0.0;
}

FiringRule FiringRuleFor(Signal signal, const ActivationSpec& activation,
                         double gate_epsilon) {
  assert(gate_epsilon > 0.0 && gate_epsilon < 0.5);
  switch (signal) {
    case Signal::kActivation:
      return OutputGateOf(activation, gate_epsilon);
    case Signal::kPreActivation:
      return GateOf(activation, gate_epsilon);
    case Signal::kOutputGradient:
    case Signal::kWeightGradient:
      return FiringRule::NonZero();
    case Signal::kWeight:
    case Signal::kBias:
    case Signal::kWeightUpdate:
    case Signal::kInput:
    case Signal::kTarget:
      break;
  }
  return FiringRule::Positive();
}

}  // namespace firekeeper::core
