// What queries see of the units of a layer.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/silence_groups.h"
#include "server/state/layer_state.h"
#include "server/state/layer_verdicts.h"

namespace firekeeper::server {
namespace {

using core::HealthState;
using core::Index;

// The step of a record that says "never" by an extreme value.
std::int64_t StepOr(std::int64_t step, std::int64_t never) {
  return step == core::kNeverSeen ? never : step;
}

std::string ReasonFor(const core::UnitHealth& health) {
  if (!health.incomplete) return {};
  const core::IncompleteCoverage& gap = *health.incomplete;
  return absl::StrCat("coverage ", gap.shards_received, " of ",
                      gap.shards_expected, " data shards in steps [",
                      gap.steps.first, ", ", gap.steps.end, ")");
}

// Firings per observation over the horizon. Of what is not finite nothing else
// is said.
std::optional<double> FiringRate(const core::LayerEvidence& evidence,
                                 const core::UnitHealth& health, Index unit) {
  const std::uint64_t observations = evidence.horizon_observations[unit];
  if (observations == 0 || health.state == HealthState::kNonFinite) {
    return std::nullopt;
  }
  return static_cast<double>(evidence.horizon_firings[unit]) /
         static_cast<double>(observations);
}

// What a unit is sorted by.
double SortKey(const core::LayerEvidence& evidence,
               const core::UnitHealth& health, Index unit, UnitOrder order) {
  switch (order) {
    case UnitOrder::kState:
      return static_cast<double>(health.state);
    case UnitOrder::kFiringRate:
      return FiringRate(evidence, health, unit).value_or(-1.0);
    case UnitOrder::kLastFiringStep:
      return static_cast<double>(evidence.last_firing_step[unit]);
    case UnitOrder::kSilentObservations:
      return static_cast<double>(health.silent_observations);
    case UnitOrder::kDeaths:
      return health.deaths;
    case UnitOrder::kUnit:
      break;
  }
  return static_cast<double>(unit);
}

// The first `count` of `units` in the order asked for; the rest is left out.
void SortUnits(const std::function<double(Index)>& key, bool descending,
               std::size_t count, std::vector<Index>* units) {
  struct Keyed {
    double key;
    Index unit;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(units->size());
  for (const Index unit : *units) {
    keyed.push_back({descending ? -key(unit) : key(unit), unit});
  }
  count = std::min(count, keyed.size());
  std::partial_sort(keyed.begin(),
                    keyed.begin() + static_cast<std::ptrdiff_t>(count),
                    keyed.end(), [](const Keyed& a, const Keyed& b) {
                      return a.key != b.key ? a.key < b.key : a.unit < b.unit;
                    });
  units->resize(count);
  std::transform(keyed.begin(),
                 keyed.begin() + static_cast<std::ptrdiff_t>(count),
                 units->begin(), [](const Keyed& entry) { return entry.unit; });
}

std::vector<HistogramBin> BinsOf(UnitFigure figure) {
  std::vector<HistogramBin> bins;
  if (figure == UnitFigure::kFiringRate) {
    constexpr int kBins = 20;
    for (int i = 0; i < kBins; ++i) {
      bins.push_back({.lower = static_cast<double>(i) / kBins,
                      .upper = static_cast<double>(i + 1) / kBins});
    }
    return bins;
  }
  // Scores are relative to a mean of 1; most are within a factor of 64.
  constexpr int kOctaves = 6;
  double lower = 0.0;
  for (int octave = -kOctaves; octave <= kOctaves; ++octave) {
    const double upper = std::exp2(octave);
    bins.push_back({.lower = lower, .upper = upper});
    lower = upper;
  }
  bins.push_back(
      {.lower = lower, .upper = std::numeric_limits<double>::infinity()});
  return bins;
}

void Count(const std::optional<double>& figure, UnitHistogramView* histogram) {
  if (!figure || std::isnan(*figure)) {
    ++histogram->unknown_units;
    return;
  }
  if (*figure == 0.0) {
    ++histogram->zero_units;
    return;
  }
  const auto bin = std::ranges::find_if(
      histogram->bins,
      [&](const HistogramBin& each) { return *figure <= each.upper; });
  // A rate is at most 1, and nothing is above infinity.
  ++bin->units;
}

}  // namespace

UnitPage LayerState::Units(const RunFacts& run,
                           const std::vector<HealthState>& states,
                           std::uint64_t first, std::size_t limit,
                           const UnitSort& sort) {
  UnitPage page;
  page.certificate_settings = settings_.health.certificate;
  const auto verdicts = Evaluate(run.units);
  if (!verdicts) return page;
  page.certificate = verdicts->health.certificate;
  page.horizon_first_step = verdicts->health.horizon_first_step;
  page.evaluated_through_step = verdicts->health.evaluated_through_step;
  std::vector<Index> units = MatchingUnits(*verdicts, states);
  page.total = units.size();
  std::size_t begin = 0;
  if (sort.is_by_unit()) {
    begin = static_cast<std::size_t>(std::distance(
        units.begin(),
        std::find_if(units.begin(), units.end(), [first](Index unit) {
          return static_cast<std::uint64_t>(unit) >= first;
        })));
  } else {
    begin =
        static_cast<std::size_t>(std::min<std::uint64_t>(first, units.size()));
    SortUnits(
        [&](Index unit) {
          return SortKey(verdicts->evidence,
                         verdicts->health.units[static_cast<std::size_t>(unit)],
                         unit, sort.order);
        },
        sort.descending, begin + std::min(limit, units.size() - begin), &units);
  }
  for (std::size_t i = begin; i < units.size() && i - begin < limit; ++i) {
    page.units.push_back(UnitViewOf(*verdicts, run, units[i]));
  }
  return page;
}

std::vector<Index> LayerState::MatchingUnits(
    const Verdicts& verdicts, const std::vector<HealthState>& states) {
  std::vector<Index> units;
  for (Index unit = 0; unit < verdicts.evidence.unit_count; ++unit) {
    const HealthState state =
        verdicts.health.units[static_cast<std::size_t>(unit)].state;
    if (states.empty() || std::ranges::count(states, state) > 0) {
      units.push_back(unit);
    }
  }
  return units;
}

UnitView LayerState::UnitViewOf(const Verdicts& verdicts, const RunFacts& run,
                                Index unit) const {
  const core::LayerEvidence& evidence = verdicts.evidence;
  const core::UnitHealth& health =
      verdicts.health.units[static_cast<std::size_t>(unit)];
  const core::CertificateSettings certificate =
      core::Divided(settings_.health.certificate, health.level);
  UnitView view;
  view.unit = static_cast<std::uint64_t>(unit);
  view.health = health;
  view.reason = ReasonFor(health);
  view.last_firing_step = evidence.last_firing_step[unit];
  view.first_seen_step = StepOr(evidence.first_seen_step[unit], -1);
  view.horizon_observations = evidence.horizon_observations[unit];
  view.horizon_clusters = evidence.horizon_clusters[unit];
  view.horizon_firings = evidence.horizon_firings[unit];
  view.horizon_non_finite = evidence.horizon_non_finite[unit];
  if (verdicts.newest) view.coverage = core::CoverageOf(*verdicts.newest, unit);
  view.p0 = certificate.p0;
  view.pc0 = certificate.pc0;
  view.permanent = health.permanent || run.collapsed;
  return view;
}

UnitStripView LayerState::Strip(std::uint64_t run_units,
                                std::uint64_t max_buckets) {
  const auto units = static_cast<std::uint64_t>(spec_.unit_count);
  UnitStripView strip{.unit_count = units,
                      .units_per_bucket = (units - 1) / max_buckets + 1,
                      .rows = {}};
  const auto verdicts = Evaluate(run_units);
  if (!verdicts) return strip;
  const std::uint64_t buckets = (units - 1) / strip.units_per_bucket + 1;
  for (std::uint64_t unit = 0; unit < units; ++unit) {
    std::vector<std::uint32_t>& row =
        strip.rows[verdicts->health.units[unit].state];
    row.resize(buckets);
    ++row[unit / strip.units_per_bucket];
  }
  return strip;
}

UnitHistogramView LayerState::Histogram(std::uint64_t run_units,
                                        UnitFigure figure) {
  UnitHistogramView histogram;
  const auto verdicts = Evaluate(run_units);
  if (!verdicts) {
    histogram.unknown_units = static_cast<std::uint64_t>(spec_.unit_count);
    return histogram;
  }
  histogram.bins = BinsOf(figure);
  for (Index unit = 0; unit < verdicts->evidence.unit_count; ++unit) {
    const core::UnitHealth& health =
        verdicts->health.units[static_cast<std::size_t>(unit)];
    Count(figure == UnitFigure::kFiringRate
              ? FiringRate(verdicts->evidence, health, unit)
              : health.dormancy_score,
          &histogram);
  }
  return histogram;
}

}  // namespace firekeeper::server
