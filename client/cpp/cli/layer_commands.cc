// firekeeper layers, history

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/layer_table.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

struct HistoryArguments {
  std::string run_id;
  std::string layer;
  std::string signal;
  std::string phase = "train";
};

ExitCode ListLayers(const Shell& shell, DiagnosticsClient& client,
                    const std::string& run_id) {
  const auto layers = client.ListLayers(run_id);
  if (!layers.ok()) return Fail(shell, layers.status());
  if (shell.json) {
    PrintJson(shell, *layers);
    return ExitCode::kOk;
  }
  Table table = MakeLayerTable();
  for (const auto& report : layers->layers()) AddLayerRow(report, &table);
  table.Print(shell.out);
  return ExitCode::kOk;
}

void AddWindowRow(const v1::SignalReport& window, Table* table) {
  table->AddRow(
      {absl::StrCat("[", FormatStep(window.window_first_step()), ", ",
                    FormatStep(window.window_end_step()), ")",
                    window.window_open() ? " open" : ""),
       FormatCount(window.observations()),
       FormatCount(window.units_never_fired()),
       window.has_firing_ratio() ? FormatShare(window.firing_ratio()) : "-",
       FormatReal(window.mean()), FormatReal(window.standard_deviation()),
       FormatReal(window.min()), FormatReal(window.max()),
       window.has_zero_ratio() ? FormatShare(window.zero_ratio()) : "-",
       FormatCount(window.non_finite()),
       absl::StrCat(window.coverage().shards_received(), "/",
                    window.coverage().shards_expected())});
}

ExitCode ShowHistory(const Shell& shell, const HistoryArguments& arguments) {
  const auto signal = ParseEnum(*v1::Signal_descriptor(), arguments.signal);
  if (!signal.ok()) return FailUsage(shell, signal.status());
  const auto phase = ParseEnum(*v1::Phase_descriptor(), arguments.phase);
  if (!phase.ok()) return FailUsage(shell, phase.status());
  return WithClient(shell, [&](DiagnosticsClient& client) {
    const auto history =
        client.GetLayerHistory({.run_id = arguments.run_id,
                                .layer = arguments.layer,
                                .signal = static_cast<v1::Signal>(*signal),
                                .phase = static_cast<v1::Phase>(*phase)});
    if (!history.ok()) return Fail(shell, history.status());
    if (shell.json) {
      PrintJson(shell, *history);
      return ExitCode::kOk;
    }
    Table table({{"STEPS"},
                 {"OBSERVATIONS", Align::kRight},
                 {"NEVER FIRED", Align::kRight},
                 {"FIRING", Align::kRight},
                 {"MEAN", Align::kRight},
                 {"SD", Align::kRight},
                 {"MIN", Align::kRight},
                 {"MAX", Align::kRight},
                 {"ZEROS", Align::kRight},
                 {"NON-FINITE", Align::kRight},
                 {"SHARDS", Align::kRight}});
    for (const auto& window : history->windows()) {
      AddWindowRow(window, &table);
    }
    table.Print(shell.out);
    return ExitCode::kOk;
  });
}

}  // namespace

void AddLayerCommands(CLI::App& app, Shell& shell) {
  auto run_id = std::make_shared<std::string>();
  auto* const layers = app.add_subcommand(
      "layers", "List the layers of a run, in forward order");
  layers->add_option("RUN", *run_id, "Run id")->required();
  layers->callback([&shell, run_id] {
    shell.action = [&shell, run_id] {
      return WithClient(shell, [&](DiagnosticsClient& client) {
        return ListLayers(shell, client, *run_id);
      });
    };
  });

  auto arguments = std::make_shared<HistoryArguments>();
  auto* const history = app.add_subcommand(
      "history", "Show the retained windows of one signal of a layer");
  history->add_option("RUN", arguments->run_id, "Run id")->required();
  history->add_option("LAYER", arguments->layer, "Layer")->required();
  history
      ->add_option("SIGNAL", arguments->signal,
                   "activation, pre_activation, output_gradient, weight, …")
      ->required();
  history
      ->add_option("--phase", arguments->phase, "train, eval, birth or probe")
      ->capture_default_str();
  history->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return ShowHistory(shell, *arguments);
    };
  });
}

}  // namespace firekeeper::client::cli
