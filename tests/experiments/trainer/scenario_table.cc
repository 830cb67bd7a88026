#include <cstddef>
#include <string>
#include <utility>

#include "tests/experiments/trainer/remedies.h"
#include "tests/experiments/trainer/scenario_parts.h"

namespace firekeeper::experiments {
namespace {

using trainer::Initialization;
using trainer::UpdateRule;
using enum Effect;

constexpr std::size_t kRecommended = 2;

// What is wrong, the same on both kinds of data. The first two remedies are the
// recommended ones: in the matrix if the fault is.
struct Fault {
  const char* name;
  Cause cause;
  void (*change)(Scenario&);
  bool in_matrix;
  std::vector<Remedy> remedies;
};

// STATISTICS.md 7.1.
std::vector<Fault> LearningRates() {
  return {
      {"adam-3e-2",
       Cause::kLearningRate,
       [](Scenario& s) {
         s.optimizer = {.rule = UpdateRule::kAdam, .learning_rate = 3e-2};
       },
       true,
       {{"rate-1e-3", kHeals, kHeals, Rate<1'000>},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"warm-up-500", kHeals, kFails, WarmUp<500>},
        {"leaky-relu", kHeals, kHeals, Leaky},
        {"prelu", kHeals, kHeals, Prelu},
        {"rrelu", kHeals, kHeals, Rrelu},
        {"elu", kHeals, kFails, Elu},
        {"selu", kHeals, kFails, Selu}}},
      {"adam-1e-1",
       Cause::kLearningRate,
       [](Scenario& s) {
         s.optimizer = {.rule = UpdateRule::kAdam, .learning_rate = 1e-1};
       },
       false,
       {{"rate-1e-3", kHeals, kHeals, Rate<1'000>},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm}}},
      {"momentum-0.3",
       Cause::kLearningRate,
       [](Scenario& s) {
         s.optimizer = {.rule = UpdateRule::kMomentum, .learning_rate = 0.3};
       },
       true,
       {{"rate-0.03", kHeals, kHeals, Rate<30'000>},
        {"clip-0.1", kHeals, kHeals, Clip<1>},
        {"clip-1", kHeals, kHeals, Clip<10>},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"warm-up-300", kFails, kFails, WarmUp<300>},
        {"leaky-relu", kHeals, kFails, Leaky},
        {"gelu", kFails, kFails, Gelu},
        {"elu", kFails, kFails, Elu},
        {"selu", kFails, kFails, Selu},
        {"prelu", kFails, kFails, Prelu},
        {"rrelu", kFails, kFails, Rrelu}}},
  };
}

// STATISTICS.md 7.2.
std::vector<Fault> NegativeBiases() {
  return {
      {"bias-2",
       Cause::kNegativeBias,
       [](Scenario& s) { s.initialization.bias = -2.0; },
       false,
       {{"zero-bias", kHeals, kHeals, ZeroBias},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"prelu", kHeals, kHeals, Prelu},
        {"elu", kHeals, kHeals, Elu}}},
      {"bias-3-x2",
       Cause::kNegativeBias,
       [](Scenario& s) {
         s.hidden_units = {64, 64};
         s.initialization.bias = -3.0;
         s.optimizer.learning_rate = 0.1;
         s.steps = 1500;
       },
       true,
       {{"zero-bias", kHeals, kHeals, ZeroBias},
        {"prelu", kHeals, kHeals, Prelu},
        {"elu", kHeals, kHeals, Elu},
        {"selu", kHeals, kHeals, Selu},
        {"rrelu", kHeals, kHeals, Rrelu},
        {"leaky-relu-adam", kHeals, kHeals, LeakyWithAdam},
        {"elu-adam", kHeals, kHeals, EluWithAdam},
        {"leaky-relu", kFails, kFails, Leaky},
        {"gelu", kFails, kFails, Gelu}}},
      {"bias-5-x1",
       Cause::kNegativeBias,
       [](Scenario& s) {
         s.hidden_units = {64};
         s.initialization.bias = -5.0;
       },
       false,
       {{"zero-bias", kHeals, kHeals, ZeroBias},
        {"rai", kHeals, kHeals, Rai},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"prelu", kHeals, kHeals, Prelu},
        {"rrelu", kHeals, kHeals, Rrelu},
        {"elu", kFails, kHelps, Elu},
        {"selu", kFails, kHelps, Selu},
        {"gelu", kFails, kFails, Gelu}}},
  };
}

// STATISTICS.md 7.3.
std::vector<Fault> UnbalancedWeights() {
  return {
      {"mean-0.5",
       Cause::kUnbalancedWeights,
       [](Scenario& s) { s.initialization.weight_mean = -0.5; },
       false,
       {{"he", kHeals, kHeals, He}, {"layer-norm", kHeals, kHeals, LayerNorm}}},
      {"mean-1",
       Cause::kUnbalancedWeights,
       [](Scenario& s) { s.initialization.weight_mean = -1.0; },
       false,
       {{"he", kHeals, kHeals, He}}},
      {"mean-0.5-u01",
       Cause::kUnbalancedWeights,
       [](Scenario& s) {
         s.initialization.weight_mean = -0.5;
         FromZeroToOne(s);
       },
       false,
       {{"he", kHeals, kHeals, He}}},
      {"mean-1-u01",
       Cause::kUnbalancedWeights,
       [](Scenario& s) {
         s.initialization.weight_mean = -1.0;
         FromZeroToOne(s);
       },
       true,
       {{"he", kHeals, kHeals, He},
        {"rai", kHeals, kHeals, Rai},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"batch-norm", kFails, kFails, BatchNorm},
        {"standardise", kFails, kFails, Standardise},
        {"leaky-relu", kFails, kFails, Leaky},
        {"gelu", kFails, kHelps, Gelu},
        {"prelu", kFails, kFails, Prelu},
        {"rrelu", kFails, kFails, Rrelu}}},
  };
}

// STATISTICS.md 7.4.
std::vector<Fault> UnnormalizedInputs() {
  return {
      {"inputs-10+g",
       Cause::kUnnormalizedInput,
       [](Scenario& s) { s.data.mean = 10.0; },
       true,
       {{"standardise", kHeals, kHeals, Standardise},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"rate-5e-4", kHelps, kHelps, Rate<500>}}},
      {"inputs-100+20g",
       Cause::kUnnormalizedInput,
       [](Scenario& s) {
         s.data.mean = 100.0;
         s.data.scale = 20.0;
       },
       false,
       {{"standardise", kHeals, kHeals, Standardise},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"layer-norm", kHeals, kHeals, LayerNorm},
        {"rate-1e-5", kHelps, kHelps, Rate<10>},
        {"leaky-relu", kFails, kFails, Leaky},
        {"elu", kFails, kFails, Elu},
        {"prelu", kFails, kFails, Prelu}}},
      {"inputs-128+64g",
       Cause::kUnnormalizedInput,
       [](Scenario& s) {
         s.data.mean = 128.0;
         s.data.scale = 64.0;
       },
       false,
       {{"standardise", kHeals, kHeals, Standardise},
        {"batch-norm", kHeals, kHeals, BatchNorm}}},
  };
}

// STATISTICS.md 7.5.
std::vector<Fault> Depths() {
  return {
      {"w64x30",
       Cause::kDepth,
       [](Scenario& s) {
         s.hidden_units.assign(30, 64);
         s.optimizer.learning_rate = 0.02;
       },
       false,
       {{"selu", kHeals, kHeals, Selu},
        {"residual", kHeals, kHeals, ScaledResidual},
        {"batch-norm-residual", kHeals, kHeals, BatchNormResidual},
        {"layer-norm-residual", kHeals, kHeals, LayerNormResidual},
        {"four-layers", kHeals, kHeals, FourLayers},
        {"elu", kHeals, kHeals, Elu},
        {"prelu", kHeals, kHeals, Prelu},
        {"rrelu", kHeals, kHeals, Rrelu},
        {"leaky-relu", kHeals, kFails, Leaky}}},
      {"w16x30",
       Cause::kDepth,
       [](Scenario& s) {
         s.hidden_units.assign(30, 16);
         s.optimizer.learning_rate = 0.02;
       },
       true,
       {{"selu", kHeals, kHeals, Selu},
        {"residual", kHeals, kHeals, ScaledResidual},
        {"batch-norm-residual", kHeals, kHeals, BatchNormResidual},
        {"layer-norm-residual", kHeals, kHeals, LayerNormResidual},
        {"four-layers", kHelps, kHeals, FourLayers},
        {"elu", kHelps, kHeals, Elu},
        {"prelu", kHelps, kHelps, Prelu},
        {"rrelu", kHelps, kFails, Rrelu},
        {"leaky-relu", kFails, kFails, Leaky}}},
  };
}

// STATISTICS.md 7.6.
std::vector<Fault> VanishingGradients() {
  return {
      {"pytorch-16",
       Cause::kVanishingGradient,
       [](Scenario& s) {
         s.hidden_units.assign(16, 64);
         s.initialization.kind = Initialization::kPytorch;
       },
       true,
       {{"he", kHeals, kHeals, He},
        {"selu", kHeals, kHeals, Selu},
        {"batch-norm", kHeals, kHeals, BatchNorm},
        {"residual", kHeals, kHeals, ScaledResidual}}},
      {"std-0.01-8",
       Cause::kVanishingGradient,
       [](Scenario& s) {
         s.hidden_units.assign(8, 64);
         s.initialization = {.kind = Initialization::kNormal,
                             .standard_deviation = 0.01};
       },
       true,
       {{"he", kHeals, kHeals, He}}},
      {"sigmoid-8",
       Cause::kVanishingGradient,
       [](Scenario& s) {
         s.hidden_units.assign(8, 64);
         s.activation = "sigmoid";
         s.initialization.kind = Initialization::kGlorot;
       },
       true,
       {{"relu-he", kHeals, kHeals, ReluWithHe},
        {"tanh", kHeals, kHeals, Tanh},
        {"batch-norm", kHeals, kHeals, BatchNorm}}},
  };
}

Scenario Faulty(const Fault& fault, DataSpec::Source source) {
  Scenario scenario;
  scenario.data.source = source;
  scenario.name =
      (IsDigits(scenario) ? "digits/" : "") + std::string(fault.name);
  scenario.causes = {fault.cause};
  scenario.in_matrix = fault.in_matrix;
  fault.change(scenario);
  return scenario;
}

Scenario Mended(const Scenario& faulty, const Remedy& remedy) {
  Scenario scenario = faulty;
  scenario.name = faulty.name + "/" + remedy.name;
  scenario.causes.clear();
  scenario.remedy_of = faulty.name;
  scenario.effect =
      IsDigits(faulty) ? remedy.effect_on_digits : remedy.effect_on_synthetic;
  remedy.change(scenario);
  return scenario;
}

}  // namespace

std::vector<Scenario> SingleCauses() {
  std::vector<Scenario> scenarios;
  for (const auto source :
       {DataSpec::Source::kSynthetic, DataSpec::Source::kDigits}) {
    for (const auto& faults :
         {LearningRates(), NegativeBiases(), UnbalancedWeights(),
          UnnormalizedInputs(), Depths(), VanishingGradients()}) {
      for (const Fault& fault : faults) {
        const Scenario faulty = Faulty(fault, source);
        scenarios.push_back(faulty);
        for (std::size_t i = 0; i < fault.remedies.size(); ++i) {
          scenarios.push_back(Mended(faulty, fault.remedies[i]));
          scenarios.back().in_matrix = fault.in_matrix && i < kRecommended;
        }
      }
    }
  }
  return scenarios;
}

}  // namespace firekeeper::experiments
