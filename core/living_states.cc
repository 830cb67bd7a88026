#include "core/living_states.h"

#include <algorithm>
#include <cmath>

#include "core/activation_traits.h"

namespace firekeeper::core {
namespace {

double Share(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// Mean of the entries that are not NaN; 0 without any.
double MeanOfObserved(const Eigen::ArrayXd& values) {
  double sum = 0.0;
  Index count = 0;
  for (Index i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    sum += values[i];
    ++count;
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

}  // namespace

LivingStates::LivingStates(const LayerEvidence& evidence,
                           std::uint64_t tracked_units,
                           const HealthSettings& settings)
    : evidence_(evidence),
      settings_(settings),
      alpha_per_unit_(settings.certificate.alpha /
                      static_cast<double>(tracked_units)),
      layer_mean_(MeanOfObserved(evidence.sides.mean_absolute)) {
  const auto& windows = evidence.windows;
  while (baseline_ < windows.size() &&
         windows[baseline_].steps.first < evidence.baseline_first_step) {
    ++baseline_;
  }
}

void LivingStates::AddStatic(Index unit, UnitHealth* health) const {
  const SideEvidence& sides = evidence_.sides;
  if (SideEvidence::Says(sides.constant, unit)) {
    health->also.Add(HealthState::kConstant);
  }
  if (sides.mean_absolute.size() > 0 &&
      !std::isnan(sides.mean_absolute[unit])) {
    // Sokar et al., arXiv 2302.12902. No epsilon: a layer without any signal
    // has no unit that is less dormant than the others.
    const double score =
        layer_mean_ == 0.0 ? 0.0 : sides.mean_absolute[unit] / layer_mean_;
    health->dormancy_score = score;
    if (score <= settings_.thresholds.dormant_score) {
      health->also.Add(HealthState::kDormant);
    }
  }
  AddSaturation(unit, health);
}

void LivingStates::AddSaturation(Index unit, UnitHealth* health) const {
  const SaturationRange range = SaturationRangeOf(evidence_.activation.kind);
  const CountArray& high = evidence_.horizon_closed_high;
  const std::uint64_t n = evidence_.horizon_observations[unit];
  if (range == SaturationRange::kNone || high.size() == 0 || n == 0) return;
  const std::uint64_t closed_high = std::min(high[unit], n);
  std::uint64_t closed = closed_high;
  if (range == SaturationRange::kBoth) {
    closed = n - std::min(evidence_.horizon_firings[unit], n);
  }
  const double least = settings_.thresholds.saturated_share;
  // The bound lies below the share, so most units need none.
  if (Share(closed, n) < least ||
      RateLowerBound(closed, n, alpha_per_unit_) < least) {
    return;
  }
  health->also.Add(HealthState::kSaturated);
  // A side that has less than a twentieth of the closed gates is noise.
  const std::uint64_t low = closed - std::min(closed_high, closed);
  const double side = 0.05 * static_cast<double>(closed);
  if (static_cast<double>(low) < side) {
    health->saturation = Saturation::kHigh;
  } else if (static_cast<double>(closed_high) < side) {
    health->saturation = Saturation::kLow;
  } else {
    health->saturation = Saturation::kBoth;
  }
}

void LivingStates::AddFiring(Index unit, const SilenceGroup& group,
                             const SilenceTimeline& timeline,
                             UnitHealth* health) const {
  health->also.Add(HealthState::kAlive);
  const SideEvidence& sides = evidence_.sides;
  if (evidence_.horizon_firings[unit] > 0 &&
      health->rate_upper_bound < settings_.thresholds.rare_rate) {
    health->also.Add(HealthState::kRare);
  }
  if (IsDying(unit, group, timeline)) health->also.Add(HealthState::kDying);
  if (SideEvidence::Says(sides.no_weight_gradient, unit)) {
    health->also.Add(HealthState::kGradientStarved);
    health->starvation = SideEvidence::Says(sides.no_output_gradient, unit)
                             ? Starvation::kBlocked
                             : Starvation::kVanishing;
  }
}

bool LivingStates::IsDying(Index unit, const SilenceGroup& group,
                           const SilenceTimeline& timeline) const {
  const std::size_t end = timeline.window_count();
  const std::size_t recent = end - std::min(evidence_.recent_windows, end);
  if (evidence_.recent_firings.size() == 0 || baseline_ >= recent ||
      recent == end) {
    return false;
  }
  // A shard that is missing now may be the one on which the unit fires.
  if (group.last_incomplete() >= recent) return false;
  const std::uint64_t n_now = timeline.Between(recent, end).observations;
  const std::uint64_t n_base = timeline.Between(baseline_, recent).observations;
  if (n_now == 0 || n_base == 0) return false;
  const std::uint64_t k_now = std::min(evidence_.recent_firings[unit], n_now);
  const std::uint64_t k_base =
      std::min(evidence_.baseline_firings[unit], n_base);
  const double ratio = settings_.thresholds.dying_ratio;
  if (Share(k_now, n_now) >= ratio * Share(k_base, n_base)) return false;
  const double alpha = alpha_per_unit_ / 2.0;
  return RateUpperBound(k_now, n_now, alpha) <
         ratio * RateLowerBound(k_base, n_base, alpha);
}

}  // namespace firekeeper::core
