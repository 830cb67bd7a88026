#include "core/diagnosis/observability.h"

#include <algorithm>
#include <array>

#include "core/diagnosis/layer_measures.h"

namespace firekeeper::core {
namespace {

bool HasScalar(const RunFacts& facts, const char* name) {
  const auto series = facts.scalars.find(name);
  return series != facts.scalars.end() && !series->second.points.empty();
}

template <typename Predicate>
bool AnyHidden(const RunFacts& facts, Predicate predicate) {
  return std::ranges::any_of(facts.layers, [&](const LayerFacts& layer) {
    return !layer.is_output && predicate(layer);
  });
}

bool AnyAtStart(const RunFacts& facts, Signal signal) {
  return AnyHidden(facts, [signal](const LayerFacts& layer) {
    return AtStart(layer, signal) != nullptr;
  });
}

bool AnyStreamed(const RunFacts& facts, Signal signal) {
  return AnyHidden(
      facts, [signal](const LayerFacts& layer) { return Has(layer, signal); });
}

bool CountsFirings(const LayerFacts& layer, bool at_start) {
  constexpr std::array kSignals{Signal::kActivation, Signal::kPreActivation};
  return std::ranges::any_of(kSignals, [&](Signal signal) {
    const SignalDigest* const digest =
        at_start ? AtStart(layer, signal) : Newest(layer, signal);
    return digest != nullptr && digest->firing_ratio.has_value();
  });
}

bool InputStreamed(const RunFacts& facts) {
  if (facts.layers.empty()) return false;
  const bool declared = std::ranges::any_of(
      facts.layers,
      [](const LayerFacts& layer) { return !layer.inputs.empty(); });
  if (!declared) return Has(facts.layers.front(), Signal::kInput);
  return std::ranges::any_of(facts.layers, [](const LayerFacts& layer) {
    return layer.inputs.empty() && Has(layer, Signal::kInput);
  });
}

bool OutputStreamed(const RunFacts& facts) {
  return std::ranges::any_of(facts.layers, [](const LayerFacts& layer) {
    return layer.is_output && (Has(layer, Signal::kActivation) ||
                               Has(layer, Signal::kPreActivation) ||
                               Has(layer, Signal::kOutputGradient));
  });
}

bool AnythingStreamed(const RunFacts& facts) {
  return HasScalar(facts, kLossScalar) ||
         std::ranges::any_of(facts.layers, [](const LayerFacts& layer) {
           return !layer.train.empty();
         });
}

bool FiringsAtStart(const RunFacts& facts) {
  return AnyHidden(facts, [](const LayerFacts& layer) {
    return CountsFirings(layer, true) ||
           (layer.birth_activation && layer.birth_activation->firing_ratio);
  });
}

bool Met(const RunFacts& facts, Need need) {
  switch (need) {
    case Need::kLayerAny:
      return AnythingStreamed(facts);
    case Need::kFirings:
      return AnyHidden(facts, [](const LayerFacts& layer) {
        return CountsFirings(layer, false);
      });
    case Need::kFiringsAtStart:
      return FiringsAtStart(facts);
    case Need::kFirstInput:
      return InputStreamed(facts);
    case Need::kBiasAtStart:
      return AnyAtStart(facts, Signal::kBias);
    case Need::kPreActivationAtStart:
      return AnyAtStart(facts, Signal::kPreActivation);
    case Need::kWeightAtStart:
      return AnyAtStart(facts, Signal::kWeight);
    case Need::kBackSignal:
      return AnyAtStart(facts, Signal::kWeight) ||
             AnyAtStart(facts, Signal::kOutputGradient);
    case Need::kLearning:
      return HasScalar(facts, kLossScalar) ||
             AnyAtStart(facts, Signal::kWeightGradient);
    case Need::kGrowth:
      return AnyAtStart(facts, Signal::kOutputGradient) ||
             HasScalar(facts, kGradientNormScalar);
    case Need::kWeightUpdate:
      return AnyStreamed(facts, Signal::kWeightUpdate);
    case Need::kWeight:
      return AnyStreamed(facts, Signal::kWeight);
    case Need::kLoss:
      return HasScalar(facts, kLossScalar);
    case Need::kOutput:
      return OutputStreamed(facts);
  }
  return false;
}

}  // namespace

const char* Name(Need need) {
  switch (need) {
    case Need::kLayerAny:
      return "any signal or scalar loss";
    case Need::kFirings:
      return "ACTIVATION or PRE_ACTIVATION";
    case Need::kFiringsAtStart:
      return "ACTIVATION or PRE_ACTIVATION at step 0, or phase BIRTH";
    case Need::kFirstInput:
      return "INPUT of the first layer";
    case Need::kBiasAtStart:
      return "BIAS at step 0";
    case Need::kPreActivationAtStart:
      return "PRE_ACTIVATION at step 0";
    case Need::kWeightAtStart:
      return "WEIGHT at step 0";
    case Need::kBackSignal:
      return "WEIGHT or OUTPUT_GRADIENT at step 0";
    case Need::kLearning:
      return "scalar loss or WEIGHT_GRADIENT at step 0";
    case Need::kGrowth:
      return "OUTPUT_GRADIENT at step 0 or scalar gradient_norm";
    case Need::kWeightUpdate:
      return "WEIGHT_UPDATE";
    case Need::kWeight:
      return "WEIGHT";
    case Need::kLoss:
      return "scalar loss";
    case Need::kOutput:
      return "ACTIVATION or OUTPUT_GRADIENT of the output layer";
  }
  return "";
}

const std::vector<CauseNeeds>& NeedsOfCauses() {
  using enum Cause;
  static const auto* const kTable = new std::vector<CauseNeeds>{
      {kNumericalFailure, {Need::kLayerAny}},
      {kUnnormalizedInput, {Need::kFirstInput}},
      {kNegativeBiasInit, {Need::kBiasAtStart, Need::kPreActivationAtStart}},
      {kUnbalancedWeightInit, {Need::kWeightAtStart}},
      {kSymmetricInit, {Need::kWeightAtStart}},
      {kVanishingGradient, {Need::kBackSignal, Need::kLearning}},
      {kExplodingGradient, {Need::kGrowth}},
      {kTooDeepOrNarrow, {Need::kFiringsAtStart}},
      {kLearningRateTooHigh,
       {Need::kWeightUpdate, Need::kWeight, Need::kFirings}},
      {kConstantOutput, {Need::kOutput, Need::kFirings}},
      {kConverged, {Need::kLoss}},
      {kIntendedSparsity, {Need::kFirings}},
  };
  return *kTable;
}

std::vector<NotObservable> NotObservableCauses(const RunFacts& facts) {
  std::vector<NotObservable> result;
  for (const CauseNeeds& row : NeedsOfCauses()) {
    NotObservable missing{.cause = row.cause, .missing = {}};
    for (const Need need : row.needs) {
      if (!Met(facts, need)) missing.missing.emplace_back(Name(need));
    }
    if (!missing.missing.empty()) result.push_back(std::move(missing));
  }
  return result;
}

}  // namespace firekeeper::core
