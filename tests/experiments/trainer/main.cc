// experiment_trainer: trains one scenario of the table with one seed, watched
// by Firekeeper or not, and prints what came of it.

#include <CLI/CLI.hpp>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/examples/digits_trainer/digits.h"
#include "client/cpp/examples/streaming/streaming.h"
#include "client/cpp/watcher_options.h"
#include "tests/experiments/trainer/experiment.h"
#include "tests/experiments/trainer/report.h"
#include "tests/experiments/trainer/scenario.h"

namespace firekeeper::experiments {
namespace {

// --help prints this table.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 2,
  kExitNoData = 3,
  kExitInternal = 70,
};

struct Options {
  std::string scenario;
  std::uint64_t seed = 0;
  std::string data = std::string(digits::kDefaultPath);
  std::string run;  // empty: scenario and seed
  std::string remedy_of;
  std::string endpoint = "127.0.0.1:50061";
  bool no_firekeeper = false;
  bool list = false;
};

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "experiment_trainer: " << status.message() << '\n';
  return code;
}

absl::StatusOr<Examples> ExamplesFor(const Scenario& scenario,
                                     const Options& options) {
  if (!IsDigits(scenario)) {
    return MakeSynthetic(scenario.data, Seeds(options.seed).data);
  }
  const auto digits = digits::LoadDigits(options.data);
  if (!digits.ok()) return digits.status();
  return ShowDigits(*digits, scenario.data);
}

client::WatcherOptions WatcherOptionsFor(const Scenario& scenario,
                                         const Options& options) {
  client::WatcherOptions watcher;
  watcher.connection.endpoint = options.endpoint;
  watcher.run_id = options.run.empty()
                       ? absl::StrCat(scenario.name, ":", options.seed)
                       : options.run;
  watcher.remedy_of = options.remedy_of;
  // The runs are short: every step counts. A deep one is faster than a server
  // that shares its processor, so nothing may be dropped for want of memory.
  watcher.every = 1;
  watcher.ring_bytes = std::size_t{1} << 30U;
  watcher.labels = {{"scenario", scenario.name},
                    {"seed", absl::StrCat(options.seed)}};
  return watcher;
}

int RunScenario(const Scenario& scenario, const Options& options) {
  const auto examples = ExamplesFor(scenario, options);
  if (!examples.ok()) return Fail(examples.status(), kExitNoData);
  auto network = BuildNetwork(scenario, *examples, options.seed);
  if (!network.ok()) return Fail(network.status(), kExitUsage);

  std::unique_ptr<streaming::Streaming> stream;
  if (!options.no_firekeeper) {
    auto started = streaming::Streaming::Start(
        WatcherOptionsFor(scenario, options), *network);
    if (!started.ok()) return Fail(started.status(), kExitUsage);
    stream = *std::move(started);
  }
  const Outcome outcome =
      Train(scenario, *examples, options.seed, *network, stream.get());
  std::optional<streaming::StreamingOutcome> streamed;
  if (stream != nullptr) streamed = stream->Close();
  std::cout << RunReport(scenario, options.seed, outcome, streamed) << '\n';
  return kExitOk;
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--scenario", options.scenario, "One of --list");
  app.add_option("--seed", options.seed, "Of data, weights and batches")
      ->capture_default_str();
  app.add_option("--data", options.data, "digits.csv, gzipped or plain")
      ->envname("FIREKEEPER_DIGITS")
      ->capture_default_str();
  app.add_option("--run", options.run,
                 "Name of the run; default: SCENARIO:SEED");
  app.add_option("--remedy-of", options.remedy_of,
                 "Name of the run that this one mends");
  app.add_option("--endpoint", options.endpoint, "host:port of firekeeperd")
      ->envname("FIREKEEPER_ENDPOINT")
      ->capture_default_str();
  app.add_flag("--no-firekeeper", options.no_firekeeper, "Do not stream");
  app.add_flag("--list", options.list,
               "Print every scenario, a line of JSON each, and end");
}

int Main(int argc, const char* const* argv) {
  CLI::App app(
      "Trains one scenario with one seed and prints one line of JSON. The "
      "weights are the same whether or not a server listens.");
  app.footer(
      "Exit codes: 0 trained, 2 wrong argument, 3 the digits cannot be read, "
      "70 internal error. A server that is not there changes none of them.");
  Options options;
  AddOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (options.list) {
    for (const Scenario& scenario : AllScenarios()) {
      std::cout << ScenarioReport(scenario) << '\n';
    }
    return kExitOk;
  }
  const Scenario* const scenario = FindScenario(options.scenario);
  if (scenario == nullptr) {
    std::cerr << "experiment_trainer: no scenario is called '"
              << options.scenario << "'; --list names all\n";
    return kExitUsage;
  }
  trainer::FixOrderOfSums();
  return RunScenario(*scenario, options);
}

}  // namespace
}  // namespace firekeeper::experiments

int main(int argc, char** argv) {
  try {
    return firekeeper::experiments::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "experiment_trainer: " << error.what() << '\n';
    return firekeeper::experiments::kExitInternal;
  }
}
