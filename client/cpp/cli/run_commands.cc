// firekeeper runs, run, end, delete

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

std::string StateOf(const v1::Run& run) {
  return EnumName(*v1::RunState_descriptor(), run.state());
}

ExitCode ListRuns(const Shell& shell, DiagnosticsClient& client) {
  const auto runs = client.ListRuns();
  if (!runs.ok()) return Fail(shell, runs.status());
  if (shell.json) {
    PrintJson(shell, *runs);
    return ExitCode::kOk;
  }
  if (runs->runs().empty()) {
    shell.out << "no runs\n";
    return ExitCode::kOk;
  }
  Table table({{"RUN"},
               {"STATE"},
               {"STEP", Align::kRight},
               {"ATTEMPT", Align::kRight},
               {"LAYERS", Align::kRight},
               {"UNITS", Align::kRight},
               {"LAST SEEN"}});
  for (const v1::Run& run : runs->runs()) {
    table.AddRow({run.run_id(), StateOf(run), FormatStep(run.last_step()),
                  absl::StrCat(run.attempts_size()),
                  FormatCount(run.layer_count()), FormatCount(run.unit_count()),
                  FormatTime(run.last_seen())});
  }
  table.Print(shell.out);
  return ExitCode::kOk;
}

void PrintAttempts(const Shell& shell, const v1::Run& run) {
  Table table({{"ATTEMPT", Align::kRight},
               {"FROM STEP", Align::kRight},
               {"SOURCES OPENED", Align::kRight},
               {"CONNECTED", Align::kRight},
               {"STARTED"},
               {""}});
  for (const v1::Attempt& attempt : run.attempts()) {
    table.AddRow(
        {absl::StrCat(attempt.number()), FormatStep(attempt.resume_step()),
         absl::StrCat(attempt.sources_opened(), " of ", attempt.source_count()),
         absl::StrCat(attempt.sources_connected()),
         FormatTime(attempt.started()),
         attempt.superseded() ? "superseded" : ""});
  }
  table.Print(shell.out);
}

void PrintCounters(const Shell& shell, const v1::RunCounters& counters) {
  Table table({{"SNAPSHOTS"}, {"COUNT", Align::kRight}});
  table.AddRow({"accepted", FormatCount(counters.snapshots_accepted())});
  table.AddRow({"duplicate", FormatCount(counters.snapshots_duplicate())});
  table.AddRow({"conflicting", FormatCount(counters.snapshots_conflicting())});
  table.AddRow({"copies", FormatCount(counters.snapshots_copies())});
  table.AddRow({"rejected", FormatCount(counters.snapshots_rejected())});
  table.AddRow({"dropped by clients", FormatCount(counters.snapshots_gap())});
  table.AddRow({"fenced streams", FormatCount(counters.fenced())});
  table.AddRow({"payload", FormatBytes(counters.payload_bytes())});
  table.Print(shell.out);
}

void PrintRun(const Shell& shell, const v1::Run& run) {
  Table table({{"RUN"}, {run.run_id()}});
  table.AddRow({"state", StateOf(run)});
  table.AddRow({"last step", FormatStep(run.last_step())});
  table.AddRow({"layers", FormatCount(run.layer_count())});
  table.AddRow({"units", FormatCount(run.unit_count())});
  table.AddRow({"first seen", FormatTime(run.first_seen())});
  table.AddRow({"last seen", FormatTime(run.last_seen())});
  if (!run.remedy_of().empty()) table.AddRow({"remedy of", run.remedy_of()});
  // Maps of protobuf have no order; people expect one.
  const std::map<std::string, std::string> labels(run.labels().begin(),
                                                  run.labels().end());
  for (const auto& [key, value] : labels) {
    table.AddRow({absl::StrCat("label ", key), value});
  }
  const std::map<std::string, double> scalars(run.scalars().begin(),
                                              run.scalars().end());
  for (const auto& [name, value] : scalars) {
    table.AddRow({name, FormatReal(value)});
  }
  table.Print(shell.out);
  shell.out << '\n';
  PrintAttempts(shell, run);
  shell.out << '\n';
  PrintCounters(shell, run.counters());
}

ExitCode ShowRun(const Shell& shell, const absl::StatusOr<v1::Run>& run) {
  if (!run.ok()) return Fail(shell, run.status());
  if (shell.json) {
    PrintJson(shell, *run);
  } else {
    PrintRun(shell, *run);
  }
  return ExitCode::kOk;
}

ExitCode EndRun(const Shell& shell, const absl::StatusOr<v1::Run>& run) {
  if (!run.ok()) return Fail(shell, run.status());
  if (shell.json) {
    PrintJson(shell, *run);
  } else {
    shell.out << "ended " << run->run_id() << " at step "
              << FormatStep(run->last_step()) << '\n';
  }
  return ExitCode::kOk;
}

ExitCode DeleteRun(const Shell& shell, DiagnosticsClient& client,
                   const std::string& run_id) {
  const absl::Status status = client.DeleteRun(run_id);
  if (!status.ok()) return Fail(shell, status);
  shell.out << (shell.json ? "{}" : "deleted " + run_id) << '\n';
  return ExitCode::kOk;
}

// A subcommand that takes a run.
void AddOnRun(CLI::App& app, Shell& shell, const std::string& name,
              const std::string& description,
              const std::function<ExitCode(DiagnosticsClient&,
                                           const std::string&)>& body) {
  auto run_id = std::make_shared<std::string>();
  auto* const command = app.add_subcommand(name, description);
  command->add_option("RUN", *run_id, "Run id")->required();
  command->callback([&shell, run_id, body] {
    shell.action = [&shell, run_id, body] {
      return WithClient(shell, [&run_id, &body](DiagnosticsClient& client) {
        return body(client, *run_id);
      });
    };
  });
}

}  // namespace

void AddRunCommands(CLI::App& app, Shell& shell) {
  app.add_subcommand("runs", "List the runs")->callback([&shell] {
    shell.action = [&shell] {
      return WithClient(shell, [&shell](DiagnosticsClient& client) {
        return ListRuns(shell, client);
      });
    };
  });
  AddOnRun(app, shell, "run", "Show one run with its attempts and counters",
           [&shell](DiagnosticsClient& client, const std::string& run_id) {
             return ShowRun(shell, client.GetRun(run_id));
           });
  AddOnRun(app, shell, "end", "Mark a run as ended",
           [&shell](DiagnosticsClient& client, const std::string& run_id) {
             return EndRun(shell, client.EndRun(run_id));
           });
  AddOnRun(app, shell, "delete", "Forget a run at once",
           [&shell](DiagnosticsClient& client, const std::string& run_id) {
             return DeleteRun(shell, client, run_id);
           });
}

}  // namespace firekeeper::client::cli
