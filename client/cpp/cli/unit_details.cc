#include "client/cpp/cli/unit_details.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/format.h"

namespace firekeeper::client::cli {

namespace {

std::string OriginOf(const v1::UnitVerdict& verdict) {
  switch (verdict.death_origin()) {
    case v1::DEATH_ORIGIN_BORN_DEAD_OR_DIED_EARLY:
      return "born dead or died early";
    case v1::DEATH_ORIGIN_LEFT_CENSORED:
      return "stream began later";
    default:
      return {};  // the state or the steps say it
  }
}

}  // namespace

bool IsDead(v1::HealthState state) {
  return state == v1::HEALTH_STATE_DEAD ||
         state == v1::HEALTH_STATE_BORN_DEAD ||
         state == v1::HEALTH_STATE_DEAD_ON_SET;
}

std::string FormatAlso(const v1::UnitVerdict& verdict) {
  std::vector<std::string> names;
  for (const int state : verdict.also()) {
    if (state == v1::HEALTH_STATE_ALIVE) continue;
    names.push_back(EnumName(*v1::HealthState_descriptor(), state));
  }
  return names.empty() ? "-" : absl::StrJoin(names, ",");
}

std::string FormatDetails(const v1::UnitVerdict& verdict) {
  std::vector<std::string> details;
  const auto add = [&details](std::string text) {
    if (!text.empty()) details.push_back(std::move(text));
  };
  add(verdict.reason());
  add(OriginOf(verdict));
  if (verdict.permanence() == v1::PERMANENCE_PERMANENT) add("permanent");
  if (verdict.revivals() > 0) {
    add(absl::StrCat("died ", verdict.deaths(), "x, revived ",
                     verdict.revivals(), "x"));
  }
  if (verdict.saturation() != v1::SATURATION_UNSPECIFIED) {
    add(absl::StrCat("gate closed ", EnumName(*v1::Saturation_descriptor(),
                                              verdict.saturation())));
  }
  if (verdict.starvation() != v1::STARVATION_UNSPECIFIED) {
    add(absl::StrCat("gradient ", EnumName(*v1::Starvation_descriptor(),
                                           verdict.starvation())));
  }
  if (verdict.has_proven_step()) {
    add(absl::StrCat("proven unable to fire in the window to step ",
                     FormatStep(verdict.proven_step())));
  }
  if (verdict.state() == v1::HEALTH_STATE_DORMANT) {
    add(absl::StrCat("score ", FormatReal(verdict.dormancy_score())));
  }
  return absl::StrJoin(details, "; ");
}

}  // namespace firekeeper::client::cli
