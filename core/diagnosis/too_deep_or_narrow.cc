// S9: with sound weights, inputs and biases, depth alone makes the examples
// alike and units silent; narrow layers make it worse.

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

bool TooDeep(const Case& c) { return c.measures.depth >= c.settings.depth; }

bool TooNarrow(const Case& c) {
  return c.measures.width_sum > c.settings.width_sum;
}

std::optional<double> InputOffset(const Case& c) {
  std::optional<double> offset;
  for (const InputMeasures& input : c.measures.inputs) {
    offset = std::max(offset.value_or(0.0), input.offset);
  }
  return offset;
}

// Inputs that are off make units silent from the first layer on, so that their
// number need not grow. They do not acquit a network that is too deep and too
// narrow at once.
bool IsMasked(const Case& c) {
  return TooDeep(c) && TooNarrow(c) &&
         InputOffset(c).value_or(0.0) > c.settings.input_offset;
}

// No other cause of step 0 is there that would explain as much.
bool SoundStart(const Case& c, Assessment* result) {
  const RunMeasures& run = c.measures;
  std::optional<double> bias;
  for (const LayerMeasures& layer : run.layers) {
    if (!layer.hidden || !layer.bias_offset) continue;
    bias = std::min(bias.value_or(*layer.bias_offset), *layer.bias_offset);
  }
  result->sheet.AtLeast({.signal = "S5",
                         .description = "mean gain of the hidden layers",
                         .weight = 0.5},
                        run.gain_mean, c.settings.gain_low);
  result->sheet.AtMost({.signal = "S5",
                        .description = "mean gain of the hidden layers",
                        .weight = 0.5},
                       run.gain_mean, c.settings.gain_high);
  result->sheet.AtMost(
      {.signal = "S2", .description = "offset of the inputs", .weight = 0.5},
      InputOffset(c), c.settings.input_offset);
  result->sheet.AtLeast({.signal = "S3",
                         .description = "lowest bias offset of a layer",
                         .weight = 0.5},
                        bias, c.settings.bias_offset);
  // What was not streamed does not speak against.
  const bool masked = IsMasked(c);
  return std::ranges::all_of(
      result->sheet.items(), [masked](const Evidence& item) {
        return item.supports || item.not_observable ||
               (masked && item.signal == std::string_view("S2"));
      });
}

bool Harmed(const Case& c, bool grows) {
  const RunMeasures& run = c.measures;
  // A deep network may also be slow to start: the units have to show it.
  if (!grows && run.silent_growth && !IsMasked(c)) return false;
  if (run.loss.failed() || run.many_dead) return true;
  // Silence on a few examples is what every deep network shows at step 0.
  return !run.learns() &&
         std::ranges::any_of(run.layers, [&c](const LayerMeasures& layer) {
           return layer.hidden &&
                  layer.examples_at_start >= c.settings.sparse_examples &&
                  layer.silent_at_start.value_or(0.0) > c.settings.dead_share;
         });
}

}  // namespace

Assessment AssessTooDeepOrNarrow(const Case& c) {
  const RunMeasures& run = c.measures;
  Assessment result;
  result.cause = Cause::kTooDeepOrNarrow;
  result.last_step = c.facts.last_step;
  const bool sound = SoundStart(c, &result);
  const auto depth = static_cast<double>(run.depth);
  const auto limit = static_cast<double>(c.settings.depth);
  const bool deep = TooDeep(c);
  const bool narrow = TooNarrow(c);
  // One of the two is enough: the other then carries little weight.
  result.sheet.AtLeast({.signal = "S9",
                        .description = "hidden layers without normalisation "
                                       "and residual connection",
                        .weight = deep || !narrow ? 2.0 : 0.5},
                       depth, limit);
  result.sheet.Above({.signal = "S9",
                      .description = "sum of 1 / width over those layers",
                      .weight = narrow ? 2.0 : 0.5},
                     run.width_sum, c.settings.width_sum);
  const bool grows = result.sheet.Above(
      {.signal = "S1",
       .description = "silent units at step 0, last third of the layers less "
                      "the first",
       .weight = 1.0},
      run.silent_growth, c.settings.silent_growth);
  result.holds = (deep || narrow) && sound && Harmed(c, grows);
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden && !layer.facts->norm_before && !layer.facts->residual &&
        (layer.dead_share > c.settings.dead_share ||
         layer.silent_at_start.value_or(0.0) > c.settings.dead_share)) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.summary = absl::StrCat(run.depth,
                                " layers without normalisation or residual "
                                "connection, sum of 1 / width ",
                                Digits(run.width_sum),
                                ": the examples become alike on the way");
  result.why_not = !(deep || narrow) ? "the network is neither deep nor narrow"
                   : !sound ? "the start is not sound: see the other causes"
                            : "depth does no harm here";
  return result;
}

}  // namespace firekeeper::core
