// firekeeper health, firekeeper info

#include <string>

#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

ExitCode Health(const Shell& shell) {
  const auto client = shell.Connect();
  if (!client.ok()) return FailUsage(shell, client.status());
  const absl::Status status = (*client)->CheckHealth();
  if (shell.json) {
    shell.out << (status.ok() ? "{\"serving\": true}\n"
                              : "{\"serving\": false}\n");
  } else if (status.ok()) {
    shell.out << "serving\n";
  }
  if (status.ok()) return ExitCode::kOk;
  // One code for all that is wrong: what HEALTHCHECK expects.
  (void)Fail(shell, status);
  return ExitCode::kFailed;
}

void PrintLimits(const Shell& shell, const v1::ServerLimits& limits) {
  Table table({{"limit"}, {"value", Align::kRight}});
  table.AddRow({"message", FormatBytes(limits.max_message_bytes())});
  table.AddRow({"tensor", FormatBytes(limits.max_tensor_bytes())});
  table.AddRow(
      {"credit of a stream", FormatBytes(limits.credit_window_bytes())});
  table.AddRow({"units of a layer", FormatCount(limits.max_units_per_layer())});
  table.AddRow({"units of a run", FormatCount(limits.max_units_per_run())});
  table.AddRow({"layers of a run", FormatCount(limits.max_layers_per_run())});
  table.AddRow({"runs", FormatCount(limits.max_runs())});
  table.AddRow({"sources of a run", FormatCount(limits.max_sources())});
  table.AddRow({"streams of a connection",
                FormatCount(limits.max_streams_per_connection())});
  table.AddRow({"connections", FormatCount(limits.max_connections())});
  table.AddRow({"entries of a page", FormatCount(limits.max_page_size())});
  table.AddRow({"steps of a window", FormatCount(limits.window_steps())});
  table.AddRow({"windows retained", FormatCount(limits.retained_windows())});
  table.Print(shell.out);
}

ExitCode Info(const Shell& shell, DiagnosticsClient& client) {
  const auto info = client.GetServerInfo();
  if (!info.ok()) return Fail(shell, info.status());
  if (shell.json) {
    PrintJson(shell, *info);
    return ExitCode::kOk;
  }
  const bool committed = info->durability() == v1::DURABILITY_COMMITTED;
  Table table({{"server"}, {shell.connection.endpoint}});
  table.AddRow({"version", info->version()});
  table.AddRow({"started", FormatTime(info->started())});
  table.AddRow({"tenant", info->tenant()});
  table.AddRow({"an ack promises", committed ? "committed to storage"
                                             : "in memory, lost on restart"});
  table.AddRow({"kernel", info->kernel_target()});
  table.AddRow({"diagnosis", info->diagnosis_available() ? "yes" : "no"});
  table.Print(shell.out);
  shell.out << '\n';
  PrintLimits(shell, info->limits());
  return ExitCode::kOk;
}

}  // namespace

void AddServerCommands(CLI::App& app, Shell& shell) {
  app.add_subcommand("health",
                     "Ask whether the server is serving; exits with 0 or 1")
      ->callback(
          [&shell] { shell.action = [&shell] { return Health(shell); }; });
  app.add_subcommand("info", "Show the server's version and limits")
      ->callback([&shell] {
        shell.action = [&shell] {
          return WithClient(shell, [&shell](DiagnosticsClient& client) {
            return Info(shell, client);
          });
        };
      });
}

}  // namespace firekeeper::client::cli
