// firekeeperd: reads its options, serves until SIGTERM or SIGINT, shuts down.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/exit_codes.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/process.h"
#include "server/record/replay.h"
#include "server/server.h"

namespace firekeeper::server {
namespace {

std::optional<std::string> Variable(const std::string& name) {
  // Read before any thread starts.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
      return kExitCannotBind;
    case absl::StatusCode::kPermissionDenied:
      return kExitCredentials;
    case absl::StatusCode::kDataLoss:
      return kExitStore;
    default:
      return kExitInternal;
  }
}

// Waits for a signal, then for the end of the shutdown. A second signal ends
// the process at once.
void ServeUntilStopped(Server& server, std::chrono::seconds grace,
                       StopSignals& signals, Logger& logger) {
  const int signal = signals.Wait();
  logger.Info("signal", {{"number", std::int64_t{signal}}});
  std::atomic<bool> done{false};
  const std::jthread shutdown([&] {
    server.Shutdown(Server::Clock::now() + grace);
    done = true;
  });
  constexpr std::chrono::milliseconds kPoll{20};
  while (!done) {
    const std::optional<int> second = signals.WaitFor(kPoll);
    if (!second.has_value()) continue;
    logger.Warning("shutdown_cut_short", {{"number", std::int64_t{*second}}});
    std::_Exit(kExitSignalBase + *second);
  }
}

int Run(const Options& options) {
  Logger logger(options.log_format, options.log_level, std::cerr);
  if (options.malloc_tuning && !TuneMalloc()) {
    logger.Warning("malloc_tuning_refused");
  }
  StopSignals signals;
  const GrpcLogRoute route(logger);
  const auto server = Server::Start(options, logger);
  if (!server.ok()) {
    logger.Error("cannot_start",
                 {{"error", std::string(server.status().message())}});
    return ExitCodeOf(server.status());
  }
  ServeUntilStopped(**server, options.shutdown_grace, signals, logger);
  return kExitOk;
}

int ReplayFile(const std::string& path) {
  const auto report = Replay(path);
  if (!report.ok()) {
    std::cerr << "firekeeperd: " << report.status().message() << '\n';
    return kExitUsage;
  }
  std::cout << ToText(*report);
  return report->difference_count == 0 ? kExitOk : kExitReplayDiffers;
}

int Main(const std::vector<std::string>& arguments) {
  const auto line = ParseCommandLine(arguments, &Variable);
  if (!line.ok()) {
    std::cerr << "firekeeperd: " << line.status().message()
              << "\ntry firekeeperd --help\n";
    return kExitUsage;
  }
  if (line->print.has_value()) {
    std::cout << *line->print;
    return kExitOk;
  }
  if (line->replay.has_value()) return ReplayFile(*line->replay);
  return Run(line->options);
}

}  // namespace
}  // namespace firekeeper::server

int main(int argc, char** argv) {
  try {
    return firekeeper::server::Main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "firekeeperd: " << error.what() << '\n';
    return firekeeper::server::kExitInternal;
  }
}
