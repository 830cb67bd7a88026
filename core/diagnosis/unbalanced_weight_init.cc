// S4: weights whose mean is below zero at step 0. What a layer of rectifiers
// gives is positive, so such weights pull the next layer below zero. After
// training a negative mean is expected and says nothing.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

bool IsUnbalanced(const Case& c, const LayerMeasures& layer) {
  return layer.weight_z && layer.weight_pull &&
         *layer.weight_z < c.settings.weight_mean_z &&
         *layer.weight_pull < c.settings.weight_mean_pull;
}

const LayerMeasures* Lowest(const Case& c) {
  const LayerMeasures* lowest = nullptr;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || !layer.weight_z) continue;
    if (lowest == nullptr || *layer.weight_z < *lowest->weight_z) {
      lowest = &layer;
    }
  }
  return lowest;
}

// Over hidden layers that read other layers.
struct Passed {
  std::optional<double> least_firing;
  std::optional<double> least_rms;  // of the output over that of the input
};

void Lower(std::optional<double> value, std::optional<double>* least) {
  if (value && (!*least || *value < **least)) *least = value;
}

Passed PassedOn(const Case& c) {
  Passed passed;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || layer.reads_data) continue;
    Lower(layer.firing_at_start, &passed.least_firing);
    if (!layer.output_rms || !layer.input_rms) continue;
    // A layer that reads nothing has lost nothing itself.
    Lower(*layer.input_rms == 0.0 ? 1.0 : *layer.output_rms / *layer.input_rms,
          &passed.least_rms);
  }
  return passed;
}

}  // namespace

Assessment AssessUnbalancedWeightInit(const Case& c) {
  Assessment result;
  result.cause = Cause::kUnbalancedWeightInit;
  result.last_step = c.facts.last_step;
  const LayerMeasures* lowest = Lowest(c);
  const Passed passed = PassedOn(c);
  result.sheet.Below(
      {.signal = "S4",
       .description = "mean of the weights at step 0 in standard errors",
       .weight = 3.0,
       .layer = lowest == nullptr ? "" : lowest->facts->name},
      lowest == nullptr ? std::nullopt : lowest->weight_z,
      c.settings.weight_mean_z);
  const bool quiet = result.sheet.Below(
      {.signal = "S4",
       .description = "firing rate at step 0 behind another layer"},
      passed.least_firing, c.settings.low_firing);
  const bool faint = result.sheet.Below(
      {.signal = "S4",
       .description = "rms of a layer over that of its input at step 0"},
      passed.least_rms, c.settings.signal_collapse);
  bool harmed = quiet && faint && !c.measures.learns();
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden) continue;
    harmed = harmed || HarmedFromStart(c, layer, layer.expected_silent);
    if (IsUnbalanced(c, layer)) result.layers.push_back(layer.facts->name);
  }
  result.holds = !result.layers.empty() && harmed;
  if (lowest != nullptr) {
    result.summary = absl::StrCat(
        "the weights start with a negative mean, in ", lowest->facts->name, " ",
        Digits(*lowest->weight_z), " standard errors below zero");
  }
  result.why_not = lowest == nullptr ? "the weights of step 0 were not streamed"
                   : result.layers.empty()
                       ? "the weights start balanced"
                       : "the weights start low, and nothing came of it";
  return result;
}

}  // namespace firekeeper::core
