// S7 and S8: units that fired at step 0 die when updates move the weights by a
// large part of themselves. A large update ratio alone proves nothing: healthy
// runs have been seen at 1.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/diagnosis/assessment.h"
#include "core/diagnosis/wording.h"

namespace firekeeper::core {
namespace {

struct LateDeaths {
  std::int64_t first_after = -1;  // earliest last firing; -1: none known
  std::int64_t median_after = -1;
  std::int64_t last_by = -1;
};

LateDeaths LateDeathsOf(const RunFacts& facts) {
  std::vector<std::int64_t> after;
  LateDeaths late;
  for (const LayerFacts& layer : facts.layers) {
    if (layer.is_output) continue;
    for (const DeathGroup& death : layer.deaths) {
      if (death.after == kNeverFired) continue;
      after.insert(after.end(), death.units, death.after);
      late.last_by = std::max(late.last_by, death.by);
    }
  }
  if (after.empty()) return late;
  std::ranges::sort(after);
  late.first_after = after.front();
  late.median_after = after[after.size() / 2];
  return late;
}

// Windows that began before half of the late deaths had happened. Where
// something is not finite, those in the half of the run that led to it: healthy
// runs begin with large updates too. All windows where neither is known.
bool LedToHarm(const StepRange& steps, const LateDeaths& late,
               const std::optional<std::int64_t>& failed) {
  if (late.median_after >= 0 && steps.first > late.median_after + 1) {
    return false;
  }
  return !failed || (steps.end <= *failed && steps.end > *failed / 2);
}

// The largest update ratio in the windows that led to harm.
std::optional<UpdateRatio> RatioBeforeDeaths(const Case& c,
                                             const LateDeaths& late) {
  const std::optional<std::int64_t> failed = c.measures.non_finite.first_step;
  std::optional<UpdateRatio> most;
  for (const LayerFacts& layer : c.facts.layers) {
    if (layer.is_output) continue;
    for (const UpdateRatio& each : UpdateRatiosOf(layer)) {
      if (!LedToHarm(each.steps, late, failed)) continue;
      if (!most || each.ratio > most->ratio) most = each;
    }
  }
  return most;
}

bool DiedLate(const Case& c, const LayerMeasures& layer) {
  return layer.hidden && layer.late_share > c.settings.layer_late_share;
}

// A probe finds units dead that have no certificate yet.
const char* ProbeNote(const RunFacts& facts) {
  const bool probed =
      std::ranges::any_of(facts.layers, [](const LayerFacts& layer) {
        return layer.probe_activation.has_value();
      });
  return probed ? " (or are silent on the whole probe set)" : "";
}

struct Weighed {
  bool deaths = false;
  bool steps = false;
  bool one_step = false;  // holds of every weight that has a gradient
  bool own = false;
  double largest = 0.0;
  std::int64_t seen_by = 0;  // the last step of what `steps` rests on
};

Weighed Weigh(const Case& c, const LateDeaths& late, Assessment* result) {
  const RunMeasures& run = c.measures;
  Weighed weighed;
  double worst = 0.0;
  for (const LayerMeasures& layer : run.layers) {
    if (layer.hidden) worst = std::max(worst, layer.late_share);
  }
  const std::optional<UpdateRatio> found = RatioBeforeDeaths(c, late);
  std::optional<double> largest;
  if (found) largest = found->ratio;
  const bool only_median = largest.value_or(0.0) <= c.settings.update_ratio;
  const bool silent_only = run.late_share <= c.settings.late_share &&
                           worst <= c.settings.layer_late_share;
  // Of two measures of one thing the one that holds carries the weight.
  weighed.deaths = result->sheet.Above(
      {.signal = "S8",
       .description = "share of units that died after step 0",
       .weight = silent_only ? 0.5 : 2.0},
      run.late_share, c.settings.late_share);
  const bool silent = result->sheet.Above(
      {.signal = "S8",
       .description = "share of units that fell silent after step 0",
       .weight = silent_only ? 1.0 : 0.25},
      run.late_silent_share, c.settings.late_share);
  const bool early = result->sheet.Above(
      {.signal = "S7",
       .description = "largest update ratio before they died",
       .weight = only_median ? 0.5 : 2.0},
      largest, c.settings.update_ratio);
  const bool median =
      result->sheet.Above({.signal = "S7",
                           .description = "median update ratio",
                           .weight = only_median ? 1.0 : 0.5},
                          run.update_median, c.settings.update_ratio_median);
  weighed.own = result->sheet.Above(
      {.signal = "S7",
       .description = "first update ratio, for inputs of rms 1",
       .weight = 0.5},
      run.own_update, c.settings.update_ratio);
  if (run.sign_step_ratio) {
    weighed.one_step = result->sheet.Above(
        {.signal = "S7",
         .description = "first step of a weight over the size of the weights",
         .weight = 0.5},
        run.sign_step_ratio, c.settings.sign_update_ratio);
  }
  // A certificate takes hundreds of steps. Where nothing is learned, so many
  // silent units need not wait for it.
  weighed.deaths = weighed.deaths || worst > c.settings.layer_late_share ||
                   (silent && run.loss.failed());
  weighed.steps = early || median || weighed.one_step;
  weighed.own = weighed.own || weighed.one_step;
  weighed.largest = std::max(largest.value_or(run.update_median.value_or(0.0)),
                             run.sign_step_ratio.value_or(0.0));
  weighed.seen_by = early ? found->steps.end - 1 : c.facts.last_step;
  return weighed;
}

void WeighCourse(const Case& c, Assessment* result) {
  std::uint64_t deaths = 0;
  std::uint64_t revivals = 0;
  for (const LayerFacts& layer : c.facts.layers) {
    deaths += layer.total_deaths;
    revivals += layer.total_revivals;
  }
  if (deaths > 0) {
    result->sheet.Above(
        {.signal = "S8", .description = "revivals a death", .weight = 0.25},
        static_cast<double>(revivals) / static_cast<double>(deaths), 0.25);
  }
  if (c.measures.loss.learning == Learning::kUnknown) return;
  result->sheet.Above({.signal = "S10",
                       .description = "loss now over loss at the start",
                       .weight = 0.25},
                      c.measures.loss.Ratio(), c.settings.divergence_factor);
}

std::string SeenSummary(const Case& c, const Weighed& weighed,
                        bool not_finite) {
  const std::string harm =
      weighed.deaths && !not_finite
          ? absl::StrCat(Percent(c.measures.late_share),
                         " of the hidden units died after step 0",
                         ProbeNote(c.facts))
          : "the run diverged";
  return absl::StrCat(harm, ", under updates of up to ",
                      Percent(weighed.largest), " of the weights a step");
}

std::string HiddenSummary(const Weighed& weighed) {
  return absl::StrCat(
      "no gradient reaches the hidden layers now; once one does, a step moves "
      "every weight by ",
      Percent(weighed.largest), " of its size");
}

}  // namespace

Assessment AssessLearningRateTooHigh(const Case& c) {
  const RunMeasures& run = c.measures;
  Assessment result;
  result.cause = Cause::kLearningRateTooHigh;
  result.dynamic = true;
  const LateDeaths late = LateDeathsOf(c.facts);
  const Weighed weighed = Weigh(c, late, &result);
  WeighCourse(c, &result);
  const bool not_finite =
      run.non_finite.first_step.has_value() && !run.non_finite.from_data;
  const bool diverged = not_finite || run.loss.learning == Learning::kDiverged;
  // A shut layer keeps the weights from moving, and the rate from being seen.
  const bool hidden = weighed.one_step && run.first_gradient == 0.0 &&
                      run.loss.failed() && !not_finite;
  const bool seen = weighed.steps && (weighed.deaths || diverged);
  result.holds = seen || hidden;
  result.has_own_evidence = weighed.own;
  result.seen_by = weighed.seen_by;
  result.first_step = std::max<std::int64_t>(0, late.first_after);
  result.last_step = late.last_by >= 0 ? late.last_by : c.facts.last_step;
  for (const LayerMeasures& layer : run.layers) {
    if (DiedLate(c, layer) ||
        (layer.hidden && layer.late_share > c.settings.late_share)) {
      result.layers.push_back(layer.facts->name);
    }
  }
  result.summary =
      seen ? SeenSummary(c, weighed, not_finite) : HiddenSummary(weighed);
  result.why_not =
      !weighed.steps ? "the updates are small" : "few units died after step 0";
  return result;
}

}  // namespace firekeeper::core
