#include "core/remedy_parts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {
namespace {

constexpr std::size_t kNamedLayers = 4;

double FirstUpdateRatio(const RunMeasures& run) {
  double first = 0.0;
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden) first = std::max(first, layer.update_first.value_or(0));
  }
  return first;
}

// The largest learning rate of the first steps; 0 where none was streamed.
double EarlyRate(const RemedyCase& c) {
  const auto rates = c.facts.scalars.find(kLearningRateScalar);
  if (rates == c.facts.scalars.end()) return 0.0;
  double most = 0.0;
  for (const auto& [step, rate] : rates->second.points) {
    if (step >= c.settings.early_steps && most > 0.0) break;
    if (std::isfinite(rate)) most = std::max(most, rate);
  }
  return most;
}

}  // namespace

std::vector<const LayerMeasures*> LayersOf(const RemedyCase& c) {
  std::vector<const LayerMeasures*> all;
  std::vector<const LayerMeasures*> named;
  for (const LayerMeasures& layer : c.measures.layers) {
    if (!layer.hidden) continue;
    all.push_back(&layer);
    if (std::ranges::count(c.finding.layers, layer.facts->name) > 0) {
      named.push_back(&layer);
    }
  }
  return named.empty() ? all : named;
}

std::string NamesOf(const std::vector<const LayerMeasures*>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (i == kNamedLayers) {
      return absl::StrCat(text, " and ", layers.size() - i, " more");
    }
    const bool last = i + 1 == layers.size();
    absl::StrAppend(&text,
                    i == 0 ? ""
                    : last ? " and "
                           : ", ",
                    layers[i]->facts->name);
  }
  return text;
}

std::optional<double> DeviationOf(InitRule rule, const LayerFacts& layer) {
  if (layer.fan_in == 0) return std::nullopt;
  const auto fan_in = static_cast<double>(layer.fan_in);
  const auto units = static_cast<double>(layer.unit_count);
  switch (rule) {
    case InitRule::kHe:
      return std::sqrt(2.0 / fan_in);
    case InitRule::kGlorot:
      return std::sqrt(2.0 / (fan_in + units));
    case InitRule::kLecun:
      return std::sqrt(1.0 / fan_in);
    case InitRule::kRai:
      // Lu et al. 2020, arXiv 1903.06733.
      return 0.6007 / std::sqrt(fan_in);
  }
  return std::nullopt;
}

std::string DeviationsOf(InitRule rule,
                         const std::vector<const LayerMeasures*>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (i == kNamedLayers) {
      return absl::StrCat(text, "; likewise ", layers.size() - i, " more");
    }
    const LayerFacts& layer = *layers[i]->facts;
    absl::StrAppend(&text, i == 0 ? "" : "; ", layer.name);
    const std::optional<double> sd = DeviationOf(rule, layer);
    if (!sd) {
      absl::StrAppend(&text, ": fan_in was not declared");
      continue;
    }
    absl::StrAppend(&text, " (fan_in ", layer.fan_in, "): standard deviation ",
                    Digits(*sd));
  }
  return text;
}

std::optional<RateAdvice> RateAdviceOf(const RemedyCase& c) {
  std::optional<double> ratio = c.measures.update_early_max;
  RateAdvice advice;
  // Updates larger than the weights are the run coming apart: they no longer
  // are in proportion to the rate. The first one still is.
  if (ratio > 1.0) {
    const double first = FirstUpdateRatio(c.measures);
    if (first > 0.0) {
      advice.of = ObservedUpdate::kFirst;
      ratio = first;
    }
  }
  const std::optional<double>& one_weight = c.measures.sign_step_ratio;
  if (one_weight && *one_weight > ratio.value_or(0.0)) {
    advice.of = ObservedUpdate::kOneWeight;
    ratio = one_weight;
  }
  if (!ratio || *ratio <= c.settings.target_update_ratio) return std::nullopt;
  advice.observed_ratio = *ratio;
  advice.factor = c.settings.target_update_ratio / *ratio;
  const double rate = EarlyRate(c);
  if (rate > 0.0) advice.rate = rate * advice.factor;
  return advice;
}

}  // namespace firekeeper::core
