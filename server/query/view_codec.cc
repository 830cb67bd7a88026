#include "server/query/view_codec.h"

namespace firekeeper::server {
namespace {

v1::RunState ToProto(RunState state) {
  switch (state) {
    case RunState::kActive:
      return v1::RUN_STATE_ACTIVE;
    case RunState::kSilent:
      return v1::RUN_STATE_SILENT;
    case RunState::kEnded:
      return v1::RUN_STATE_ENDED;
  }
  return v1::RUN_STATE_UNSPECIFIED;
}

// core's enums have the wire's values (core/signal.h).
v1::Signal ToProto(core::Signal signal) {
  return static_cast<v1::Signal>(signal);
}
v1::Phase ToProto(core::Phase phase) { return static_cast<v1::Phase>(phase); }
v1::HealthState ToProto(core::HealthState state) {
  return static_cast<v1::HealthState>(state);
}

void ToProto(const AttemptView& view, v1::Attempt* attempt) {
  attempt->set_number(view.number);
  attempt->set_resume_step(view.resume_step);
  attempt->set_source_count(view.source_count);
  attempt->set_sources_opened(view.sources_opened);
  attempt->set_sources_connected(view.sources_connected);
  *attempt->mutable_started() = ToTimestamp(view.started);
  attempt->set_superseded(view.superseded);
}

void ToProto(const RunCounters& view, v1::RunCounters* counters) {
  counters->set_snapshots_accepted(view.accepted);
  counters->set_snapshots_duplicate(view.duplicate);
  counters->set_snapshots_conflicting(view.conflicting);
  counters->set_snapshots_copies(view.copies);
  counters->set_snapshots_rejected(view.rejected);
  counters->set_snapshots_gap(view.gap);
  counters->set_fenced(view.fenced);
  counters->set_payload_bytes(view.payload_bytes);
}

void ToProto(const LayerSpec& spec, v1::Layer* layer) {
  layer->set_name(spec.name);
  layer->set_kind(static_cast<v1::LayerKind>(spec.kind));
  layer->set_activation(static_cast<v1::Activation>(spec.activation.kind));
  layer->set_negative_slope(spec.activation.negative_slope);
  layer->set_alpha(spec.activation.alpha);
  layer->set_unit_count(static_cast<std::uint64_t>(spec.unit_count));
  layer->set_fan_in(spec.fan_in);
  layer->set_input_unit_count(
      static_cast<std::uint64_t>(spec.input_unit_count));
  layer->set_order(spec.order);
  for (const std::string& input : spec.inputs) layer->add_inputs(input);
  layer->set_norm_before(spec.norm_before);
  layer->set_residual(spec.residual);
  layer->set_is_output(spec.is_output);
}

void ToProto(const core::RangeCoverage& view, v1::Coverage* coverage) {
  coverage->set_shards_received(view.shards_received);
  coverage->set_shards_expected(view.shards_expected);
}

void ToProto(const core::LayerLife& view, v1::LayerLife* life) {
  life->set_deaths(view.deaths);
  life->set_revivals(view.revivals);
  life->set_born_silent_units(view.born_silent_units);
  life->set_flapping_units(view.flapping_units);
  life->set_dead_before_units(view.dead_before_units);
  life->set_still_dead_units(view.still_dead_units);
  if (view.half_life_steps.has_value()) {
    life->set_half_life_steps(*view.half_life_steps);
  }
}

// What a verdict adds to its state: core's enums have the wire's values.
void AddDetails(const UnitView& view, v1::UnitVerdict* verdict) {
  const core::UnitHealth& health = view.health;
  if (health.last_death.has_value()) {
    verdict->set_died_after_step(health.last_death->after);
    verdict->set_died_by_step(health.last_death->by);
  }
  if (health.origin.has_value()) {
    verdict->set_death_origin(static_cast<v1::DeathOrigin>(*health.origin));
    verdict->set_permanence(view.permanent ? v1::PERMANENCE_PERMANENT
                                           : v1::PERMANENCE_TENTATIVE);
  }
  if (health.saturation.has_value()) {
    verdict->set_saturation(static_cast<v1::Saturation>(*health.saturation));
  }
  if (health.starvation.has_value()) {
    verdict->set_starvation(static_cast<v1::Starvation>(*health.starvation));
  }
  if (health.proven_step.has_value()) {
    verdict->set_proven_step(*health.proven_step);
  }
  if (health.dormancy_score.has_value()) {
    verdict->set_dormancy_score(*health.dormancy_score);
  }
}

}  // namespace

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<std::int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

void ToProto(const RunView& view, v1::Run* run) {
  run->set_tenant(view.tenant);
  run->set_run_id(view.run_id);
  run->set_state(ToProto(view.state));
  run->mutable_labels()->insert(view.labels.begin(), view.labels.end());
  run->set_remedy_of(view.remedy_of);
  for (const AttemptView& attempt : view.attempts) {
    ToProto(attempt, run->add_attempts());
  }
  *run->mutable_first_seen() = ToTimestamp(view.first_seen);
  *run->mutable_last_seen() = ToTimestamp(view.last_seen);
  run->set_last_step(view.last_step);
  run->set_layer_count(view.layer_count);
  run->set_unit_count(view.unit_count);
  run->mutable_scalars()->insert(view.scalars.begin(), view.scalars.end());
  ToProto(view.counters, run->mutable_counters());
}

void ToProto(const LayerView& view, v1::LayerReport* report) {
  ToProto(view.spec, report->mutable_layer());
  report->set_observability(view.observable ? v1::OBSERVABILITY_OBSERVABLE
                                            : v1::OBSERVABILITY_NOT_OBSERVABLE);
  if (view.observable) report->set_health_signal(ToProto(view.health_signal));
  report->set_reason(view.reason);
  for (std::size_t state = 1; state < kHealthStateCount; ++state) {
    if (view.units_that_hold.at(state) == 0) continue;
    v1::StateCount* count = report->add_units_by_state();
    count->set_state(ToProto(static_cast<core::HealthState>(state)));
    count->set_units(view.units_by_state.at(state));
    count->set_holds(view.units_that_hold.at(state));
  }
  ToProto(view.certificate_settings, view.certificate,
          report->mutable_certificate());
  report->mutable_certificate()->set_horizon_first_step(
      view.horizon_first_step);
  report->mutable_certificate()->set_evaluated_through_step(
      view.evaluated_through_step);
  ToProto(view.coverage, report->mutable_coverage());
  report->set_evaluated_through_step(view.evaluated_through_step);
  ToProto(view.life, report->mutable_life());
  report->set_collapsed(view.collapsed);
  report->set_proven_units(view.proven_units);
  if (view.first_death_after_step.has_value()) {
    report->set_first_death_after_step(*view.first_death_after_step);
  }
  if (view.first_death_by_step.has_value()) {
    report->set_first_death_by_step(*view.first_death_by_step);
  }
  for (const SignalView& signal : view.signals) {
    ToProto(signal, report->add_signals());
  }
}

void ToProto(const SignalView& view, v1::SignalReport* report) {
  const core::SignalDigest& digest = view.digest;
  report->set_signal(ToProto(view.signal));
  report->set_phase(ToProto(view.phase));
  report->set_window_first_step(digest.steps.first);
  report->set_window_end_step(digest.steps.end);
  report->set_window_open(view.open);
  report->set_revision(view.revision);
  report->set_unit_count(digest.unit_count);
  report->set_observations(digest.observations);
  report->set_clusters(digest.clusters);
  report->set_units_never_fired(digest.units_never_fired);
  if (digest.firing_ratio.has_value()) {
    report->set_firing_ratio(*digest.firing_ratio);
  }
  report->set_mean(digest.mean);
  report->set_standard_deviation(digest.standard_deviation);
  report->set_root_mean_square(digest.root_mean_square);
  report->set_mean_absolute(digest.mean_absolute);
  report->set_min(digest.min);
  report->set_max(digest.max);
  if (digest.zero_ratio.has_value()) report->set_zero_ratio(*digest.zero_ratio);
  report->set_non_finite(digest.non_finite);
  ToProto(view.coverage, report->mutable_coverage());
}

void ToProto(const UnitView& view, v1::UnitVerdict* verdict) {
  verdict->set_unit(view.unit);
  verdict->set_state(ToProto(view.health.state));
  verdict->set_reason(view.reason);
  if (view.last_firing_step >= 0) {
    verdict->set_last_firing_step(view.last_firing_step);
  }
  if (view.first_seen_step >= 0) {
    verdict->set_first_seen_step(view.first_seen_step);
  }
  if (view.health.certified_step.has_value()) {
    verdict->set_certified_step(*view.health.certified_step);
  }
  verdict->set_silent_observations(view.health.silent_observations);
  verdict->set_silent_clusters(view.health.silent_clusters);
  verdict->set_rate_upper_bound(view.health.rate_upper_bound);
  verdict->set_observations(view.horizon_observations);
  verdict->set_firings(view.horizon_firings);
  verdict->set_non_finite(view.horizon_non_finite);
  for (std::size_t i = 1; i < kHealthStateCount; ++i) {
    const auto state = static_cast<core::HealthState>(i);
    if (view.health.also.Has(state)) verdict->add_also(ToProto(state));
  }
  verdict->set_clusters(view.horizon_clusters);
  verdict->set_p0(view.p0);
  verdict->set_pc0(view.pc0);
  ToProto(view.coverage, verdict->mutable_coverage());
  verdict->set_deaths(view.health.deaths);
  verdict->set_revivals(view.health.revivals);
  AddDetails(view, verdict);
}

void ToProto(const core::CertificateSettings& settings,
             const core::CertificateTotals& totals,
             v1::Certificate* certificate) {
  certificate->set_alpha(settings.alpha);
  certificate->set_p0(settings.p0);
  certificate->set_pc0(settings.pc0);
  certificate->set_tracked_units(totals.tracked_units);
  certificate->set_observations(totals.observations);
  certificate->set_clusters(totals.clusters);
  certificate->set_observations_needed(totals.observations_needed);
  certificate->set_clusters_needed(totals.clusters_needed);
}

void ToProto(const RunView& view, v1::RunGlance* glance) {
  if (view.assessed == absl::InfinitePast()) return;
  *glance->mutable_looked() = ToTimestamp(view.assessed);
  glance->set_dead_units(view.glance.dead.count);
  glance->set_observable_units(view.glance.dead.total);
  glance->set_unsaid_units(view.glance.unsaid_units);
  glance->set_open_units(view.glance.open_units);
  glance->set_worst_layer(view.glance.worst_layer);
  glance->set_worst_dead_share(view.glance.worst_dead_share);
  glance->set_collapsed_layers(view.glance.collapsed_layers);
  glance->set_non_finite_layers(view.glance.non_finite_layers);
  for (const FindingView& finding : view.findings) {
    if (!core::IsFault(finding.cause)) continue;
    glance->add_faults(static_cast<v1::Cause>(finding.cause));
  }
}

void ToProto(const UnitStripView& view, v1::UnitStrip* strip) {
  strip->set_unit_count(view.unit_count);
  strip->set_units_per_bucket(view.units_per_bucket);
  for (const auto& [state, units] : view.rows) {
    v1::UnitStripRow* row = strip->add_rows();
    row->set_state(ToProto(state));
    row->mutable_units()->Add(units.begin(), units.end());
  }
}

void ToProto(const UnitHistogramView& view,
             v1::GetHistogramResponse* response) {
  for (const HistogramBin& bin : view.bins) {
    response->add_lower_bounds(bin.lower);
    response->add_upper_bounds(bin.upper);
    response->add_units(bin.units);
  }
  response->set_zero_units(view.zero_units);
  response->set_unknown_units(view.unknown_units);
}

void ToProto(const DistributionView& view,
             v1::GetDistributionResponse* response) {
  response->set_first_step(view.steps.first);
  response->set_end_step(view.steps.end);
  response->set_window_open(view.open);
  response->set_values(view.values);
  response->set_observations(view.observations);
  for (const ValueBin& bin : view.bins) {
    response->add_lower_bounds(bin.lower);
    response->add_upper_bounds(bin.upper);
    response->add_counts(bin.values);
  }
  response->set_zero_values(view.zero_values);
  for (const auto& [level, value] : view.quantiles) {
    response->add_quantile_levels(level);
    response->add_quantiles(value);
  }
}

}  // namespace firekeeper::server
