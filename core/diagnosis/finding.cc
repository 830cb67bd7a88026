#include "core/diagnosis/finding.h"

namespace firekeeper::core {

const char* Name(Cause cause) {
  switch (cause) {
    case Cause::kNumericalFailure:
      return "numerical_failure";
    case Cause::kUnnormalizedInput:
      return "unnormalized_input";
    case Cause::kNegativeBiasInit:
      return "negative_bias_init";
    case Cause::kUnbalancedWeightInit:
      return "unbalanced_weight_init";
    case Cause::kVanishingGradient:
      return "vanishing_gradient";
    case Cause::kExplodingGradient:
      return "exploding_gradient";
    case Cause::kTooDeepOrNarrow:
      return "too_deep_or_narrow";
    case Cause::kLearningRateTooHigh:
      return "learning_rate_too_high";
    case Cause::kSymmetricInit:
      return "symmetric_init";
    case Cause::kIntendedSparsity:
      return "intended_sparsity";
    case Cause::kConverged:
      return "converged";
    case Cause::kConstantOutput:
      return "constant_output";
    case Cause::kUnknown:
      return "unknown";
  }
  return "";
}

bool IsFault(Cause cause) {
  return cause != Cause::kIntendedSparsity && cause != Cause::kConverged &&
         cause != Cause::kConstantOutput;
}

}  // namespace firekeeper::core
