// A loss that is next to nothing leaves no gradient: that is no fault.

#include "core/diagnosis/assessment.h"

namespace firekeeper::core {

Assessment AssessConverged(const Case& c) {
  const LossCourse& loss = c.measures.loss;
  Assessment result;
  result.cause = Cause::kConverged;
  result.last_step = c.facts.last_step;
  std::optional<double> ratio;
  if (loss.learning != Learning::kUnknown) ratio = loss.Ratio();
  const bool small =
      result.sheet.Below({.signal = "S10",
                          .description = "loss now over loss at the start",
                          .weight = 2.0},
                         ratio, c.settings.converged_loss);
  const bool open = result.sheet.AtMost(
      {.signal = "S8", .description = "share of dead units"},
      c.measures.dead_share, c.settings.dead_share);
  result.holds = small && open;
  result.summary = "the run has converged: small gradients are no fault";
  result.why_not = "the loss is not next to nothing";
  return result;
}

}  // namespace firekeeper::core
