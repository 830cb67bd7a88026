// Why units died and what happened: the answers that rest on a run's
// assessment.

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/codec.h"
#include "server/query/diagnosis_codec.h"
#include "server/query/paging.h"
#include "server/query/queries.h"
#include "server/query/view_codec.h"
#include "server/state/event_units.h"

namespace firekeeper::server {
namespace {

// The attempt before the newest whose dead units were counted.
const AttemptView* AttemptBefore(const RunView& run) {
  const AttemptView* before = nullptr;
  for (const AttemptView& attempt : run.attempts) {
    if (attempt.superseded && attempt.dead.total > 0) before = &attempt;
  }
  return before;
}

bool Matches(const v1::ListEventsRequest& request, const RunEvent& event) {
  if (!request.layer().empty() && event.layer != request.layer()) return false;
  return static_cast<int>(event.severity) >=
         static_cast<int>(request.min_severity());
}

absl::Status NotKept(const std::string& why) {
  return Refusal(absl::StatusCode::kNotFound, "UNITS_NOT_KEPT", why);
}

}  // namespace

void Queries::CompareWithBefore(const std::string& tenant, const Run& run,
                                v1::DiagnoseRunResponse* response) const {
  const RunView view = run.View(registry_.Now());
  const core::Share after = run.Assessed().glance.dead;
  if (after.total == 0) return;
  const auto fill = [&](const core::Share& before) {
    v1::RemedyOutcome* outcome = response->mutable_remedy_outcome();
    ToProto(core::Compare(before, after), outcome);
    return outcome;
  };
  if (const AttemptView* before = AttemptBefore(view)) {
    v1::RemedyOutcome* outcome = fill(before->dead);
    outcome->set_before_run_id(view.run_id);
    outcome->set_before_attempt(before->number);
    return;
  }
  if (view.remedy_of.empty()) return;
  const auto before = registry_.Find({tenant, view.remedy_of});
  if (!before.ok()) return;
  (*before)->Assess(registry_.Now());
  const core::Share dead = (*before)->Assessed().glance.dead;
  if (dead.total == 0) return;
  fill(dead)->set_before_run_id(view.remedy_of);
}

absl::Status Queries::DiagnoseRun(const std::string& tenant,
                                  const v1::DiagnoseRunRequest& request,
                                  v1::DiagnoseRunResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  (*run)->Assess(registry_.Now());
  const AssessedRun assessed = (*run)->Assessed();
  ToProto(assessed.diagnosis, response);
  response->set_evaluated_through_step(assessed.last_step);
  CompareWithBefore(tenant, **run, response);
  return absl::OkStatus();
}

absl::Status Queries::ListEvents(const std::string& tenant,
                                 const v1::ListEventsRequest& request,
                                 v1::ListEventsResponse* response) const {
  const auto run = FindRun(tenant, request.run_id());
  if (!run.ok()) return run.status();
  if (!request.layer().empty()) {
    absl::Status named =
        CheckName("layer", request.layer(), registry_.limits());
    if (!named.ok()) return named;
  }
  if (!v1::EventSeverity_IsValid(request.min_severity())) {
    return FieldError("min_severity",
                      absl::StrCat(static_cast<int>(request.min_severity()),
                                   " is no severity"));
  }
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const std::string query =
      QueryOf("events", tenant, request.run_id(), request.layer(),
              static_cast<int>(request.min_severity()));
  // The number of the last event of the page before.
  const auto after = NumericPosition(request.page_token(), query);
  if (!after.ok()) return after.status();

  (*run)->Assess(registry_.Now());
  for (const RunEvent& event :
       (*run)->events().After(*after, registry_.limits().max_events_per_run)) {
    if (!Matches(request, event)) continue;
    if (static_cast<std::size_t>(response->events_size()) == *limit) {
      const std::uint64_t last =
          response->events(response->events_size() - 1).event_id();
      response->set_next_page_token(PageToken(query, absl::StrCat(last)));
      break;
    }
    ToProto(event, request.run_id(), response->add_events());
  }
  return absl::OkStatus();
}

absl::Status Queries::ListUnitsAtEvent(
    const Place& place, const v1::ListUnitsRequest& request,
    const std::vector<core::HealthState>& states, const std::string& query,
    v1::ListUnitsResponse* response) const {
  const std::uint64_t event_id = request.at_event_id();
  if (absl::Status kept = CheckEvent(place, request); !kept.ok()) return kept;
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const auto first = NumericPosition(request.page_token(), query);
  if (!first.ok()) return first.status();
  // They may still be on the way.
  if (absl::Status settled = registry_.journal().Settle(); !settled.ok()) {
    return settled;
  }
  bool any = false;
  std::uint64_t matching = 0;
  absl::Status read = ReadEventUnits(
      *registry_.store(), place.run->number(), event_id,
      [&](const UnitView& unit) {
        any = true;
        if (!states.empty() &&
            std::ranges::count(states, unit.health.state) == 0) {
          return;
        }
        ++matching;
        if (unit.unit < *first || !response->next_page_token().empty()) return;
        if (static_cast<std::size_t>(response->units_size()) < *limit) {
          ToProto(unit, response->add_units());
        } else {
          response->set_next_page_token(
              PageToken(query, absl::StrCat(unit.unit)));
        }
      });
  if (!read.ok()) return read;
  if (!any) {
    return NotKept(
        absl::StrCat("of event ", event_id, " the units are not kept"));
  }
  response->set_total_size(matching);
  return absl::OkStatus();
}

absl::Status Queries::CheckEvent(const Place& place,
                                 const v1::ListUnitsRequest& request) const {
  const std::uint64_t event_id = request.at_event_id();
  const auto events = place.run->events().After(event_id - 1, 1);
  if (events.empty() || events.front().event_id != event_id) {
    return NotKept(absl::StrCat("no event ", event_id));
  }
  if (events.front().layer != request.layer()) {
    return FieldError("at_event_id",
                      absl::StrCat(event_id, " is an event of \"",
                                   events.front().layer, "\""));
  }
  if (registry_.store() == nullptr) {
    return NotKept("the server has no --data-dir, so nothing is kept");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Run>> Queries::RunToWatch(
    const std::string& tenant, const v1::WatchEventsRequest& request) const {
  auto run = FindRun(tenant, request.run_id());
  if (run.ok()) (*run)->Assess(registry_.Now());
  return run;
}

}  // namespace firekeeper::server
