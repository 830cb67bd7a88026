#include "tests/experiments/trainer/remedies.h"

#include <cmath>

namespace firekeeper::experiments {
namespace {

using trainer::Initialization;

void WithAdam(Scenario& scenario) {
  scenario.optimizer = {.rule = trainer::UpdateRule::kAdam,
                        .learning_rate = 1e-3};
}

}  // namespace

void BatchNorm(Scenario& scenario) {
  scenario.normalization = trainer::Normalization::kBatch;
}

void LayerNorm(Scenario& scenario) {
  scenario.normalization = trainer::Normalization::kLayer;
}

void ScaledResidual(Scenario& scenario) {
  scenario.residual = trainer::Residual::kScaled;
}

void BatchNormResidual(Scenario& scenario) {
  BatchNorm(scenario);
  ScaledResidual(scenario);
}

void LayerNormResidual(Scenario& scenario) {
  LayerNorm(scenario);
  ScaledResidual(scenario);
}

void FourLayers(Scenario& scenario) { scenario.hidden_units.resize(4); }

void Leaky(Scenario& scenario) { scenario.activation = "leaky-relu"; }
void Prelu(Scenario& scenario) { scenario.activation = "prelu"; }
void Rrelu(Scenario& scenario) { scenario.activation = "rrelu"; }
void Elu(Scenario& scenario) { scenario.activation = "elu"; }
void Gelu(Scenario& scenario) { scenario.activation = "gelu"; }
void Tanh(Scenario& scenario) { scenario.activation = "tanh"; }

void Selu(Scenario& scenario) {
  scenario.activation = "selu";
  scenario.initialization.kind = Initialization::kLecun;
}

void ReluWithHe(Scenario& scenario) {
  scenario.activation = "relu";
  He(scenario);
}

void LeakyWithAdam(Scenario& scenario) {
  Leaky(scenario);
  WithAdam(scenario);
}

void EluWithAdam(Scenario& scenario) {
  Elu(scenario);
  WithAdam(scenario);
}

void ZeroBias(Scenario& scenario) { scenario.initialization.bias = 0.0; }

void He(Scenario& scenario) {
  scenario.initialization = {.kind = Initialization::kHe};
}

void Rai(Scenario& scenario) {
  scenario.initialization = {.kind = Initialization::kRai};
}

void Standardise(Scenario& scenario) {
  using enum DataSpec::Source;
  if (scenario.data.source == kUnitDigits) scenario.data.source = kDigits;
  scenario.data.mean = 0.0;
  scenario.data.scale = 1.0;
}

void FromZeroToOne(Scenario& scenario) {
  using enum DataSpec::Source;
  if (IsDigits(scenario)) {
    scenario.data.source = kUnitDigits;
    return;
  }
  scenario.data = {
      .source = kUniform, .mean = 0.5, .scale = 1.0 / std::sqrt(12.0)};
}

}  // namespace firekeeper::experiments
