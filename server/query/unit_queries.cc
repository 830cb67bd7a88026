// Answers about the units of a layer.

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/query/paging.h"
#include "server/query/queries.h"
#include "server/query/view_codec.h"

namespace firekeeper::server {
namespace {

absl::StatusOr<std::vector<core::HealthState>> StatesOf(
    const v1::ListUnitsRequest& request) {
  std::vector<core::HealthState> states;
  for (int i = 0; i < request.states_size(); ++i) {
    if (!v1::HealthState_IsValid(request.states(i)) ||
        request.states(i) == v1::HEALTH_STATE_UNSPECIFIED) {
      return FieldError(absl::StrCat("states[", i, "]"),
                        absl::StrCat(static_cast<int>(request.states(i)),
                                     " is no health state"));
    }
    states.push_back(static_cast<core::HealthState>(request.states(i)));
  }
  // A filter has no order and no multiplicity; its page tokens neither.
  std::ranges::sort(states);
  // Not std::ranges: clang-tidy 14 cannot read a subrange.
  states.erase(std::unique(states.begin(), states.end()), states.end());
  return states;
}

absl::StatusOr<UnitSort> SortOf(const v1::ListUnitsRequest& request) {
  if (!v1::UnitOrder_IsValid(request.order())) {
    return FieldError("order", absl::StrCat(static_cast<int>(request.order()),
                                            " is no order of units"));
  }
  UnitSort sort{.descending = request.descending()};
  if (request.order() != v1::UNIT_ORDER_UNSPECIFIED) {
    sort.order = static_cast<UnitOrder>(request.order());
  }
  if (!sort.is_by_unit() && request.at_event_id() != 0) {
    return FieldError("order",
                      "what units were at an event is kept in order "
                      "of unit, ascending");
  }
  if (request.first_unit() == 0) return sort;
  if (!sort.is_by_unit()) {
    return FieldError("first_unit", "needs the order of unit, ascending");
  }
  if (request.at_event_id() != 0) {
    return FieldError("first_unit", "cannot be combined with at_event_id");
  }
  return sort;
}

}  // namespace

absl::Status Queries::ListUnits(const std::string& tenant,
                                const v1::ListUnitsRequest& request,
                                v1::ListUnitsResponse* response) const {
  const auto place = FindLayer(tenant, request.run_id(), request.layer());
  if (!place.ok()) return place.status();
  const auto states = StatesOf(request);
  if (!states.ok()) return states.status();
  const auto limit = PageLimit(request.page_size());
  if (!limit.ok()) return limit.status();
  const auto sort = SortOf(request);
  if (!sort.ok()) return sort.status();
  std::string query = QueryOf("units", tenant, request.run_id(),
                              request.layer(), request.first_unit());
  for (const core::HealthState state : *states) {
    absl::StrAppend(&query, static_cast<int>(state), ",");
  }
  if (request.at_event_id() != 0) {
    absl::StrAppend(&query, "at ", request.at_event_id());
    return ListUnitsAtEvent(*place, request, *states, query, response);
  }
  absl::StrAppend(&query, "by ", static_cast<int>(sort->order),
                  sort->descending ? " descending" : "");
  const auto position = NumericPosition(request.page_token(), query);
  if (!position.ok()) return position.status();

  const std::uint64_t first = std::max(*position, request.first_unit());
  UnitPage page = place->layer->Units(place->run->Facts(), *states, first,
                                      *limit + 1, *sort);
  if (page.units.size() > *limit) {
    // In order of unit, units may change their state between two pages.
    const std::uint64_t next =
        sort->is_by_unit() ? page.units[*limit].unit : first + *limit;
    response->set_next_page_token(PageToken(query, absl::StrCat(next)));
    page.units.resize(*limit);
  }
  for (const UnitView& unit : page.units) ToProto(unit, response->add_units());
  ToProto(page.certificate_settings, page.certificate,
          response->mutable_certificate());
  response->mutable_certificate()->set_horizon_first_step(
      page.horizon_first_step);
  response->mutable_certificate()->set_evaluated_through_step(
      page.evaluated_through_step);
  response->set_total_size(page.total);
  return absl::OkStatus();
}

absl::Status Queries::GetHistogram(const std::string& tenant,
                                   const v1::GetHistogramRequest& request,
                                   v1::GetHistogramResponse* response) const {
  const auto place = FindLayer(tenant, request.run_id(), request.layer());
  if (!place.ok()) return place.status();
  if (!v1::UnitFigure_IsValid(request.figure()) ||
      request.figure() == v1::UNIT_FIGURE_UNSPECIFIED) {
    return FieldError("figure", absl::StrCat(static_cast<int>(request.figure()),
                                             " is no figure of a unit"));
  }
  ToProto(place->layer->Histogram(place->run->UnitCount(),
                                  static_cast<UnitFigure>(request.figure())),
          response);
  return absl::OkStatus();
}

}  // namespace firekeeper::server
