#include <array>
#include <string>
#include <utility>

#include "tests/experiments/trainer/scenario_parts.h"

namespace firekeeper::experiments {
namespace {

using trainer::Initialization;
using trainer::UpdateRule;
using Change = void (*)(Scenario&);

// One thing that is wrong, as a change of a healthy scenario.
struct Fault {
  const char* name;
  Cause cause;
  Change change;
};

void Adam(Scenario& scenario) {
  scenario.optimizer = {.rule = UpdateRule::kAdam, .learning_rate = 3e-2};
}
void Momentum(Scenario& scenario) {
  scenario.optimizer = {.rule = UpdateRule::kMomentum, .learning_rate = 0.3};
}
void Bias(Scenario& scenario) { scenario.initialization.bias = -2.0; }
void Weights(Scenario& scenario) { scenario.initialization.weight_mean = -1.0; }
void Inputs(Scenario& scenario) {
  scenario.data.mean = 10.0;
  scenario.data.scale = 1.0;
}
void Pixels(Scenario& scenario) {
  scenario.data.mean = 128.0;
  scenario.data.scale = 64.0;
}
// As the single cause, so that the two can be compared; a learning rate that
// comes after it takes its place.
void Deep(Scenario& scenario) {
  scenario.hidden_units.assign(30, 16);
  scenario.optimizer.learning_rate = 0.02;
}
void SmallWeights(Scenario& scenario) {
  scenario.hidden_units.assign(16, 64);
  scenario.initialization.kind = Initialization::kPytorch;
}

constexpr Fault kAdam{"adam-3e-2", Cause::kLearningRate, Adam};
constexpr Fault kMomentum{"momentum-0.3", Cause::kLearningRate, Momentum};
constexpr Fault kBias{"bias-2", Cause::kNegativeBias, Bias};
constexpr Fault kWeights{"mean-1", Cause::kUnbalancedWeights, Weights};
constexpr Fault kInputs{"inputs-10+g", Cause::kUnnormalizedInput, Inputs};
constexpr Fault kPixels{"inputs-128+64g", Cause::kUnnormalizedInput, Pixels};
constexpr Fault kDeep{"w16x30", Cause::kDepth, Deep};
constexpr Fault kSmallWeights{"pytorch-16", Cause::kVanishingGradient,
                              SmallWeights};

struct Pair {
  Fault first;
  Fault second;
  bool in_matrix = false;
};

constexpr std::array kPairs{
    Pair{kInputs, kAdam, true},
    Pair{kInputs, kMomentum},
    Pair{kPixels, kAdam},
    Pair{kBias, kAdam},
    Pair{kBias, kMomentum, true},
    Pair{kWeights, kInputs, true},
    Pair{kWeights, kAdam},
    Pair{kWeights, kBias},
    Pair{kBias, kInputs},
    Pair{kDeep, kInputs},
    Pair{kDeep, kAdam},
    Pair{kSmallWeights, kInputs},
    Pair{kSmallWeights, kMomentum},
};

}  // namespace

std::vector<Scenario> PairsOfCauses() {
  std::vector<Scenario> pairs;
  for (const auto source :
       {DataSpec::Source::kSynthetic, DataSpec::Source::kDigits}) {
    for (const auto& [first, second, in_matrix] : kPairs) {
      Scenario scenario;
      scenario.data.source = source;
      const std::string prefix = IsDigits(scenario) ? "digits/" : "";
      scenario.name = prefix + "pair/" + first.name + "/" + second.name;
      scenario.causes = {first.cause, second.cause};
      scenario.in_matrix = in_matrix;
      first.change(scenario);
      second.change(scenario);
      pairs.push_back(std::move(scenario));
    }
  }
  return pairs;
}

}  // namespace firekeeper::experiments
