#include "core/remedy_plan.h"

#include <algorithm>
#include <functional>

#include "core/remedy_parts.h"

namespace firekeeper::core {
namespace {

Remedy LeaveAlone(const char* reason) {
  return {.title = "leave it alone",
          .action = "change nothing",
          .reason = reason,
          .expected_effect = "the run goes on as it is",
          .measured_support = ""};
}

std::vector<Remedy> HeadRemedies() {
  return {
      {.title = "give the head something to choose from",
       .action = "use at least two units under a softmax; for two classes with "
                 "one unit use a sigmoid and binary cross-entropy; for a "
                 "regression leave the output linear",
       .reason = "a softmax over one unit is 1 whatever its input, so its "
                 "gradient is 0",
       .expected_effect = "gradients reach the hidden layers",
       .measured_support = ""},
      {.title = "swap the activation",
       .action = "do not",
       .reason = "the hidden units fire: they are not at fault",
       .expected_effect = "none",
       .measured_support = "",
       .recommended = false},
  };
}

std::vector<Remedy> UnknownRemedies(const RemedyCase& c) {
  const std::string names = NamesOf(LayersOf(c));
  return {
      {.title = "stream what is missing",
       .action = "stream INPUT of the first layer, and WEIGHT, BIAS, "
                 "WEIGHT_UPDATE, PRE_ACTIVATION and OUTPUT_GRADIENT of " +
                 names + " from step 0 on, and run again",
       .reason = "most causes show in the state before the first update",
       .expected_effect = "a cause, or the certainty that it is a new one",
       .measured_support = ""},
      {.title = "recycle the dead units",
       .action = "draw the incoming weights of the dead units of " + names +
                 " anew and set their outgoing weights to 0 (ReDo)",
       .reason = "it gives the capacity back; it does not remove the cause",
       .expected_effect = "fewer dead units until the cause strikes again",
       .measured_support = ""},
  };
}

std::vector<Remedy> Unranked(const RemedyCase& c) {
  switch (c.finding.cause) {
    case Cause::kNumericalFailure:
      return NumericalRemedies(c);
    case Cause::kUnnormalizedInput:
      return InputRemedies(c);
    case Cause::kNegativeBiasInit:
      return BiasRemedies(c);
    case Cause::kUnbalancedWeightInit:
      return WeightRemedies(c);
    case Cause::kVanishingGradient:
      return VanishingRemedies(c);
    case Cause::kExplodingGradient:
      return ExplodingRemedies(c);
    case Cause::kTooDeepOrNarrow:
      return DepthRemedies(c);
    case Cause::kLearningRateTooHigh:
      return LearningRateRemedies(c);
    case Cause::kSymmetricInit:
      return SymmetryRemedies(c);
    case Cause::kIntendedSparsity:
      return {
          LeaveAlone("units that fire rarely are alive and carry rare "
                     "features; reviving them would destroy those")};
    case Cause::kConverged:
      return {LeaveAlone("gradients are small because the loss is")};
    case Cause::kConstantOutput:
      return HeadRemedies();
    case Cause::kUnknown:
      return UnknownRemedies(c);
  }
  return {};
}

}  // namespace

std::vector<Remedy> RemediesFor(const Finding& finding, const RunFacts& facts,
                                const RunMeasures& measures,
                                const DiagnosisSettings& settings) {
  std::vector<Remedy> remedies = Unranked({.finding = finding,
                                           .facts = facts,
                                           .measures = measures,
                                           .settings = settings});
  // Not std::ranges: clang-tidy 14 cannot read a subrange.
  std::stable_partition(remedies.begin(), remedies.end(),
                        std::mem_fn(&Remedy::recommended));
  return remedies;
}

}  // namespace firekeeper::core
