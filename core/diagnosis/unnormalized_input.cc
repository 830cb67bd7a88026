// S2: data whose mean or scale is far from 0 and 1. A large mean puts every
// example on the same side of a unit: half of those units never fire.

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

struct Beyond {
  bool offset = false;
  bool high = false;
  bool low = false;

  [[nodiscard]] bool any() const { return offset || high || low; }
};

Beyond BeyondOf(const Case& c, const InputMeasures& input) {
  return {.offset = input.offset > c.settings.input_offset,
          .high = input.rms > c.settings.input_rms_high,
          .low = input.rms < c.settings.input_rms_low};
}

// The input that is furthest off; null where none was seen.
const InputMeasures* Worst(const Case& c) {
  const InputMeasures* worst = nullptr;
  double most = -1.0;
  for (const InputMeasures& input : c.measures.inputs) {
    const double scale = input.rms == 0.0 ? 0.0 : std::abs(std::log(input.rms));
    const double off = input.offset / c.settings.input_offset +
                       scale / std::log(c.settings.input_rms_high);
    if (off <= most) continue;
    worst = &input;
    most = off;
  }
  return worst;
}

bool Harmed(const Case& c, const Beyond& beyond, const LayerMeasures& layer) {
  if (!c.measures.failed() && !c.measures.many_dead) {
    return beyond.offset &&
           HarmedFromStart(c, layer, layer.expected_if_normalized);
  }
  // Small inputs slow learning down; they kill nobody and make no NaN.
  return beyond.offset || beyond.high || c.measures.loss.failed();
}

void WeighScale(const Case& c, const InputMeasures& input, const Beyond& beyond,
                Assessment* result) {
  const std::string& name = c.facts.layers[input.layer].name;
  result->sheet.Above({.signal = "S2",
                       .description = "offset of the inputs: ||mean|| / ||sd||",
                       .weight = beyond.any() && !beyond.offset ? 1.0 : 2.0,
                       .layer = name},
                      input.offset, c.settings.input_offset);
  const Claim scale = {.signal = "S2",
                       .description = "root mean square of the inputs",
                       .weight = beyond.high || beyond.low ? 2.0 : 1.0,
                       .layer = name};
  if (input.rms < 1.0) {
    result->sheet.Below(scale, input.rms, c.settings.input_rms_low);
  } else {
    result->sheet.Above(scale, input.rms, c.settings.input_rms_high);
  }
}

void WeighFirstLayer(const Case& c, const LayerMeasures& layer,
                     Assessment* result) {
  const std::string& name = layer.facts->name;
  result->sheet.Above(
      {.signal = "S1",
       .description = "units silent at step 0 beyond what normalised inputs "
                      "would give",
       .layer = name},
      layer.silent_at_start
          ? std::optional<double>(*layer.silent_at_start -
                                  layer.expected_if_normalized)
          : std::nullopt,
      c.settings.born_silent_excess);
  // Symmetry: as many units are always on.
  std::optional<double> imbalance;
  if (layer.always_on_at_start && layer.silent_at_start) {
    imbalance = std::abs(*layer.always_on_at_start - *layer.silent_at_start);
  }
  result->sheet.AtMost(
      {.signal = "S1",
       .description = "share of always-on units differs from that of silent "
                      "units by",
       .weight = 0.5,
       .layer = name},
      imbalance, 0.1 + layer.ShareNoise(0.5));
}

}  // namespace

Assessment AssessUnnormalizedInput(const Case& c) {
  Assessment result;
  result.cause = Cause::kUnnormalizedInput;
  result.last_step = c.facts.last_step;
  const InputMeasures* input = Worst(c);
  if (input == nullptr) {
    result.sheet.Above({.signal = "S2",
                        .description = "offset and scale of the inputs",
                        .weight = 2.0},
                       std::nullopt, c.settings.input_offset);
    result.why_not = "the inputs were not streamed";
    return result;
  }
  const Beyond beyond = BeyondOf(c, *input);
  const LayerMeasures& first = c.measures.layers[input->layer];
  WeighScale(c, *input, beyond, &result);
  WeighFirstLayer(c, first, &result);
  result.sheet.Above({.signal = "S7",
                      .description = "update ratio within the first steps",
                      .weight = 0.5},
                     c.measures.update_early_max,
                     c.settings.input_update_ratio);
  result.holds = beyond.any() && Harmed(c, beyond, first);
  for (const LayerMeasures& layer : c.measures.layers) {
    const bool hit = layer.dead_share > c.settings.dead_share ||
                     BornSilent(c, layer, layer.expected_if_normalized);
    if (&layer == &first || (layer.hidden && hit)) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.summary = absl::StrCat(
      "the inputs have mean ", Digits(input->mean), " and standard deviation ",
      Digits(input->standard_deviation), ": offset ", Digits(input->offset),
      ", rms ", Digits(input->rms));
  result.why_not = beyond.any() ? "the inputs are off, and nothing came of it"
                                : "the inputs are centred and of size 1";
  return result;
}

}  // namespace firekeeper::core
