// S10: NaN and infinity. A diverged run shows units as silent that are not, so
// of what is measured after it nothing is said.

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"

namespace firekeeper::core {

Assessment AssessNumericalFailure(const Case& c) {
  Assessment result;
  result.cause = Cause::kNumericalFailure;
  const NonFiniteMeasures& found = c.measures.non_finite;
  const LossCourse& loss = c.measures.loss;
  std::optional<double> bad_loss;
  if (loss.observed) bad_loss = loss.first_non_finite_step ? 1.0 : 0.0;
  const auto seen = [](bool streamed, double count) {
    return streamed ? std::optional<double>(count) : std::nullopt;
  };
  result.sheet.Above(
      {.signal = "S10",
       .description = "NaN or infinite activations, weights or inputs",
       .weight = 2.0},
      seen(found.values_streamed, found.values), 0.0);
  result.sheet.Above({.signal = "S10",
                      .description = "NaN or infinite gradients",
                      .weight = found.scales_loss ? 0.0 : 1.0},
                     seen(found.gradients_streamed, found.gradients), 0.0);
  result.sheet.Above(
      {.signal = "S10", .description = "the loss is not finite", .weight = 2.0},
      bad_loss, 0.0);
  result.layers = found.layers;
  result.holds = found.first_step.has_value();
  result.first_step = found.first_step.value_or(0);
  result.last_step = c.facts.last_step;
  result.summary =
      absl::StrCat("numbers are not finite from step ", result.first_step,
                   " on; silence after that is not death");
  result.why_not = "every number is finite";
  return result;
}

}  // namespace firekeeper::core
