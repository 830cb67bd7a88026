#include "server/query/diagnosis_codec.h"

#include "server/query/view_codec.h"

namespace firekeeper::server {
namespace {

v1::Cause ToProto(core::Cause cause) { return static_cast<v1::Cause>(cause); }

void ToProto(const core::Evidence& evidence, v1::Evidence* proto) {
  proto->set_signal(evidence.signal);
  proto->set_layer(evidence.layer);
  proto->set_description(evidence.description);
  proto->set_measured(evidence.measured);
  proto->set_threshold(evidence.threshold);
  proto->set_comparison(static_cast<v1::Comparison>(evidence.comparison));
  proto->set_weight(evidence.weight);
  proto->set_supports(evidence.supports);
  proto->set_not_observable(evidence.not_observable);
}

void ToProto(const core::Remedy& remedy, v1::Remedy* proto) {
  proto->set_title(remedy.title);
  proto->set_action(remedy.action);
  proto->set_reason(remedy.reason);
  proto->set_expected_effect(remedy.expected_effect);
  proto->set_recommended(remedy.recommended);
  proto->set_measured_support(remedy.measured_support);
}

void ToProto(const core::Consequences& consequences, v1::Consequences* proto) {
  for (const core::LayerCapacity& layer : consequences.layers) {
    v1::LayerCapacity* capacity = proto->add_layers();
    capacity->set_layer(layer.layer);
    capacity->set_unit_count(layer.unit_count);
    capacity->set_dead_units(layer.dead_units);
    capacity->set_lost_share(layer.lost_share);
    capacity->set_collapsed(layer.collapsed);
    if (layer.expected_born_dead) {
      capacity->set_expected_born_dead_units(*layer.expected_born_dead);
    }
  }
  proto->set_lost_share(consequences.lost_share);
  if (consequences.first_death_step) {
    proto->set_first_death_step(*consequences.first_death_step);
  }
  if (consequences.plateau_start) {
    proto->set_plateau_start_step(*consequences.plateau_start);
  }
  proto->set_stalled(consequences.stalled);
  proto->set_stalled_after_deaths(consequences.stalled_after_deaths);
}

v1::RemedyVerdict VerdictOf(const core::ShareDifference& difference) {
  if (difference.high < 0.0) return v1::REMEDY_VERDICT_FEWER_DEAD;
  if (difference.low > 0.0) return v1::REMEDY_VERDICT_MORE_DEAD;
  return v1::REMEDY_VERDICT_NO_DIFFERENCE_SHOWN;
}

}  // namespace

void ToProto(const core::Finding& finding, v1::Finding* proto) {
  proto->set_cause(ToProto(finding.cause));
  proto->set_is_fault(finding.is_fault);
  proto->set_score(finding.score);
  proto->set_summary(finding.summary);
  proto->mutable_layers()->Add(finding.layers.begin(), finding.layers.end());
  proto->set_first_step(finding.first_step);
  proto->set_last_step(finding.last_step);
  for (const core::Evidence& evidence : finding.evidence) {
    ToProto(evidence, proto->add_evidence());
  }
  for (const core::ConsideredCause& considered : finding.alternatives) {
    v1::ConsideredCause* cause = proto->add_considered();
    cause->set_cause(ToProto(considered.cause));
    cause->set_score(considered.score);
    cause->set_reason(considered.reason);
  }
  for (const core::Remedy& remedy : finding.remedies) {
    ToProto(remedy, proto->add_remedies());
  }
}

void ToProto(const core::Diagnosis& diagnosis,
             v1::DiagnoseRunResponse* response) {
  for (const core::Finding& finding : diagnosis.findings) {
    ToProto(finding, response->add_findings());
  }
  for (const core::NotObservable& cause : diagnosis.not_observable) {
    v1::NotObservableCause* proto = response->add_not_observable();
    proto->set_cause(ToProto(cause.cause));
    proto->mutable_missing()->Add(cause.missing.begin(), cause.missing.end());
  }
  ToProto(diagnosis.consequences, response->mutable_consequences());
}

void ToProto(const RunEvent& event, const std::string& run_id,
             v1::Event* proto) {
  proto->Clear();
  proto->set_event_id(event.event_id);
  proto->set_kind(static_cast<v1::EventKind>(event.kind));
  proto->set_severity(static_cast<v1::EventSeverity>(event.severity));
  proto->set_run_id(run_id);
  proto->set_layer(event.layer);
  proto->set_step(event.step);
  *proto->mutable_time() = ToTimestamp(event.time);
  proto->set_message(event.message);
  proto->set_unit_count(event.unit_count);
  if (event.cause) proto->set_cause(ToProto(*event.cause));
}

void ToProto(const core::ShareDifference& difference,
             v1::RemedyOutcome* outcome) {
  outcome->set_before_dead(difference.before.count);
  outcome->set_before_units(difference.before.total);
  outcome->set_after_dead(difference.after.count);
  outcome->set_after_units(difference.after.total);
  outcome->set_difference(difference.difference);
  outcome->set_difference_low(difference.low);
  outcome->set_difference_high(difference.high);
  outcome->set_verdict(VerdictOf(difference));
}

}  // namespace firekeeper::server
