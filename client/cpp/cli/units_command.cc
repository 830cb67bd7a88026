// firekeeper units

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"
#include "client/cpp/cli/unit_details.h"

namespace firekeeper::client::cli {

namespace {

struct UnitsArguments {
  std::string run_id;
  std::string layer;
  std::vector<std::string> states;
  std::uint64_t at_event_id = 0;
};

// Since when: for a dead unit the steps between which it died, for others the
// last firing.
std::string SinceOf(const v1::UnitVerdict& verdict) {
  if (IsDead(verdict.state()) || verdict.state() == v1::HEALTH_STATE_SILENT) {
    return FormatDeath(verdict);
  }
  return verdict.has_last_firing_step()
             ? absl::StrCat("fired at ", FormatStep(verdict.last_firing_step()))
             : "-";
}

void PrintUnits(const Shell& shell, const v1::ListUnitsResponse& units) {
  Table table({{"UNIT", Align::kRight},
               {"STATE"},
               {"ALSO"},
               {"SINCE"},
               {"CERTAINTY"},
               {"SILENT OBS", Align::kRight},
               {"FIRINGS", Align::kRight},
               {"OBS", Align::kRight},
               {"NON-FINITE", Align::kRight},
               {"WHY"}});
  for (const v1::UnitVerdict& verdict : units.units()) {
    table.AddRow({absl::StrCat(verdict.unit()),
                  EnumName(*v1::HealthState_descriptor(), verdict.state()),
                  FormatAlso(verdict), SinceOf(verdict),
                  FormatCertainty(verdict, units.certificate()),
                  FormatCount(verdict.silent_observations()),
                  FormatCount(verdict.firings()),
                  FormatCount(verdict.observations()),
                  FormatCount(verdict.non_finite()), FormatDetails(verdict)});
  }
  table.Print(shell.out);
  if (!units.has_certificate()) return;
  const v1::Certificate& certificate = units.certificate();
  shell.out << '\n'
            << FormatCount(units.total_size())
            << " units. DEAD rules out firing rates above "
            << FormatReal(certificate.p0()) << " per observation and "
            << FormatReal(certificate.pc0())
            << " per example; the chance of any false DEAD in the run is at "
               "most "
            << FormatShare(certificate.alpha()) << ".\nIt now needs "
            << FormatCount(certificate.observations_needed())
            << " silent observations in "
            << FormatCount(certificate.clusters_needed()) << " examples.\n";
}

ExitCode ListUnits(const Shell& shell, const UnitsArguments& arguments) {
  std::vector<v1::HealthState> states;
  for (const std::string& name : arguments.states) {
    const auto state = ParseEnum(*v1::HealthState_descriptor(), name);
    if (!state.ok()) return FailUsage(shell, state.status());
    states.push_back(static_cast<v1::HealthState>(*state));
    // Born dead is dead, as in the tables.
    if (*state == v1::HEALTH_STATE_DEAD) {
      states.push_back(v1::HEALTH_STATE_BORN_DEAD);
    }
  }
  return WithClient(shell, [&](DiagnosticsClient& client) {
    const auto units = client.ListUnits(arguments.run_id, arguments.layer,
                                        states, arguments.at_event_id);
    if (!units.ok()) return Fail(shell, units.status());
    if (shell.json) {
      PrintJson(shell, *units);
    } else {
      PrintUnits(shell, *units);
    }
    return ExitCode::kOk;
  });
}

}  // namespace

void AddUnitsCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<UnitsArguments>();
  auto* const command = app.add_subcommand(
      "units", "List the units of a layer: which are dead, since when");
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command->add_option("LAYER", arguments->layer, "Layer")->required();
  command
      ->add_option("--state", arguments->states,
                   "Only units whose first state this is (dead, born_dead, "
                   "silent, dying, rare, alive, …; dead includes born_dead); "
                   "may be repeated or separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--at-event", arguments->at_event_id,
                      "As they were at this event of the layer (`firekeeper "
                      "events` numbers them)");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] { return ListUnits(shell, *arguments); };
  });
}

}  // namespace firekeeper::client::cli
