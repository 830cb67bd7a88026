// The head is at fault, not the hidden units: its output is the same whatever
// the input, while they fire. A softmax over one unit does that.

#include <algorithm>

#include "core/diagnosis/assessment.h"

namespace firekeeper::core {
namespace {

const LayerFacts* OutputLayer(const RunFacts& facts) {
  const auto found = std::ranges::find_if(facts.layers, &LayerFacts::is_output);
  return found == facts.layers.end() ? nullptr : &*found;
}

// Share of the output units whose values are all equal in the newest window.
std::optional<double> ConstantShare(const LayerFacts& output,
                                    std::uint64_t min_examples) {
  const SignalDigest* digest = Newest(output, Signal::kActivation);
  if (digest == nullptr) digest = Newest(output, Signal::kPreActivation);
  if (digest == nullptr || !digest->has_moments ||
      ExamplesOf(*digest) < min_examples) {
    return std::nullopt;
  }
  return static_cast<double>(digest->units_constant) /
         static_cast<double>(digest->units);
}

// Share of the output units that get no gradient at all.
std::optional<double> ZeroGradientShare(const LayerFacts& output) {
  const SignalDigest* digest = Newest(output, Signal::kOutputGradient);
  if (digest == nullptr || !digest->has_moments) return std::nullopt;
  return static_cast<double>(digest->units_all_zero) /
         static_cast<double>(digest->units);
}

// Least firing rate of a hidden layer, newest window first.
std::optional<double> LeastFiring(const Case& c) {
  std::optional<double> least;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden) continue;
    const std::optional<double> rate =
        layer.firing_now ? layer.firing_now : layer.firing_at_start;
    if (rate) least = std::min(least.value_or(*rate), *rate);
  }
  return least;
}

}  // namespace

Assessment AssessConstantOutput(const Case& c) {
  Assessment result;
  result.cause = Cause::kConstantOutput;
  result.last_step = c.facts.last_step;
  const LayerFacts* output = OutputLayer(c.facts);
  std::optional<double> constant;
  std::optional<double> no_gradient;
  if (output != nullptr) {
    constant = ConstantShare(*output, c.settings.min_examples);
    no_gradient = ZeroGradientShare(*output);
    result.layers.push_back(output->name);
  }
  const bool flat = result.sheet.AtLeast(
      {.signal = "S6",
       .description = "share of output units that never vary",
       .weight = 2.0},
      constant, 1.0);
  const bool deaf = result.sheet.AtLeast(
      {.signal = "S6",
       .description = "share of output units without any gradient"},
      no_gradient, 1.0);
  const bool fires = result.sheet.Above(
      {.signal = "S6", .description = "least firing rate of a hidden layer"},
      LeastFiring(c), 0.0);
  const bool single = output != nullptr && output->unit_count == 1 && deaf &&
                      c.measures.loss.learning != Learning::kConverged;
  result.holds = fires && !c.measures.collapsed && (flat || single);
  result.summary =
      "the output does not depend on the input although the hidden units fire: "
      "the head is at fault";
  result.why_not = "the output varies, or the hidden units do not fire";
  return result;
}

}  // namespace firekeeper::core
