// What a tensor is and where it comes from: the vocabulary that the rest of
// core is written in. Values equal those of firekeeper.v1.

#pragma once

#include <cstdint>

namespace firekeeper::core {

enum class Phase : std::uint8_t { kTrain = 1, kEval, kBirth, kProbe };

enum class Signal : std::uint8_t {
  kActivation = 1,
  kPreActivation,
  kOutputGradient,
  kWeight,
  kBias,
  kWeightGradient,
  kWeightUpdate,
  kInput,
  kTarget,
};

enum class Activation : std::uint8_t {
  kLinear = 1,
  kRelu,
  kRelu6,
  kSquaredRelu,
  kLeakyRelu,
  kPrelu,
  kRrelu,
  kElu,
  kSelu,
  kCelu,
  kGelu,
  kGeluTanh,
  kSilu,
  kMish,
  kSoftplus,
  kSigmoid,
  kTanh,
  kHardSigmoid,
  kHardTanh,
  kHardSwish,
  kSoftmaxExperts,
  kSparseLatents,
};

// An activation function with its parameters.
struct ActivationSpec {
  Activation kind = Activation::kRelu;
  double negative_slope = 0.0;  // leaky kinds, slope for z < 0
  double alpha = 1.0;           // ELU and CELU

  friend bool operator==(const ActivationSpec&,
                         const ActivationSpec&) = default;
};

[[nodiscard]] constexpr bool IsGradient(Signal signal) {
  return signal == Signal::kOutputGradient || signal == Signal::kWeightGradient;
}

}  // namespace firekeeper::core
