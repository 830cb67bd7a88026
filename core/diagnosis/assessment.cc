#include "core/diagnosis/assessment.h"

#include <utility>

namespace firekeeper::core {
namespace {

bool Holds(double measured, Comparison comparison, double threshold) {
  switch (comparison) {
    case Comparison::kAbove:
      return measured > threshold;
    case Comparison::kBelow:
      return measured < threshold;
    case Comparison::kAtLeast:
      return measured >= threshold;
    case Comparison::kAtMost:
      return measured <= threshold;
  }
  return false;
}

}  // namespace

bool EvidenceSheet::Add(Claim claim, std::optional<double> measured,
                        double threshold, Comparison comparison) {
  Evidence evidence;
  evidence.signal = claim.signal;
  evidence.layer = std::move(claim.layer);
  evidence.description = std::move(claim.description);
  evidence.measured = measured.value_or(0.0);
  evidence.threshold = threshold;
  evidence.comparison = comparison;
  evidence.weight = claim.weight;
  evidence.not_observable = !measured.has_value();
  evidence.supports =
      measured.has_value() && Holds(*measured, comparison, threshold);
  items_.push_back(std::move(evidence));
  return items_.back().supports;
}

bool EvidenceSheet::Above(Claim claim, std::optional<double> measured,
                          double threshold) {
  return Add(std::move(claim), measured, threshold, Comparison::kAbove);
}

bool EvidenceSheet::Below(Claim claim, std::optional<double> measured,
                          double threshold) {
  return Add(std::move(claim), measured, threshold, Comparison::kBelow);
}

bool EvidenceSheet::AtLeast(Claim claim, std::optional<double> measured,
                            double threshold) {
  return Add(std::move(claim), measured, threshold, Comparison::kAtLeast);
}

bool EvidenceSheet::AtMost(Claim claim, std::optional<double> measured,
                           double threshold) {
  return Add(std::move(claim), measured, threshold, Comparison::kAtMost);
}

void EvidenceSheet::Note(Evidence evidence) {
  evidence.weight = 0.0;
  items_.push_back(std::move(evidence));
}

double EvidenceSheet::Score() const {
  double all = 0.0;
  double holding = 0.0;
  for (const Evidence& evidence : items_) {
    all += evidence.weight;
    if (evidence.supports) holding += evidence.weight;
  }
  return all == 0.0 ? 0.0 : holding / all;
}

bool BornSilent(const Case& c, const LayerMeasures& layer, double expected) {
  if (!layer.silent_at_start ||
      layer.examples_at_start < c.settings.min_examples) {
    return false;
  }
  return *layer.silent_at_start - expected >
         c.settings.born_silent_excess + layer.ShareNoise(expected);
}

bool HarmedFromStart(const Case& c, const LayerMeasures& layer,
                     double expected) {
  if (c.measures.many_dead || c.measures.loss.failed()) return true;
  return !c.measures.learns() && BornSilent(c, layer, expected);
}

}  // namespace firekeeper::core
