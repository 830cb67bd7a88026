// How one cause is weighed: its evidence, whether it holds, and on which
// layers. Every cause file fills one Assessment.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/finding.h"
#include "core/diagnosis/run_measures.h"
#include "core/diagnosis/settings.h"

namespace firekeeper::core {

// What every cause looks at.
struct Case {
  const RunFacts& facts;
  const RunMeasures& measures;
  const DiagnosisSettings& settings;
};

// What a piece of evidence is about.
struct Claim {
  const char* signal = "";
  std::string description;
  double weight = 1.0;
  std::string layer = {};  // empty: the whole run
};

// Collects evidence for and against. Each call tells whether the evidence
// holds; an empty `measured` is not observable and does not hold.
class EvidenceSheet {
 public:
  bool Above(Claim claim, std::optional<double> measured, double threshold);
  bool Below(Claim claim, std::optional<double> measured, double threshold);
  bool AtLeast(Claim claim, std::optional<double> measured, double threshold);
  bool AtMost(Claim claim, std::optional<double> measured, double threshold);

  // Takes evidence of another sheet over, without weight.
  void Note(Evidence evidence);

  // Supporting weight over all weight; 0 without evidence.
  [[nodiscard]] double Score() const;
  [[nodiscard]] const std::vector<Evidence>& items() const { return items_; }

 private:
  bool Add(Claim claim, std::optional<double> measured, double threshold,
           Comparison comparison);

  std::vector<Evidence> items_;
};

struct Assessment {
  Cause cause = Cause::kUnknown;
  bool holds = false;
  EvidenceSheet sheet;
  std::string summary;  // where it holds
  std::string why_not;  // where it does not
  std::vector<std::string> layers;
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  // The step by which the evidence was complete; 0 where the start tells.
  std::int64_t seen_by = 0;
  // It rests on what happened during training.
  bool dynamic = false;
  // Dynamic, and with evidence that no other cause explains.
  bool has_own_evidence = false;
};

// In the order of the decision table (core/README.md).
[[nodiscard]] Assessment AssessNumericalFailure(const Case& c);
[[nodiscard]] Assessment AssessUnnormalizedInput(const Case& c);
[[nodiscard]] Assessment AssessNegativeBiasInit(const Case& c);
[[nodiscard]] Assessment AssessUnbalancedWeightInit(const Case& c);
[[nodiscard]] Assessment AssessSymmetricInit(const Case& c);
[[nodiscard]] Assessment AssessVanishingGradient(const Case& c);
[[nodiscard]] Assessment AssessExplodingGradient(const Case& c);
[[nodiscard]] Assessment AssessTooDeepOrNarrow(const Case& c);
[[nodiscard]] Assessment AssessLearningRateTooHigh(const Case& c);
[[nodiscard]] Assessment AssessConstantOutput(const Case& c);
[[nodiscard]] Assessment AssessConverged(const Case& c);
[[nodiscard]] Assessment AssessIntendedSparsity(const Case& c);

// Units that are silent at start beyond `expected`, with enough examples seen
// and beyond what chance gives: S1 of one layer.
[[nodiscard]] bool BornSilent(const Case& c, const LayerMeasures& layer,
                              double expected);

// Whether a cause that was there from the start has done harm to the run: dead
// units, no learning, or, as long as nothing is known of learning, units of
// `layer` that are silent from the start.
[[nodiscard]] bool HarmedFromStart(const Case& c, const LayerMeasures& layer,
                                   double expected);

}  // namespace firekeeper::core
