// What the remedies are put together from: the layers of a finding, the
// initialisations with their numbers, and the learning rate to try.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"
#include "core/diagnosis/run_measures.h"
#include "core/diagnosis/settings.h"
#include "core/diagnosis/wording.h"
#include "core/remedy.h"

namespace firekeeper::core {

struct RemedyCase {
  const Finding& finding;
  const RunFacts& facts;
  const RunMeasures& measures;
  const DiagnosisSettings& settings;
};

// Hidden layers of the finding; all hidden layers where it names none.
[[nodiscard]] std::vector<const LayerMeasures*> LayersOf(const RemedyCase& c);
// "fc1, fc2 and fc3", cut after four: "fc1, fc2, fc3, fc4 and 9 more".
[[nodiscard]] std::string NamesOf(
    const std::vector<const LayerMeasures*>& layers);

enum class InitRule : std::uint8_t { kHe, kGlorot, kLecun, kRai };

// Standard deviation of the rule's weights: He sqrt(2 / fan_in), Glorot
// sqrt(2 / (fan_in + units)), LeCun sqrt(1 / fan_in), RAI 0.6007 /
// sqrt(fan_in). Empty where fan_in is not known.
[[nodiscard]] std::optional<double> DeviationOf(InitRule rule,
                                                const LayerFacts& layer);
// "fc1 (fan_in 20): standard deviation 0.316; ...", cut after four layers.
[[nodiscard]] std::string DeviationsOf(
    InitRule rule, const std::vector<const LayerMeasures*>& layers);

enum class ObservedUpdate : std::uint8_t { kLargestEarly, kFirst, kOneWeight };

// What the first update ratios ask of the learning rate.
struct RateAdvice {
  double observed_ratio = 0.0;
  ObservedUpdate of = ObservedUpdate::kLargestEarly;
  double factor = 1.0;         // new rate over the old one
  std::optional<double> rate;  // where the learning rate was streamed
};
// Scales the largest update ratio of the first steps to
// settings.target_update_ratio: the ratio is proportional to the rate, for SGD
// and for Adam. Where it passed 1, that of step 0; where the step of one weight
// is larger, because most weights have no gradient, that one. Empty without a
// ratio above the target.
[[nodiscard]] std::optional<RateAdvice> RateAdviceOf(const RemedyCase& c);

// SELU keeps what it promises only with these.
inline constexpr const char* kSeluConditions =
    "SELU needs LeCun weights, zero biases, standardised inputs, no "
    "normalisation layer, AlphaDropout in place of dropout, and plain "
    "feed-forward layers";

// Remedies by cause, unordered by `recommended`.
[[nodiscard]] std::vector<Remedy> InputRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> BiasRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> WeightRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> SymmetryRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> DepthRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> VanishingRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> ExplodingRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> LearningRateRemedies(const RemedyCase& c);
[[nodiscard]] std::vector<Remedy> NumericalRemedies(const RemedyCase& c);

}  // namespace firekeeper::core
