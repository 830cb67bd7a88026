#include "client/cpp/cli/layer_table.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/format.h"

namespace firekeeper::client::cli {

namespace {

// States that have no column of their own. BORN_DEAD is in that of DEAD, and
// how many of those it is stands here.
std::string OtherStates(const v1::LayerReport& report) {
  std::string others;
  for (const v1::StateCount& count : report.units_by_state()) {
    switch (count.state()) {
      case v1::HEALTH_STATE_DEAD:
      case v1::HEALTH_STATE_SILENT:
      case v1::HEALTH_STATE_ALIVE:
        break;
      default:
        // Units whose first state it is: what only holds besides is in --json.
        if (count.units() == 0) break;
        absl::StrAppend(&others, others.empty() ? "" : ", ",
                        FormatCount(count.units()), " ",
                        EnumName(*v1::HealthState_descriptor(), count.state()));
    }
  }
  if (report.proven_units() > 0) {
    absl::StrAppend(&others, others.empty() ? "" : ", ",
                    FormatCount(report.proven_units()), " proven");
  }
  return others;
}

std::string FirstDeath(const v1::LayerReport& report) {
  if (!report.has_first_death_by_step()) return "-";
  const std::string by = FormatStep(report.first_death_by_step());
  if (!report.has_first_death_after_step() ||
      report.first_death_after_step() < 0) {
    return absl::StrCat("by ", by);
  }
  return absl::StrCat("(", FormatStep(report.first_death_after_step()), ", ",
                      by, "]");
}

// How often units died, and how often they came back.
std::string DeathsAndRevivals(const v1::LayerLife& life) {
  return absl::StrCat(FormatCount(life.deaths()), "/",
                      FormatCount(life.revivals()));
}

std::string CoverageOf(const v1::Coverage& coverage) {
  return absl::StrCat(coverage.shards_received(), "/",
                      coverage.shards_expected());
}

}  // namespace

std::uint64_t UnitsIn(const v1::LayerReport& report, v1::HealthState state) {
  std::uint64_t units = 0;
  for (const v1::StateCount& count : report.units_by_state()) {
    if (count.state() == state) units += count.units();
  }
  return units;
}

std::uint64_t DeadUnits(const v1::LayerReport& report) {
  return UnitsIn(report, v1::HEALTH_STATE_DEAD) +
         UnitsIn(report, v1::HEALTH_STATE_BORN_DEAD);
}

Table MakeLayerTable() {
  return Table({{"LAYER"},
                {"ACTIVATION"},
                {"UNITS", Align::kRight},
                {"DEAD", Align::kRight},
                {"", Align::kRight},
                {"SILENT", Align::kRight},
                {"ALIVE", Align::kRight},
                {"DIED/BACK", Align::kRight},
                {"FIRST DEATH"},
                {"THROUGH STEP", Align::kRight},
                {"SHARDS", Align::kRight},
                {"OTHER"}});
}

void AddLayerRow(const v1::LayerReport& report, Table* table) {
  const v1::Layer& layer = report.layer();
  const std::uint64_t units = layer.unit_count();
  const std::uint64_t dead = DeadUnits(report);
  const bool observable =
      report.observability() != v1::OBSERVABILITY_NOT_OBSERVABLE;
  const double share =
      units == 0 ? 0.0 : static_cast<double>(dead) / static_cast<double>(units);
  // "0 dead" of a layer that nobody can see would be a lie.
  table->AddRow(
      {layer.name(), EnumName(*v1::Activation_descriptor(), layer.activation()),
       FormatCount(units), observable ? FormatCount(dead) : "?",
       observable ? FormatShare(share) : "",
       observable ? FormatCount(UnitsIn(report, v1::HEALTH_STATE_SILENT)) : "?",
       observable ? FormatCount(UnitsIn(report, v1::HEALTH_STATE_ALIVE)) : "?",
       observable ? DeathsAndRevivals(report.life()) : "?", FirstDeath(report),
       FormatStep(report.evaluated_through_step()),
       CoverageOf(report.coverage()),
       observable ? OtherStates(report)
                  : absl::StrCat("not observable: ", report.reason())});
}

}  // namespace firekeeper::client::cli
