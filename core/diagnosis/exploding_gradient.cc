// S6: every layer passes back more of the gradient than it gets.

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {

Assessment AssessExplodingGradient(const Case& c) {
  const RunMeasures& run = c.measures;
  Assessment result;
  result.cause = Cause::kExplodingGradient;
  result.last_step = c.facts.last_step;
  const bool steep =
      result.sheet.Above({.signal = "S6",
                          .description = "gradient that a layer passes back",
                          .weight = 2.0},
                         run.backward_factor, c.settings.backward_factor_high);
  const bool total = result.sheet.Above(
      {.signal = "S6",
       .description = "gradient that all layers together pass back"},
      run.backward_total, c.settings.backward_total_high);
  const bool grown = result.sheet.AtLeast(
      {.signal = "S6",
       .description = "growth of the gradient norm in the first steps",
       .weight = 2.0},
      run.gradient_norm_growth, c.settings.gradient_norm_growth);
  const bool profile = steep && total;
  const bool harmed = run.failed() || run.many_dead;
  result.holds = (profile || grown) && harmed;
  result.dynamic = !profile;
  if (result.dynamic) result.seen_by = c.settings.gradient_norm_steps;
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden && layer.gain && *layer.gain > c.settings.gain_high) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.summary =
      profile ? absl::StrCat("every layer passes back ",
                             Digits(*run.backward_factor),
                             " times the gradient that it gets")
              : absl::StrCat("the gradient norm grew ",
                             Digits(run.gradient_norm_growth.value_or(0.0)),
                             " times within the first steps");
  result.why_not = profile || grown
                       ? "the gradient grows, and nothing came of it"
                       : "the gradient does not grow towards the first layer";
  return result;
}

}  // namespace firekeeper::core
