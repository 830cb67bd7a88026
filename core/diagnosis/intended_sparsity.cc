// Units that fire rarely and are alive: late in training that is normal.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"

namespace firekeeper::core {
namespace {

bool IsSparse(const Case& c, const LayerMeasures& layer) {
  if (!layer.hidden || !layer.firing_now ||
      *layer.firing_now >= c.settings.sparse_firing) {
    return false;
  }
  // Sparse from the start is an initialisation, unless the kind is made so.
  return layer.facts->activation.kind == Activation::kSparseLatents ||
         layer.firing_at_start.value_or(1.0) >= c.settings.sparse_firing;
}

}  // namespace

Assessment AssessIntendedSparsity(const Case& c) {
  Assessment result;
  result.cause = Cause::kIntendedSparsity;
  result.last_step = c.facts.last_step;
  std::optional<double> least;
  double silent = 0.0;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden || !layer.firing_now) continue;
    least = std::min(least.value_or(1.0), *layer.firing_now);
    if (!IsSparse(c, layer)) continue;
    result.layers.push_back(layer.facts->name);
    silent = std::max({silent, layer.dead_share, layer.silent_share_now});
  }
  const bool sparse =
      result.sheet.Below({.signal = "S8",
                          .description = "least mean firing rate of a layer",
                          .weight = 2.0},
                         least, c.settings.sparse_firing);
  const bool alive = result.sheet.AtMost(
      {.signal = "S8", .description = "share of silent units in such layers"},
      silent, c.settings.dead_share);
  const LossCourse& loss = c.measures.loss;
  std::optional<double> ratio;
  if (loss.learning != Learning::kUnknown) ratio = loss.Ratio();
  result.sheet.AtMost(
      {.signal = "S10", .description = "loss now over loss at the start"},
      ratio, 1.0 - c.settings.min_progress);
  result.holds = sparse && alive && !result.layers.empty() && !loss.failed() &&
                 !c.measures.collapsed;
  result.summary = absl::StrCat(
      result.layers.size(),
      " layers fire sparsely, and their units are alive: no fault");
  result.why_not = "no layer fires sparsely, or its units are dead";
  return result;
}

}  // namespace firekeeper::core
