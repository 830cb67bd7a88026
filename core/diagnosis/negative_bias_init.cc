// S3: biases that hold the units of a layer below zero from the start.

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

// The hidden layer whose biases lie lowest; null where none was seen.
const LayerMeasures* Lowest(const Case& c) {
  const LayerMeasures* lowest = nullptr;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || !layer.bias_offset) continue;
    if (lowest == nullptr || *layer.bias_offset < *lowest->bias_offset) {
      lowest = &layer;
    }
  }
  return lowest;
}

// The largest share of silent units at start beyond what depth explains, and
// where.
const LayerMeasures* MostSilent(const Case& c) {
  const LayerMeasures* most = nullptr;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || !layer.silent_at_start) continue;
    if (most == nullptr || *layer.silent_at_start > *most->silent_at_start) {
      most = &layer;
    }
  }
  return most;
}

void Weigh(const Case& c, const LayerMeasures& lowest, Assessment* result) {
  result->sheet.Below(
      {.signal = "S3",
       .description = "mean bias over the rms of what the weights give",
       .weight = 3.0,
       .layer = lowest.facts->name},
      lowest.bias_offset, c.settings.bias_offset);
  const LayerMeasures* silent = MostSilent(c);
  std::optional<double> share;
  if (silent != nullptr) {
    share = *silent->silent_at_start - silent->expected_if_normalized;
  }
  result->sheet.Above(
      {.signal = "S1",
       .description = "units silent at step 0 beyond what depth explains",
       .weight = 2.0,
       .layer = silent == nullptr ? "" : silent->facts->name},
      share, c.settings.born_silent_excess);
  result->sheet.AtMost(
      {.signal = "S8", .description = "share of units that died after step 0"},
      c.measures.late_share, c.settings.late_share);
  if (c.measures.collapsed && c.measures.first_gradient) {
    result->sheet.AtMost(
        {.signal = "S6",
         .description = "weight gradient of the first layer: a layer is shut",
         .weight = 0.5},
        c.measures.first_gradient, 0.0);
  }
}

}  // namespace

Assessment AssessNegativeBiasInit(const Case& c) {
  Assessment result;
  result.cause = Cause::kNegativeBiasInit;
  result.last_step = c.facts.last_step;
  const LayerMeasures* lowest = Lowest(c);
  if (lowest == nullptr) {
    result.sheet.Below({.signal = "S3",
                        .description = "mean bias over the rms of what the "
                                       "weights give",
                        .weight = 3.0},
                       std::nullopt, c.settings.bias_offset);
    result.why_not = "biases and pre-activations of step 0 were not streamed";
    return result;
  }
  Weigh(c, *lowest, &result);
  bool harmed = false;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden) continue;
    harmed = harmed || HarmedFromStart(c, layer, layer.expected_if_normalized);
    if (layer.bias_offset && *layer.bias_offset < c.settings.bias_offset) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.holds = !result.layers.empty() && harmed;
  result.summary = absl::StrCat(
      "the biases of ", result.layers.size(),
      " layers start so low that their units cannot fire; the "
      "mean bias of ",
      lowest->facts->name, " is ", Digits(lowest->bias_mean.value_or(0.0)));
  result.why_not = result.layers.empty()
                       ? "the biases start near zero"
                       : "the biases start low, and nothing came of it";
  return result;
}

}  // namespace firekeeper::core
