// What may mend a scenario: each remedy changes one thing of it.

#pragma once

#include <cstdint>

#include "tests/experiments/trainer/scenario.h"

namespace firekeeper::experiments {

struct Remedy {
  const char* name;
  Effect effect_on_synthetic;
  Effect effect_on_digits;
  void (*change)(Scenario&);
};

// Learning rate in millionths.
template <int Millionths>
void Rate(Scenario& scenario) {
  scenario.optimizer.learning_rate = Millionths * 1e-6;
}
// Norm of the gradients in tenths.
template <int Tenths>
void Clip(Scenario& scenario) {
  scenario.optimizer.clip_norm = Tenths * 0.1;
}
template <std::int64_t Steps>
void WarmUp(Scenario& scenario) {
  scenario.optimizer.warmup_steps = Steps;
}

void BatchNorm(Scenario& scenario);
void LayerNorm(Scenario& scenario);
void ScaledResidual(Scenario& scenario);
void BatchNormResidual(Scenario& scenario);
void LayerNormResidual(Scenario& scenario);
void FourLayers(Scenario& scenario);

void Leaky(Scenario& scenario);
void Prelu(Scenario& scenario);
void Rrelu(Scenario& scenario);
void Elu(Scenario& scenario);
void Gelu(Scenario& scenario);
void Tanh(Scenario& scenario);
// With the LeCun initialisation that it is made for; a bias stays.
void Selu(Scenario& scenario);
void ReluWithHe(Scenario& scenario);
// Adam at 1e-3 in place of SGD.
void LeakyWithAdam(Scenario& scenario);
void EluWithAdam(Scenario& scenario);

void ZeroBias(Scenario& scenario);
// Fresh initialisations, without offsets.
void He(Scenario& scenario);
void Rai(Scenario& scenario);

// The network sees g.
void Standardise(Scenario& scenario);
// No remedy: inputs that are U(0, 1), digits with pixels from 0 to 1.
void FromZeroToOne(Scenario& scenario);

}  // namespace firekeeper::experiments
