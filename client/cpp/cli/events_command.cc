// firekeeper events

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

struct EventsArguments {
  std::string run_id;
  std::string layer;
  std::string severity = "info";
  bool follow = false;
};

// Tries in a row to come back to a server that went away.
constexpr int kMaxFailures = 30;

std::string LineOf(const v1::Event& event) {
  std::string severity =
      EnumName(*v1::EventSeverity_descriptor(), event.severity());
  severity.resize(8, ' ');
  return absl::StrCat(
      "#", event.event_id(), "  ", FormatTime(event.time()), "  step ",
      FormatStep(event.step()), "  ", severity, "  ",
      EnumName(*v1::EventKind_descriptor(), event.kind()), "  ",
      event.layer().empty() ? "" : Printable(event.layer()) + ": ",
      Printable(event.message()), "\n");
}

class Follower {
 public:
  Follower(const Shell& shell, const EventsArguments& arguments,
           v1::EventSeverity least)
      : shell_(shell), arguments_(arguments), least_(least) {}

  ExitCode Run(DiagnosticsClient& client) {
    int failures = 0;
    while (true) {
      const std::uint64_t before = last_id_;
      const absl::Status status =
          client.WatchEvents(arguments_.run_id, last_id_,
                             [this](const v1::Event& event) { Show(event); });
      if (status.ok()) return ExitCode::kOk;
      if (last_id_ > before) failures = 0;
      if (ExitCodeOf(status) != ExitCode::kUnreachable || last_id_ == 0 ||
          ++failures > kMaxFailures) {
        return Fail(shell_, status);
      }
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }

 private:
  void Show(const v1::Event& event) {
    last_id_ = event.event_id();
    if (event.severity() < least_) return;
    if (!arguments_.layer.empty() && event.layer() != arguments_.layer) return;
    if (shell_.json) {
      shell_.out << ToJson(event) << '\n';
    } else {
      shell_.out << LineOf(event);
    }
    shell_.out.flush();
  }

  const Shell& shell_;
  const EventsArguments& arguments_;
  const v1::EventSeverity least_;
  std::uint64_t last_id_ = 0;
};

void PrintLines(const Shell& shell, const v1::ListEventsResponse& events) {
  for (const v1::Event& event : events.events()) shell.out << LineOf(event);
  if (events.events().empty()) shell.out << "no events\n";
}

ExitCode ShowEvents(const Shell& shell, const EventsArguments& arguments) {
  const auto parsed =
      ParseEnum(*v1::EventSeverity_descriptor(), arguments.severity);
  if (!parsed.ok()) return FailUsage(shell, parsed.status());
  const auto least = static_cast<v1::EventSeverity>(*parsed);
  return WithClient(shell, [&](DiagnosticsClient& client) {
    if (!arguments.layer.empty()) {
      const auto layer = client.GetLayer(arguments.run_id, arguments.layer);
      if (!layer.ok()) return Fail(shell, layer.status());
    }
    if (arguments.follow) {
      return Follower(shell, arguments, least).Run(client);
    }
    const auto events =
        client.ListEvents(arguments.run_id, arguments.layer, least);
    if (!events.ok()) return Fail(shell, events.status());
    if (shell.json) {
      PrintJson(shell, *events);
      return ExitCode::kOk;
    }
    PrintLines(shell, *events);
    return ExitCode::kOk;
  });
}

}  // namespace

void AddEventsCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<EventsArguments>();
  auto* const command = app.add_subcommand(
      "events", "List what happened in a run: deaths, collapses, causes");
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command->add_flag("--follow", arguments->follow,
                    "Go on until the run ends; with --json a line an event");
  command->add_option("--layer", arguments->layer, "Only of this layer");
  command
      ->add_option("--severity", arguments->severity,
                   "At least info, warning or critical")
      ->capture_default_str();
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return ShowEvents(shell, *arguments);
    };
  });
}

}  // namespace firekeeper::client::cli
