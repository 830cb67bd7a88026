// firekeeper record and replay: a run as it was told, for a bug report or a
// test.

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"

namespace firekeeper::client::cli {
namespace {

constexpr const char* kServerProgram = "firekeeperd";

ExitCode Record(const Shell& shell, DiagnosticsClient& client,
                const std::string& run_id, bool stop) {
  const auto path =
      stop ? client.StopRecording(run_id) : client.StartRecording(run_id);
  if (!path.ok()) return Fail(shell, path.status());
  if (shell.json) {
    v1::StartRecordingResponse response;
    response.set_path(*path);
    PrintJson(shell, response);
    return ExitCode::kOk;
  }
  shell.out << (stop ? "recorded " : "recording ") << run_id << " in " << *path
            << " on the server's machine\n";
  return ExitCode::kOk;
}

// The server that was installed with this program, else the one on the PATH.
std::string ServerProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / kServerProgram;
  if (!error && access(beside.c_str(), X_OK) == 0) return beside;
  return kServerProgram;
}

// The server's classes are replayed, and only its program has them.
ExitCode Replay(const Shell& shell, const std::string& path) {
  const std::string program = ServerProgram();
  const std::string argument = absl::StrCat("--replay=", path);
  shell.out << std::flush;
  execlp(program.c_str(), program.c_str(), argument.c_str(), nullptr);
  return Fail(shell, absl::UnavailableError(
                         absl::StrCat("cannot run ", kServerProgram, ": ",
                                      std::generic_category().message(errno))));
}

}  // namespace

void AddRecordCommands(CLI::App& app, Shell& shell) {
  struct Arguments {
    std::string run_id;
    std::string path;
    bool stop = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* const record = app.add_subcommand(
      "record",
      "Record what a run is told from now on, on the server's machine; its "
      "streams come back once");
  record->add_option("RUN", arguments->run_id, "Run id")->required();
  record->add_flag("--stop", arguments->stop, "End the recording");
  record->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return WithClient(shell, [&](DiagnosticsClient& client) {
        return Record(shell, client, arguments->run_id, arguments->stop);
      });
    };
  });
  auto* const replay = app.add_subcommand(
      "replay",
      "Replay a recording and compare what becomes of it with what the server "
      "knew; exit code 7 where they differ");
  replay->add_option("FILE", arguments->path, "Recording")->required();
  replay->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return Replay(shell, arguments->path);
    };
  });
}

}  // namespace firekeeper::client::cli
