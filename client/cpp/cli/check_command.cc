// firekeeper check

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/dead_check.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

struct CheckArguments {
  std::string run_id;
  std::string max_dead;
  std::vector<std::string> layers;
  bool allow_unknown = false;
};

// The checks of the layers asked for. Fails with kNotFound for one that the run
// does not have.
absl::StatusOr<std::vector<LayerCheck>> CheckLayers(
    const v1::ListLayersResponse& response, const CheckArguments& arguments,
    double max_dead) {
  std::vector<LayerCheck> checks;
  for (const v1::LayerReport& report : response.layers()) {
    const bool wanted =
        arguments.layers.empty() ||
        std::find(arguments.layers.begin(), arguments.layers.end(),
                  report.layer().name()) != arguments.layers.end();
    if (wanted) checks.push_back(CheckLayer(report, max_dead));
  }
  for (const std::string& layer : arguments.layers) {
    if (std::none_of(
            checks.begin(), checks.end(),
            [&layer](const LayerCheck& c) { return c.layer == layer; })) {
      return absl::NotFoundError(
          absl::StrCat("run ", arguments.run_id, " has no layer ", layer));
    }
  }
  return checks;
}

ExitCode ExitCodeFor(const std::vector<LayerCheck>& checks,
                     bool allow_unknown) {
  const auto has = [&checks](CheckVerdict verdict) {
    return std::any_of(
        checks.begin(), checks.end(),
        [verdict](const LayerCheck& c) { return c.verdict == verdict; });
  };
  if (has(CheckVerdict::kExceeded)) return ExitCode::kFailed;
  // A run without layers has shown nothing.
  const bool unknown = checks.empty() || has(CheckVerdict::kUnknown);
  return unknown && !allow_unknown ? ExitCode::kUnknown : ExitCode::kOk;
}

void PrintChecksAsJson(const Shell& shell,
                       const std::vector<LayerCheck>& checks, double max_dead,
                       ExitCode code) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerCheck& check : checks) {
    layers.push_back({{"layer", check.layer},
                      {"units", check.units},
                      {"dead", check.dead},
                      {"dead_on_set", check.dead_on_set},
                      {"undecided", check.undecided},
                      {"verdict", Name(check.verdict)}});
  }
  const nlohmann::json json = {{"max_dead", max_dead},
                               {"exit_code", static_cast<int>(code)},
                               {"layers", layers}};
  shell.out << json.dump(1) << '\n';
}

void PrintChecks(const Shell& shell, const std::vector<LayerCheck>& checks) {
  Table table({{"LAYER"},
               {"UNITS", Align::kRight},
               {"DEAD", Align::kRight},
               {"", Align::kRight},
               {"ON SET", Align::kRight},
               {"UNDECIDED", Align::kRight},
               {"VERDICT"}});
  for (const LayerCheck& check : checks) {
    const double share = check.units == 0
                             ? 0.0
                             : static_cast<double>(check.dead) /
                                   static_cast<double>(check.units);
    table.AddRow({check.layer, FormatCount(check.units),
                  FormatCount(check.dead), FormatShare(share),
                  FormatCount(check.dead_on_set), FormatCount(check.undecided),
                  Name(check.verdict)});
  }
  table.Print(shell.out);
}

ExitCode Check(const Shell& shell, const CheckArguments& arguments) {
  const auto max_dead = ParseShare(arguments.max_dead);
  if (!max_dead.ok()) return FailUsage(shell, max_dead.status());
  return WithClient(shell, [&](DiagnosticsClient& client) {
    const auto layers = client.ListLayers(arguments.run_id);
    if (!layers.ok()) return Fail(shell, layers.status());
    const auto checks = CheckLayers(*layers, arguments, *max_dead);
    if (!checks.ok()) return Fail(shell, checks.status());
    const ExitCode code = ExitCodeFor(*checks, arguments.allow_unknown);
    if (shell.json) {
      PrintChecksAsJson(shell, *checks, *max_dead, code);
    } else {
      PrintChecks(shell, *checks);
    }
    return code;
  });
}

}  // namespace

void AddCheckCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<CheckArguments>();
  auto* const command = app.add_subcommand(
      "check", "Fail if too many units of any layer are dead: a gate for CI");
  command->footer(ExitCodeHelp());
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command
      ->add_option(
          "--max-dead", arguments->max_dead,
          "Share of a layer's units that may be dead: 5% or 0.05. Counts "
          "dead, born_dead and dead_on_set: a probe that was seen "
          "whole decides what the certificate cannot yet")
      ->required();
  command
      ->add_option("--layer", arguments->layers,
                   "Only this layer; may be repeated")
      ->allow_extra_args(false);
  command->add_flag(
      "--allow-unknown", arguments->allow_unknown,
      "Pass where the evidence does not decide, instead of exit code 5");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] { return Check(shell, *arguments); };
  });
}

}  // namespace firekeeper::client::cli
