#include "tests/experiments/trainer/scenario.h"

#include <algorithm>
#include <iterator>

#include "tests/experiments/trainer/scenario_parts.h"

namespace firekeeper::experiments {
namespace {

std::vector<Scenario> MakeTable() {
  std::vector<Scenario> table = SingleCauses();
  for (auto part : {PairsOfCauses(), HealthyControls(), HeldOutPrograms()}) {
    std::ranges::move(part, std::back_inserter(table));
  }
  return table;
}

}  // namespace

const std::vector<Scenario>& AllScenarios() {
  static const std::vector<Scenario> kScenarios = MakeTable();
  return kScenarios;
}

const Scenario* FindScenario(std::string_view name) {
  const auto& table = AllScenarios();
  const auto found = std::ranges::find(table, name, &Scenario::name);
  return found == table.end() ? nullptr : &*found;
}

std::string_view Name(Cause cause) {
  switch (cause) {
    case Cause::kLearningRate:
      return "CAUSE_LEARNING_RATE_TOO_HIGH";
    case Cause::kNegativeBias:
      return "CAUSE_NEGATIVE_BIAS_INIT";
    case Cause::kUnbalancedWeights:
      return "CAUSE_UNBALANCED_WEIGHT_INIT";
    case Cause::kUnnormalizedInput:
      return "CAUSE_UNNORMALIZED_INPUT";
    case Cause::kDepth:
      return "CAUSE_TOO_DEEP_OR_NARROW";
    case Cause::kVanishingGradient:
      return "CAUSE_VANISHING_GRADIENT";
  }
  return "CAUSE_UNSPECIFIED";
}

std::string_view Name(Effect effect) {
  switch (effect) {
    case Effect::kNone:
      return "";
    case Effect::kHeals:
      return "heals";
    case Effect::kHelps:
      return "helps";
    case Effect::kFails:
      return "fails";
  }
  return "";
}

bool IsDigits(const Scenario& scenario) {
  return scenario.data.source == DataSpec::Source::kDigits ||
         scenario.data.source == DataSpec::Source::kUnitDigits;
}

}  // namespace firekeeper::experiments
