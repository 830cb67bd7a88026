#include "core/activation_traits.h"

#include <cassert>

namespace firekeeper::core {

SaturationRange SaturationRangeOf(Activation kind) {
  switch (kind) {
    case Activation::kLinear:
    case Activation::kRelu:
    case Activation::kSquaredRelu:
    case Activation::kLeakyRelu:
    case Activation::kPrelu:
    case Activation::kRrelu:
    case Activation::kSoftmaxExperts:
    case Activation::kSparseLatents:
      return SaturationRange::kNone;
    case Activation::kRelu6:
      return SaturationRange::kHigh;
    case Activation::kElu:
    case Activation::kSelu:
    case Activation::kCelu:
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kSilu:
    case Activation::kMish:
    case Activation::kSoftplus:
    case Activation::kSigmoid:
    case Activation::kTanh:
    case Activation::kHardSigmoid:
    case Activation::kHardTanh:
    case Activation::kHardSwish:
      return SaturationRange::kBoth;
  }
  assert(false);
  return SaturationRange::kNone;
}

LinearRule LinearRuleFor(Signal signal, Activation kind) {
  switch (kind) {
    case Activation::kRelu:
    case Activation::kHardSigmoid:
    case Activation::kHardTanh:
      return LinearRule::kGateOpen;
    case Activation::kRelu6:
      return signal == Signal::kPreActivation ? LinearRule::kGateOpen
                                              : LinearRule::kGateOpenSix;
    case Activation::kLeakyRelu:
    case Activation::kPrelu:
    case Activation::kRrelu:
      return LinearRule::kOneSign;
    default:
      // Linear layers are linear by design, experts and latents by choice.
      return LinearRule::kNever;
  }
}

}  // namespace firekeeper::core
