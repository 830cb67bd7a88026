// Units that start equal stay equal: a layer of them is one unit.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"

namespace firekeeper::core {
namespace {

// A residual branch may start at zero, and an output layer too: what they read
// differs by unit from the first step on.
bool MayBeSymmetric(const LayerMeasures& layer) {
  return layer.hidden && !layer.facts->residual && layer.row_spread.has_value();
}

const LayerMeasures* MostAlike(const Case& c) {
  const LayerMeasures* most = nullptr;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!MayBeSymmetric(layer)) continue;
    if (most == nullptr || *layer.row_spread < *most->row_spread) {
      most = &layer;
    }
  }
  return most;
}

}  // namespace

Assessment AssessSymmetricInit(const Case& c) {
  Assessment result;
  result.cause = Cause::kSymmetricInit;
  result.last_step = c.facts.last_step;
  const double limit = c.settings.identical_rows;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (MayBeSymmetric(layer) && *layer.row_spread <= limit &&
        *layer.row_spread_now <= limit) {
      result.layers.push_back(layer.facts->name);
    }
  }
  const LayerMeasures* alike = MostAlike(c);
  const std::string name = alike == nullptr ? "" : alike->facts->name;
  result.sheet.AtMost(
      {.signal = "S4",
       .description = "how far the weight rows differ at step 0",
       .weight = 2.0,
       .layer = name},
      alike == nullptr ? std::nullopt : alike->row_spread, limit);
  result.sheet.AtMost({.signal = "S4",
                       .description = "how far they differ now",
                       .weight = 2.0,
                       .layer = name},
                      alike == nullptr ? std::nullopt : alike->row_spread_now,
                      limit);
  result.holds = !result.layers.empty();
  result.summary =
      absl::StrCat("all units of ", result.layers.size(),
                   " layers have the same weights, and so learn the same");
  result.why_not = "the units start different, or became so";
  return result;
}

}  // namespace firekeeper::core
