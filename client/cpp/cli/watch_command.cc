// firekeeper watch

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/layer_table.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

struct WatchArguments {
  std::string run_id;
  double interval_seconds = 1.0;
  std::int64_t steps = 0;  // 0: not known
  bool once = false;
};

// What a run was at one moment.
struct Frame {
  v1::Run run;
  v1::ListLayersResponse layers;
  double steps_per_second = 0.0;
};

// Refreshes that may fail in a row before the watch ends.
constexpr int kMaxFailures = 30;

std::string Bar(double share) {
  constexpr std::size_t kWidth = 30;
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) *
                                               static_cast<double>(kWidth));
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') +
         "]";
}

std::string ProgressOf(const Frame& frame, std::int64_t total_steps) {
  std::string line;
  if (total_steps > 0) {
    // Steps count from 0: after the last one all are done.
    const double share = static_cast<double>(frame.run.last_step() + 1) /
                         static_cast<double>(total_steps);
    line =
        absl::StrCat(Bar(share), " ", FormatShare(std::min(share, 1.0)), "  ");
  }
  absl::StrAppend(&line, "step ", FormatStep(frame.run.last_step()));
  if (total_steps > 0) absl::StrAppend(&line, " of ", FormatStep(total_steps));
  if (frame.steps_per_second > 0.0) {
    absl::StrAppend(&line, ", ",
                    absl::StrFormat("%.1f steps/s", frame.steps_per_second));
  }
  return line;
}

std::string Render(const Frame& frame, std::int64_t total_steps) {
  std::ostringstream text;
  text << "run " << Printable(frame.run.run_id()) << "  "
       << EnumName(*v1::RunState_descriptor(), frame.run.state())
       << "  last seen " << FormatTime(frame.run.last_seen()) << '\n'
       << ProgressOf(frame, total_steps) << '\n';
  std::map<std::string, double> scalars(frame.run.scalars().begin(),
                                        frame.run.scalars().end());
  for (const auto& [name, value] : scalars) {
    text << Printable(name) << ' ' << FormatReal(value) << "  ";
  }
  text << "\n\n";
  Table table = MakeLayerTable();
  for (const auto& report : frame.layers.layers()) AddLayerRow(report, &table);
  table.Print(text);
  return text.str();
}

// One line, for logs.
std::string Summarise(const Frame& frame, std::int64_t total_steps) {
  std::uint64_t units = 0;
  std::uint64_t dead = 0;
  std::string worst;
  for (const auto& report : frame.layers.layers()) {
    units += report.layer().unit_count();
    dead += DeadUnits(report);
    if (DeadUnits(report) == 0) continue;
    absl::StrAppend(&worst, worst.empty() ? ": " : ", ",
                    Printable(report.layer().name()), " ",
                    FormatCount(DeadUnits(report)));
  }
  return absl::StrCat(ProgressOf(frame, total_steps), "  dead ",
                      FormatCount(dead), " of ", FormatCount(units), worst,
                      "\n");
}

absl::StatusOr<Frame> Fetch(DiagnosticsClient& client,
                            const std::string& run_id) {
  Frame frame;
  auto run = client.GetRun(run_id);
  if (!run.ok()) return run.status();
  auto layers = client.ListLayers(run_id);
  if (!layers.ok()) return layers.status();
  frame.run = *std::move(run);
  frame.layers = *std::move(layers);
  return frame;
}

class Watch {
 public:
  Watch(const Shell& shell, const WatchArguments& arguments)
      : shell_(shell), arguments_(arguments) {}

  ExitCode Run(DiagnosticsClient& client) {
    int failures = 0;
    while (true) {
      auto frame = Fetch(client, arguments_.run_id);
      if (!frame.ok()) {
        if (!shown_ || !IsPassing(frame.status()) ||
            ++failures > kMaxFailures) {
          return Fail(shell_, frame.status());
        }
      } else {
        failures = 0;
        Show(*frame);
        if (arguments_.once || frame->run.state() == v1::RUN_STATE_ENDED) {
          return ExitCode::kOk;
        }
      }
      std::this_thread::sleep_for(
          std::chrono::duration<double>(arguments_.interval_seconds));
    }
  }

 private:
  static bool IsPassing(const absl::Status& status) {
    return ExitCodeOf(status) == ExitCode::kUnreachable;
  }

  void Show(Frame& frame) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = now - last_time_;
    if (shown_ && passed.count() > 0.0) {
      frame.steps_per_second =
          static_cast<double>(frame.run.last_step() - last_step_) /
          passed.count();
    }
    last_time_ = now;
    last_step_ = frame.run.last_step();
    shown_ = true;
    if (shell_.json) {
      shell_.out << "{\"run\": " << ToJson(frame.run)
                 << ", \"layers\": " << ToJson(frame.layers) << "}\n";
    } else if (arguments_.once) {
      shell_.out << Render(frame, arguments_.steps);
    } else if (shell_.interactive) {
      // Home and clear: the table is redrawn in place.
      shell_.out << "\x1b[H\x1b[2J" << Render(frame, arguments_.steps);
    } else {
      PrintIfNew(Summarise(frame, arguments_.steps), frame);
    }
    shell_.out.flush();
  }

  // A log that repeats itself tells nothing.
  void PrintIfNew(const std::string& line, const Frame& frame) {
    Frame still = frame;
    still.steps_per_second = 0.0;
    const std::string content = Summarise(still, arguments_.steps);
    if (content == last_content_) return;
    last_content_ = content;
    shell_.out << line;
  }

  const Shell& shell_;
  const WatchArguments& arguments_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_time_;
  std::int64_t last_step_ = 0;
  std::string last_content_;
};

}  // namespace

void AddWatchCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<WatchArguments>();
  auto* const command = app.add_subcommand(
      "watch",
      "Follow a run until it ends: a live table on a terminal, a line for "
      "every change otherwise");
  command->add_option("RUN", arguments->run_id, "Run id")->required();
  command
      ->add_option("--interval", arguments->interval_seconds,
                   "Seconds between two looks")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  command
      ->add_option("--steps", arguments->steps,
                   "Steps that the training will take, for the bar")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--once", arguments->once, "Show the table once");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] {
      return WithClient(shell, [&](DiagnosticsClient& client) {
        return Watch(shell, *arguments).Run(client);
      });
    };
  });
}

}  // namespace firekeeper::client::cli
