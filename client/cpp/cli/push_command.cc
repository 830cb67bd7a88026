// firekeeper push

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/npy.h"
#include "client/cpp/cli/push_plan.h"
#include "client/cpp/watcher.h"

namespace firekeeper::client::cli {

namespace {

using std::chrono::steady_clock;

// Collects what the watcher logs: its threads must not write to a stream that
// this one uses.
class Notes {
 public:
  void Add(LogSeverity severity, const std::string& text) {
    if (severity == LogSeverity::kInfo) return;
    const std::scoped_lock lock(mutex_);
    lines_.push_back(text);
  }
  // All but those that say `known`.
  void Print(std::ostream& out, const std::string& known) {
    const std::scoped_lock lock(mutex_);
    for (const std::string& line : lines_) {
      if (!known.empty() && absl::StrContains(line, known)) continue;
      out << "firekeeper: " << line << '\n';
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

bool IsFinal(const Watcher& watcher) {
  const ConnectionState state = watcher.connection().state;
  return state == ConnectionState::kFenced || state == ConnectionState::kFailed;
}

// Waits until at most `bytes` are buffered: a Watcher never blocks and would
// drop what its ring cannot hold. False where the server takes nothing for the
// length of the timeout, or for good.
bool DrainTo(const Watcher& watcher, std::uint64_t bytes,
             std::chrono::milliseconds timeout) {
  auto last_change = steady_clock::now();
  std::uint64_t last_buffered = watcher.counters().buffered_bytes;
  while (true) {
    const std::uint64_t buffered = watcher.counters().buffered_bytes;
    if (buffered <= bytes) return true;
    const auto now = steady_clock::now();
    if (buffered != last_buffered) last_change = now;
    last_buffered = buffered;
    if (IsFinal(watcher) || now - last_change > timeout) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

class Push {
 public:
  Push(const Shell& shell, const PushPlan& plan) : shell_(shell), plan_(plan) {}

  ExitCode Run() {
    std::int64_t step = plan_.first_step;
    for (const std::string& path : plan_.files) {
      const auto array = ReadNpy(path);
      if (!array.ok()) return FailFile(path, array.status());
      const auto view = plan_.View(*array);
      if (!view.ok()) return FailFile(path, view.status());
      if (watcher_ == nullptr) {
        const absl::Status status = Start(*view);
        if (!status.ok()) return FailUsage(shell_, status);
      }
      if (view->layout.unit_count() != unit_count_) {
        return FailFile(path, absl::InvalidArgumentError(absl::StrCat(
                                  "it has ", view->layout.unit_count(),
                                  " units; the first file has ", unit_count_)));
      }
      if (!Send(path, step, *view)) break;
      ++step;
    }
    return Finish();
  }

 private:
  static constexpr std::size_t kRingBytes = std::size_t{256} << 20;

  absl::Status Start(const core::TensorView& view) {
    unit_count_ = view.layout.unit_count();
    WatcherOptions options =
        plan_.Options(static_cast<std::uint64_t>(unit_count_));
    options.connection = shell_.connection;
    options.ring_bytes = kRingBytes;
    options.log = [notes = &notes_](LogSeverity severity,
                                    const std::string& text) {
      notes->Add(severity, text);
    };
    auto watcher = Watcher::Start(std::move(options));
    if (!watcher.ok()) return watcher.status();
    watcher_ = *std::move(watcher);
    return absl::OkStatus();
  }

  // False where the server takes no more.
  bool Send(const std::string& path, std::int64_t step,
            const core::TensorView& view) {
    const auto bytes = static_cast<std::uint64_t>(view.layout.byte_size());
    const std::uint64_t room = kRingBytes - std::min(kRingBytes, 2 * bytes);
    if (!DrainTo(*watcher_, room, shell_.timeout())) return false;
    watcher_->Observe({.layer = plan_.layer,
                       .signal = plan_.signal,
                       .phase = plan_.phase,
                       .step = step},
                      view);
    watcher_->StepDone(step);
    if (!shell_.json) {
      shell_.out << path << ": [" << absl::StrJoin(view.layout.shape(), ", ")
                 << "] as step " << step << '\n';
    }
    return true;
  }

  ExitCode FailFile(const std::string& path, const absl::Status& status) {
    return FailUsage(shell_,
                     absl::Status(status.code(),
                                  absl::StrCat(path, ": ", status.message())));
  }

  ExitCode Finish() {
    (void)DrainTo(*watcher_, 0, shell_.timeout());
    const bool clean = watcher_->Close(shell_.timeout());
    const WatcherCounters counters = watcher_->counters();
    const ConnectionStatus connection = watcher_->connection();
    notes_.Print(shell_.err, connection.last_error);
    if (shell_.json) {
      const nlohmann::json json = {
          {"run", plan_.run_id},           {"layer", plan_.layer},
          {"pushed", counters.enqueued},   {"acked", counters.acked},
          {"rejected", counters.rejected}, {"dropped", counters.dropped},
          {"invalid", counters.invalid}};
      shell_.out << json.dump(1) << '\n';
    } else {
      shell_.out << counters.acked << " of " << plan_.files.size()
                 << " files are with the server\n";
    }
    if (clean && counters.acked == plan_.files.size()) return ExitCode::kOk;
    if (!connection.last_error.empty()) {
      shell_.err << "firekeeper: " << connection.last_error << '\n';
    }
    return counters.dropped > 0 && connection.state == ConnectionState::kClosed
               ? ExitCode::kUnreachable
               : ExitCode::kRefused;
  }

  const Shell& shell_;
  const PushPlan& plan_;
  Notes notes_;  // outlives the watcher
  std::unique_ptr<Watcher> watcher_;
  std::int64_t unit_count_ = 0;
};

ExitCode RunPush(const Shell& shell, const PushArguments& arguments) {
  const auto plan = MakePushPlan(arguments);
  if (!plan.ok()) return FailUsage(shell, plan.status());
  return WithClient(shell, [&](DiagnosticsClient& client) {
    // Says at once what a Watcher would go on trying.
    const auto info = client.GetServerInfo();
    if (!info.ok()) return Fail(shell, info.status());
    return Push(shell, *plan).Run();
  });
}

}  // namespace

void AddPushCommand(CLI::App& app, Shell& shell) {
  auto arguments = std::make_shared<PushArguments>();
  auto* const command = app.add_subcommand(
      "push",
      "Stream NumPy .npy files (f2, f4, f8), one training step each, into a "
      "run");
  command->add_option("FILE", arguments->files, "One file for each step")
      ->required();
  command->add_option("--run", arguments->run_id, "Run id")->required();
  command->add_option("--layer", arguments->layer, "Layer")->required();
  command
      ->add_option("--signal", arguments->signal,
                   "activation, pre_activation, output_gradient, weight, "
                   "bias, weight_gradient, weight_update, input or target")
      ->capture_default_str();
  command
      ->add_option("--activation", arguments->activation,
                   "Activation function of the layer: relu, gelu, tanh, …")
      ->capture_default_str();
  command
      ->add_option("--phase", arguments->phase, "train, eval, birth or probe")
      ->capture_default_str();
  command
      ->add_option("--step", arguments->step,
                   "Step of the first file; the next one is a step later")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--unit-axis", arguments->unit_axis,
                   "Axis of the units. Default: the first for weights and "
                   "biases, otherwise the last")
      ->check(CLI::Range(0, 7));
  command->add_option("--cluster-axis", arguments->cluster_axis,
                      "Axis of the independent examples, or none. Default: "
                      "none for weights and biases, otherwise the first");
  command
      ->add_option("--launch-token", arguments->launch_token,
                   "Pushes with the same token belong to one attempt")
      ->capture_default_str();
  command->add_option("--remedy-of", arguments->remedy_of,
                      "The run whose fault this one tries to remedy: diagnose "
                      "then compares them");
  command->callback([&shell, arguments] {
    shell.action = [&shell, arguments] { return RunPush(shell, *arguments); };
  });
}

}  // namespace firekeeper::client::cli
