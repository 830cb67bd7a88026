// firekeeper export: all that the server tells of a run, as one JSON document.

#include <cstdio>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"

namespace firekeeper::client::cli {
namespace {

// Raised when a reader of the older form would misread the newer.
constexpr int kFormat = 1;

// A page of answers is written as it comes: a run may have millions of units.
class Exporter {
 public:
  Exporter(DiagnosticsClient& client, std::string run_id, std::ostream& out)
      : client_(client), run_id_(std::move(run_id)), out_(out) {}

  absl::Status Write() {
    const auto run = client_.GetRun(run_id_);
    if (!run.ok()) return run.status();
    const auto server = client_.GetServerInfo();
    if (!server.ok()) return server.status();
    out_ << R"({"firekeeper_export":)" << kFormat
         << ",\n\"server\":" << ToJson(*server)
         << ",\n\"run\":" << ToJson(*run);
    if (absl::Status status = WriteLayers(); !status.ok()) return status;
    const auto diagnosis = client_.DiagnoseRun(run_id_);
    if (!diagnosis.ok()) return diagnosis.status();
    const auto events =
        client_.ListEvents(run_id_, {}, v1::EVENT_SEVERITY_UNSPECIFIED);
    if (!events.ok()) return events.status();
    out_ << ",\n\"diagnosis\":" << ToJson(*diagnosis)
         << ",\n\"events\":" << ToJson(*events) << "}\n";
    return absl::OkStatus();
  }

 private:
  absl::Status WriteLayers() {
    const auto layers = client_.ListLayers(run_id_);
    if (!layers.ok()) return layers.status();
    out_ << ",\n\"layers\":[";
    const char* separator = "\n";
    for (const v1::LayerReport& layer : layers->layers()) {
      out_ << separator << "{\"report\":" << ToJson(layer);
      separator = ",\n";
      absl::Status status = WriteUnits(layer);
      if (status.ok()) status = WriteHistory(layer);
      if (!status.ok()) return status;
      out_ << '}';
    }
    out_ << ']';
    return absl::OkStatus();
  }

  absl::Status WriteUnits(const v1::LayerReport& layer) {
    const auto units = client_.ListUnits(run_id_, layer.layer().name(), {});
    if (!units.ok()) return units.status();
    out_ << ",\n \"units\":" << ToJson(*units);
    return absl::OkStatus();
  }

  absl::Status WriteHistory(const v1::LayerReport& layer) {
    out_ << ",\n \"history\":[";
    const char* separator = "";
    for (const v1::SignalReport& signal : layer.signals()) {
      const auto history =
          client_.GetLayerHistory({.run_id = run_id_,
                                   .layer = layer.layer().name(),
                                   .signal = signal.signal(),
                                   .phase = signal.phase()});
      if (!history.ok()) return history.status();
      out_ << separator << ToJson(*history);
      separator = ",\n  ";
    }
    out_ << ']';
    return absl::OkStatus();
  }

  DiagnosticsClient& client_;
  const std::string run_id_;
  std::ostream& out_;
};

// Readers see the old file, none, or the whole new one.
absl::Status WriteFile(DiagnosticsClient& client, const std::string& run_id,
                       const std::string& path) {
  const std::string scratch = path + ".new";
  std::ofstream file(scratch, std::ios::trunc);
  absl::Status status = Exporter(client, run_id, file).Write();
  file.close();
  if (status.ok() &&
      (!file || std::rename(scratch.c_str(), path.c_str()) != 0)) {
    status = absl::InvalidArgumentError(
        absl::StrCat("--output: cannot write ", path));
  }
  if (!status.ok()) std::remove(scratch.c_str());
  return status;
}

ExitCode Export(const Shell& shell, DiagnosticsClient& client,
                const std::string& run_id, const std::string& path) {
  if (path.empty()) {
    std::ostringstream whole;
    const absl::Status status = Exporter(client, run_id, whole).Write();
    if (!status.ok()) return Fail(shell, status);
    shell.out << whole.str();
    return ExitCode::kOk;
  }
  const absl::Status status = WriteFile(client, run_id, path);
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    return FailUsage(shell, status);
  }
  if (!status.ok()) return Fail(shell, status);
  if (!shell.json) shell.out << "wrote " << path << '\n';
  return ExitCode::kOk;
}

}  // namespace

void AddExportCommand(CLI::App& app, Shell& shell) {
  struct Arguments {
    std::string run_id;
    std::string path;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* const command = app.add_subcommand(
      "export",
      "Write all that is known of a run as one JSON document: layers, units, "
      "windows, diagnosis, events");
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command->add_option("-o,--output", arguments->path,
                      "File to write; standard output without it");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return WithClient(shell, [&](DiagnosticsClient& client) {
        return Export(shell, client, arguments->run_id, arguments->path);
      });
    };
  });
}

}  // namespace firekeeper::client::cli
