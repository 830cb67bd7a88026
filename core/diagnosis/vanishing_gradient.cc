// S5 and S6: every layer passes on less of the gradient than it gets, until
// nothing is left to learn from. Gates are open; a gradient that is zero
// because the loss is, is another matter.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

struct Weighed {
  bool gains = false;
  bool profile = false;
  bool tiny = false;
  bool open = false;
};

// Firing rate of the layer that fires least at step 0: a gradient that closed
// gates swallow has another cause.
std::optional<double> LeastFiring(const RunMeasures& run) {
  std::optional<double> least;
  for (const LayerMeasures& layer : run.layers) {
    if (!layer.hidden || !layer.firing_at_start) continue;
    least = std::min(least.value_or(1.0), *layer.firing_at_start);
  }
  return least;
}

Weighed Weigh(const Case& c, Assessment* result) {
  const RunMeasures& run = c.measures;
  Weighed weighed;
  weighed.gains = result->sheet.Below(
      {.signal = "S5",
       .description = "product of the gains of the hidden layers",
       .weight = 2.0},
      run.gain_product, c.settings.gain_product);
  const bool steep = result->sheet.Below(
      {.signal = "S6", .description = "gradient that a layer passes back"},
      run.backward_factor, c.settings.backward_factor_low);
  const bool total = result->sheet.Below(
      {.signal = "S6",
       .description = "gradient that all layers together pass back"},
      run.backward_total, c.settings.backward_total_low);
  weighed.profile = steep && total;
  weighed.tiny = result->sheet.Below(
      {.signal = "S6",
       .description = "norm of the weight gradient of the first layer"},
      run.first_gradient, c.settings.weight_gradient);
  const std::optional<double> firing = LeastFiring(run);
  weighed.open = result->sheet.AtLeast(
                     {.signal = "S6",
                      .description = "least firing rate of a layer at step 0",
                      .weight = 0.5},
                     firing, c.settings.low_firing) ||
                 !firing;
  double excess = 0.0;
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden) excess = std::max(excess, layer.ExcessDead());
  }
  result->sheet.AtMost(
      {.signal = "S1",
       .description = "dead units of a layer beyond what its input explains",
       .weight = 0.5},
      excess, c.settings.vanishing_dead_share);
  std::optional<double> ratio;
  if (run.loss.learning != Learning::kUnknown) ratio = run.loss.Ratio();
  result->sheet.Above(
      {.signal = "S10", .description = "loss now over loss at the start"},
      ratio, 1.0 - c.settings.min_progress);
  return weighed;
}

const char* WhyNot(const RunMeasures& run, bool shrinks, bool open) {
  if (run.first_gradient == 0.0) {
    return "a layer is shut: there is no gradient at all";
  }
  if (!shrinks) return "the gradient reaches the first layer";
  if (!open) return "the gates are closed from the start";
  return run.loss.learning == Learning::kConverged
             ? "the run has converged: small gradients are no fault"
             : "the gradient shrinks, and the run learns";
}

}  // namespace

Assessment AssessVanishingGradient(const Case& c) {
  const RunMeasures& run = c.measures;
  Assessment result;
  result.cause = Cause::kVanishingGradient;
  result.last_step = c.facts.last_step;
  const Weighed weighed = Weigh(c, &result);
  // What was measured has the last word: an optimiser or a residual path can
  // make up for small gains, and two sigmoids train well.
  const bool unmeasured = !run.backward_factor && !run.first_gradient;
  const bool shrinks =
      weighed.profile || (weighed.gains && (weighed.tiny || unmeasured));
  const bool stuck = run.loss.learning == Learning::kStalled ||
                     (!run.learns() && weighed.tiny);
  // Units die of it too: next to nothing is left but the biases, whose drift
  // shuts a unit for every example at once.
  result.holds = shrinks && weighed.open && (stuck || run.many_dead);
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden && layer.gain && *layer.gain < c.settings.gain_low) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.summary = absl::StrCat(
      "the layers pass back ",
      Percent(run.backward_factor.value_or(run.gain_mean.value_or(0.0))),
      " of the gradient each: the first layers cannot learn");
  result.why_not = WhyNot(run, shrinks, weighed.open);
  return result;
}

}  // namespace firekeeper::core
