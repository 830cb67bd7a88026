// firekeeper diagnose

#include <algorithm>
#include <memory>
#include <string>

#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/diagnosis_report.h"

namespace firekeeper::client::cli {

namespace {

struct DiagnoseArguments {
  std::string run_id;
  bool markdown = false;
  bool gate = false;
};

ExitCode Diagnose(const Shell& shell, const DiagnoseArguments& arguments) {
  return WithClient(shell, [&](DiagnosticsClient& client) {
    const auto diagnosis = client.DiagnoseRun(arguments.run_id);
    if (!diagnosis.ok()) return Fail(shell, diagnosis.status());
    if (shell.json) {
      PrintJson(shell, *diagnosis);
    } else if (arguments.markdown) {
      shell.out << MarkdownReport(arguments.run_id, *diagnosis);
    } else {
      shell.out << TextReport(arguments.run_id, *diagnosis);
    }
    const bool fault = std::ranges::any_of(
        diagnosis->findings(),
        [](const auto& finding) { return finding.is_fault(); });
    return arguments.gate && fault ? ExitCode::kFailed : ExitCode::kOk;
  });
}

}  // namespace

void AddDiagnoseCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<DiagnoseArguments>();
  auto* const command = app.add_subcommand(
      "diagnose", "Say why the units of a run died and what to do about it");
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command->add_flag("--markdown", arguments->markdown,
                    "As Markdown, for an issue or a chat");
  command->add_flag("--gate", arguments->gate,
                    "Exit with 1 where a fault was found");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] { return Diagnose(shell, *arguments); };
  });
}

}  // namespace firekeeper::client::cli
