#include "server/state/signal_view.h"

#include <Eigen/Core>
#include <cmath>

namespace firekeeper::server {
namespace {

// Moments of all units together, by the law of total variance.
void PoolMoments(const core::UnitSummary& summary, SignalView* view) {
  const Eigen::ArrayXd n = summary.observations.ToArray().cast<double>();
  const double total = n.sum();
  if (total == 0.0) return;
  view->mean = (n * summary.mean).sum() / total;
  const double squares = (summary.m2 + n * summary.mean.square()).sum() / total;
  const double spread =
      (summary.m2 + n * (summary.mean - view->mean).square()).sum() / total;
  view->root_mean_square = std::sqrt(squares);
  view->standard_deviation = std::sqrt(spread);
  view->mean_absolute = summary.abs_sum.sum() / total;
  view->min = summary.min.minCoeff();
  view->max = summary.max.maxCoeff();
}

void PoolFirings(const core::UnitSummary& summary, SignalView* view) {
  const core::CountArray n = summary.observations.ToArray();
  const auto observed = (n > 0U).eval();
  view->units_never_fired =
      static_cast<std::uint64_t>((observed && (summary.firings == 0U)).count());
  const auto units = observed.count();
  if (units == 0) return;
  const Eigen::ArrayXd ratio =
      summary.firings.cast<double>() / n.cast<double>().max(1.0);
  view->firing_ratio = ratio.sum() / static_cast<double>(units);
}

}  // namespace

SignalView ViewOf(core::Signal signal, core::Phase phase,
                  const core::SignalTrack& track,
                  const core::SignalTrack::TrackedWindow& tracked) {
  const core::UnitSummary& summary = tracked.window.merged();
  SignalView view;
  view.signal = signal;
  view.phase = phase;
  view.steps = tracked.window.steps();
  view.open = tracked.open;
  view.revision = tracked.revision;
  view.unit_count = static_cast<std::uint64_t>(summary.unit_count());
  view.observations = summary.observations.Max();
  view.non_finite = summary.non_finite.Sum();
  view.coverage = track.CoverageOf(tracked);
  if (summary.columns.clusters) view.clusters = tracked.window.Clusters().Max();
  if (summary.columns.firings) PoolFirings(summary, &view);
  if (summary.columns.moments) PoolMoments(summary, &view);
  const std::uint64_t total = summary.observations.Sum();
  if (summary.columns.gate && total > 0) {
    view.zero_ratio =
        static_cast<double>(summary.zeros.sum()) / static_cast<double>(total);
  }
  return view;
}

std::optional<SignalView> NewestView(core::Signal signal, core::Phase phase,
                                     const core::SignalTrack& track) {
  const core::SignalTrack::TrackedWindow* newest = nullptr;
  for (const auto& [first, tracked] : track.windows()) {
    if (newest == nullptr || newest->open || !tracked.open) newest = &tracked;
  }
  if (newest == nullptr) return std::nullopt;
  return ViewOf(signal, phase, track, *newest);
}

}  // namespace firekeeper::server
