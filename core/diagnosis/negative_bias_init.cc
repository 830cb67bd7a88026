// S3: biases that hold the units of a layer below zero from the start.

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

// S3 of a layer as it would be for inputs of rms 1, where larger ones hide what
// its biases do: without its bias z grows with the inputs. Deeper layers also
// inherit earlier biases, so that this holds of the first only.
std::optional<double> BiasOffsetOf(const LayerMeasures& layer) {
  if (!layer.bias_offset || !layer.reads_data) return layer.bias_offset;
  return *layer.bias_offset * std::max(1.0, layer.input_rms.value_or(1.0));
}

// The hidden layer whose biases lie lowest; null where none was seen.
const LayerMeasures* Lowest(const Case& c) {
  const LayerMeasures* lowest = nullptr;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || !layer.bias_offset) continue;
    const bool lower =
        lowest == nullptr || *BiasOffsetOf(layer) < *BiasOffsetOf(*lowest);
    // Behind a layer that is shut there is nothing to compare a bias with.
    if (lower && layer.input_rms != 0.0) lowest = &layer;
  }
  return lowest;
}

// The biases leave next to nothing that fires at the start, and the loss comes
// down slowly. Early in a run every loss is high.
bool HardlyFires(const Case& c, const LayerMeasures& layer) {
  const LossCourse& loss = c.measures.loss;
  return layer.bias_offset && *layer.bias_offset < c.settings.bias_offset &&
         c.facts.last_step >= c.settings.slow_steps && layer.firing_at_start &&
         *layer.firing_at_start < c.settings.low_firing &&
         layer.examples_at_start >= c.settings.min_examples &&
         loss.learning == Learning::kLearning &&
         loss.Ratio() > c.settings.slow_progress;
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

// Large inputs are all that keeps the biases of the layer from shutting it.
bool IsMasked(const Case& c, const LayerMeasures& layer) {
  return layer.bias_offset && *layer.bias_offset >= c.settings.bias_offset &&
         *BiasOffsetOf(layer) < c.settings.bias_offset;
}

void Weigh(const Case& c, const LayerMeasures& lowest, Assessment* result) {
  result->sheet.Below(
      {.signal = "S3",
       .description =
           IsMasked(c, lowest)
               ? "mean bias over the rms of what the weights give, for inputs "
                 "of rms 1"
               : "mean bias over the rms of what the weights give",
       .weight = 3.0,
       .layer = lowest.facts->name},
      BiasOffsetOf(lowest), c.settings.bias_offset);
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
    harmed = harmed ||
             HarmedFromStart(c, layer, layer.expected_if_normalized) ||
             HardlyFires(c, layer);
    if (layer.bias_offset && *BiasOffsetOf(layer) < c.settings.bias_offset) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.holds = !result.layers.empty() && harmed;
  result.summary =
      absl::StrCat("the biases of ", result.layers.size(),
                   " layers start so low that their units cannot fire",
                   IsMasked(c, *lowest) ? " once the inputs are of size 1" : "",
                   "; the mean bias of ", lowest->facts->name, " is ",
                   Digits(lowest->bias_mean.value_or(0.0)));
  result.why_not = result.layers.empty()
                       ? "the biases start near zero"
                       : "the biases start low, and nothing came of it";
  return result;
}

}  // namespace firekeeper::core
