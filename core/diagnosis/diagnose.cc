#include "core/diagnosis/diagnose.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/consequences.h"
#include "core/diagnosis/observability.h"
#include "core/diagnosis/run_measures.h"
#include "core/diagnosis/wording.h"
#include "core/remedy_plan.h"

namespace firekeeper::core {
namespace {

// A cause that reaches this score is worth naming as an alternative.
constexpr double kAlternativeScore = 0.25;

std::vector<Assessment> AssessAll(const Case& c) {
  constexpr std::array kTable = {
      AssessNumericalFailure,    AssessUnnormalizedInput,
      AssessNegativeBiasInit,    AssessUnbalancedWeightInit,
      AssessSymmetricInit,       AssessVanishingGradient,
      AssessExplodingGradient,   AssessTooDeepOrNarrow,
      AssessLearningRateTooHigh, AssessConstantOutput,
      AssessConverged,           AssessIntendedSparsity,
  };
  std::vector<Assessment> all;
  all.reserve(kTable.size());
  for (const auto assess : kTable) all.push_back(assess(c));
  return all;
}

Assessment* Holding(Cause cause, std::vector<Assessment>* all) {
  const auto found =
      std::ranges::find_if(*all, [cause](const Assessment& each) {
        return each.cause == cause && each.holds;
      });
  return found == all->end() ? nullptr : &*found;
}

// The first fault that was there before training; null without one.
const Assessment* FirstOfTheStart(const std::vector<Assessment>& all) {
  const auto found = std::ranges::find_if(all, [](const Assessment& each) {
    return each.holds && !each.dynamic && IsFault(each.cause) &&
           each.cause != Cause::kNumericalFailure;
  });
  return found == all.end() ? nullptr : &*found;
}

void Yield(Assessment* each, const Assessment* to) {
  if (each == nullptr || to == nullptr) return;
  each->holds = false;
  each->why_not = absl::StrCat("explained by ", Name(to->cause));
}

// Inputs that are too large make updates too large, whatever the learning rate.
// A growth of the gradient norm is what a learning rate that is too high does,
// and no gradient at all is what a constant output gives.
void YieldToEachOther(std::vector<Assessment>* all) {
  const Assessment* inputs = Holding(Cause::kUnnormalizedInput, all);
  Assessment* rate = Holding(Cause::kLearningRateTooHigh, all);
  if (rate != nullptr && !rate->has_own_evidence) Yield(rate, inputs);
  Assessment* growth = Holding(Cause::kExplodingGradient, all);
  if (growth != nullptr && growth->dynamic) {
    Yield(growth, Holding(Cause::kLearningRateTooHigh, all));
    Yield(growth, FirstOfTheStart(*all));
  }
  Yield(Holding(Cause::kVanishingGradient, all),
        Holding(Cause::kConstantOutput, all));
}

// After a NaN every figure is that of a run which no longer exists. What was
// seen before it may be why it came.
void YieldToNumericalFailure(std::vector<Assessment>* all) {
  const Assessment& failure = all->front();
  if (!failure.holds) return;
  for (Assessment& each : *all) {
    if (&each == &failure || !each.holds) continue;
    if (IsFault(each.cause) && each.seen_by < failure.first_step) continue;
    each.holds = false;
    each.why_not = "the numbers are not finite: nothing else can be told";
  }
}

Finding ToFinding(const Assessment& assessment,
                  const std::vector<Assessment>& all) {
  Finding finding;
  finding.cause = assessment.cause;
  finding.is_fault = IsFault(assessment.cause);
  finding.score = assessment.sheet.Score();
  finding.summary = assessment.summary;
  finding.layers = assessment.layers;
  finding.first_step = assessment.first_step;
  finding.last_step = std::max(assessment.first_step, assessment.last_step);
  finding.evidence = assessment.sheet.items();
  for (const Assessment& other : all) {
    if (other.holds || !IsFault(other.cause)) continue;
    const double score = other.sheet.Score();
    if (score < kAlternativeScore) continue;
    finding.alternatives.push_back(
        {.cause = other.cause, .score = score, .reason = other.why_not});
  }
  std::ranges::stable_sort(finding.alternatives, [](const ConsideredCause& a,
                                                    const ConsideredCause& b) {
    return a.score > b.score;
  });
  return finding;
}

// Deaths without a cause: everything that was measured, and no verdict.
Assessment Unexplained(const Case& c, const std::vector<Assessment>& all) {
  Assessment result;
  result.cause = Cause::kUnknown;
  result.holds = true;
  result.last_step = c.facts.last_step;
  result.summary =
      absl::StrCat(Percent(c.measures.dead_share),
                   " of the hidden units are dead, and no cause that is known "
                   "fits");
  for (const LayerMeasures& layer : c.measures.layers) {
    if (layer.hidden &&
        (layer.collapsed || layer.dead_share > c.settings.dead_share)) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.sheet.Above(
      {.signal = "S8", .description = "share of dead hidden units"},
      c.measures.dead_share, c.settings.dead_share);
  for (const Assessment& each : all) {
    if (!IsFault(each.cause)) continue;
    for (Evidence item : each.sheet.items()) {
      item.description = absl::StrCat(Name(each.cause), ": ", item.description);
      result.sheet.Note(std::move(item));
    }
  }
  return result;
}

}  // namespace

Diagnosis Diagnose(const RunFacts& facts, const DiagnosisSettings& settings) {
  const RunMeasures measures = MeasureRun(facts, settings);
  const Case c{facts, measures, settings};
  std::vector<Assessment> all = AssessAll(c);
  YieldToNumericalFailure(&all);
  YieldToEachOther(&all);
  const bool explained = std::ranges::any_of(all, [](const Assessment& each) {
    return each.holds && IsFault(each.cause);
  });
  if (!explained && measures.many_dead) all.push_back(Unexplained(c, all));
  Diagnosis diagnosis;
  for (const Assessment& each : all) {
    if (!each.holds) continue;
    Finding finding = ToFinding(each, all);
    finding.remedies = RemediesFor(finding, facts, measures, settings);
    diagnosis.findings.push_back(std::move(finding));
  }
  // Not std::ranges: clang-tidy 14 cannot read a subrange.
  std::stable_partition(diagnosis.findings.begin(), diagnosis.findings.end(),
                        [](const Finding& each) { return each.is_fault; });
  diagnosis.not_observable = NotObservableCauses(facts);
  diagnosis.consequences = ConsequencesOf(facts, measures);
  return diagnosis;
}

}  // namespace firekeeper::core
