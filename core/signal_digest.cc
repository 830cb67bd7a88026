#include "core/signal_digest.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

namespace firekeeper::core {
namespace {

using Eigen::ArrayXd;

// Which units have an observation, as 1 and 0.
struct Observed {
  CountArray n;
  ArrayXd weight;
  double units = 0.0;
};

Observed ObservedOf(const UnitSummary& summary) {
  Observed observed;
  observed.n = summary.observations.ToArray();
  observed.weight = (observed.n > 0U).cast<double>();
  observed.units = observed.weight.sum();
  return observed;
}

std::uint64_t CountWhere(const ArrayXd& flags) {
  return static_cast<std::uint64_t>(flags.sum());
}

// max - min over the observed units.
double RangeOver(const Observed& observed, const ArrayXd& values) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (Index i = 0; i < values.size(); ++i) {
    if (observed.n[i] == 0) continue;
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  return high - low;
}

double SpreadOver(const UnitSummary& summary, const Observed& observed,
                  const ArrayXd& variance, double scale) {
  if (scale == 0.0) return 0.0;
  const ArrayXd rms = (summary.mean.square() + variance).sqrt();
  return std::max({RangeOver(observed, summary.mean), RangeOver(observed, rms),
                   RangeOver(observed, summary.min),
                   RangeOver(observed, summary.max)}) /
         scale;
}

std::optional<double> ShareEntropy(const ArrayXd& means) {
  if (means.size() < 2 || means.minCoeff() < 0.0 ||
      std::abs(means.sum() - 1.0) > 1e-6) {
    return std::nullopt;
  }
  // 0 ln 0 is 0.
  return -(means * means.max(std::numeric_limits<double>::min()).log()).sum();
}

// Moments of all units together, by the law of total variance. An unobserved
// unit has mean, m2 and abs_sum 0 and adds nothing to a sum.
void PoolMoments(const UnitSummary& summary, const Observed& observed,
                 SignalDigest* digest) {
  const ArrayXd n = observed.n.cast<double>();
  const double total = n.sum();
  const ArrayXd variance = summary.m2 / n.max(1.0);
  digest->has_moments = true;
  digest->mean = (n * summary.mean).sum() / total;
  digest->mean_absolute = summary.abs_sum.sum() / total;
  digest->root_mean_square =
      std::sqrt((summary.m2 + n * summary.mean.square()).sum() / total);
  digest->standard_deviation = std::sqrt(
      (summary.m2 + n * (summary.mean - digest->mean).square()).sum() / total);
  digest->min = summary.min.minCoeff();
  digest->max = summary.max.maxCoeff();
  digest->mean_square_of_means = summary.mean.square().sum() / observed.units;
  digest->mean_variance = variance.sum() / observed.units;
  digest->unit_spread =
      SpreadOver(summary, observed, variance, digest->root_mean_square);
  digest->share_entropy = ShareEntropy(summary.mean);
  const ArrayXd constant =
      observed.weight * (summary.min == summary.max).cast<double>();
  digest->units_constant = CountWhere(constant);
  digest->units_all_zero =
      CountWhere(constant * (summary.min == 0.0).cast<double>());
}

void PoolFirings(const UnitSummary& summary, const Observed& observed,
                 SignalDigest* digest) {
  const ArrayXd ratio =
      summary.firings.cast<double>() / observed.n.cast<double>().max(1.0);
  digest->firing_ratio = ratio.sum() / observed.units;
  digest->units_never_fired =
      CountWhere(observed.weight * (summary.firings == 0U).cast<double>());
}

void PoolGate(const UnitSummary& summary, const Observed& observed,
              SignalDigest* digest) {
  digest->units_always_positive = CountWhere(
      observed.weight * (summary.positives == observed.n).cast<double>());
  digest->zero_ratio = static_cast<double>(summary.zeros.sum()) /
                       static_cast<double>(digest->total_observations);
}

// Squared norms per unit. The mean of m examples carries variance / m of its
// own, which is not an offset: it is taken off.
struct Norms {
  double mean_square = 0.0;
  double variance = 0.0;
};

std::optional<Norms> NormsOf(const SignalDigest& digest) {
  const std::uint64_t examples = ExamplesOf(digest);
  if (!digest.has_moments || examples < 2) return std::nullopt;
  const double total = digest.mean_square_of_means + digest.mean_variance;
  // Finite values near the end of the range have no finite squares.
  if (total == 0.0 || !std::isfinite(total)) return std::nullopt;
  const double noise = digest.mean_variance / static_cast<double>(examples - 1);
  return Norms{
      .mean_square = std::max(0.0, digest.mean_square_of_means - noise),
      .variance = digest.mean_variance + noise};
}

}  // namespace

SignalDigest DigestOf(const UnitSummary& summary, const StepRange& steps,
                      std::uint64_t clusters) {
  const Observed observed = ObservedOf(summary);
  SignalDigest digest;
  digest.steps = steps;
  digest.unit_count = static_cast<std::uint64_t>(summary.unit_count());
  digest.units = static_cast<std::uint64_t>(observed.units);
  digest.observations = summary.observations.Max();
  digest.clusters = clusters;
  digest.total_observations = summary.observations.Sum();
  digest.non_finite = summary.non_finite.Sum();
  if (digest.units == 0) return digest;
  if (summary.columns.firings) PoolFirings(summary, observed, &digest);
  if (summary.columns.gate) PoolGate(summary, observed, &digest);
  if (summary.columns.moments) PoolMoments(summary, observed, &digest);
  return digest;
}

SignalDigest DigestOf(const UnitSummary& summary, const StepRange& steps) {
  return DigestOf(summary, steps,
                  summary.columns.clusters ? summary.clusters.Max() : 0);
}

std::optional<double> CosineOf(const SignalDigest& digest) {
  const std::optional<Norms> norms = NormsOf(digest);
  if (!norms) return std::nullopt;
  return norms->mean_square / (norms->mean_square + norms->variance);
}

std::optional<double> OffsetOf(const SignalDigest& digest) {
  const std::optional<Norms> norms = NormsOf(digest);
  if (!norms) return std::nullopt;
  return std::sqrt(norms->mean_square / norms->variance);
}

std::uint64_t ExamplesOf(const SignalDigest& digest) {
  return digest.clusters > 1 ? digest.clusters : digest.observations;
}

}  // namespace firekeeper::core
