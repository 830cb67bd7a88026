// S10: NaN and infinity. A diverged run shows units as silent that are not, so
// nothing else is said about it.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"

namespace firekeeper::core {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct NonFinite {
  double values = 0.0;
  double gradients = 0.0;
  std::int64_t first_step = kNever;  // of what counts
};

// A loss scaler finds its scale by overflowing gradients: those steps are
// skipped and are no failure.
bool ScalesLoss(const RunFacts& facts) {
  const auto series = facts.scalars.find(kLossScaleScalar);
  return series != facts.scalars.end() && !series->second.points.empty();
}

void Count(const LayerFacts& layer, bool scales_loss, NonFinite* found) {
  for (const auto& [signal, series] : layer.train) {
    const bool gradient = IsGradient(signal);
    for (const SignalDigest& digest : series) {
      if (digest.non_finite == 0) continue;
      (gradient ? found->gradients : found->values) +=
          static_cast<double>(digest.non_finite);
      if (gradient && scales_loss) continue;
      found->first_step = std::min(found->first_step, digest.steps.first);
    }
  }
  found->values += static_cast<double>(layer.UnitsIn(HealthState::kNonFinite));
}

}  // namespace

Assessment AssessNumericalFailure(const Case& c) {
  Assessment result;
  result.cause = Cause::kNumericalFailure;
  const bool scales_loss = ScalesLoss(c.facts);
  NonFinite all;
  bool streamed = false;
  for (const LayerFacts& layer : c.facts.layers) {
    NonFinite here;
    Count(layer, scales_loss, &here);
    streamed = streamed || !layer.train.empty();
    all.values += here.values;
    all.gradients += here.gradients;
    all.first_step = std::min(all.first_step, here.first_step);
    if (here.values > 0.0 || (here.gradients > 0.0 && !scales_loss)) {
      result.layers.push_back(layer.name);
    }
  }
  const LossCourse& loss = c.measures.loss;
  std::optional<double> bad_loss;
  if (loss.observed) bad_loss = loss.first_non_finite_step ? 1.0 : 0.0;
  const auto seen = [streamed](double count) {
    return streamed ? std::optional<double>(count) : std::nullopt;
  };
  const bool values = result.sheet.Above(
      {.signal = "S10",
       .description = "NaN or infinite activations, weights or inputs",
       .weight = 2.0},
      seen(all.values), 0.0);
  const bool gradients =
      result.sheet.Above({.signal = "S10",
                          .description = "NaN or infinite gradients",
                          .weight = scales_loss ? 0.0 : 1.0},
                         seen(all.gradients), 0.0);
  const bool lost = result.sheet.Above(
      {.signal = "S10", .description = "the loss is not finite", .weight = 2.0},
      bad_loss, 0.0);
  if (lost) {
    all.first_step = std::min(all.first_step, *loss.first_non_finite_step);
  }
  result.holds = values || lost || (gradients && !scales_loss);
  result.first_step = all.first_step == kNever ? 0 : all.first_step;
  result.last_step = c.facts.last_step;
  result.summary =
      absl::StrCat("numbers are not finite from step ", result.first_step,
                   " on; silence after that is not death");
  result.why_not = "every number is finite";
  return result;
}

}  // namespace firekeeper::core
