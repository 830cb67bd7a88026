// digits_trainer: a real training job that Firekeeper can watch.

#include <unistd.h>

#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <variant>

#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/examples/digits_trainer/progress.h"
#include "client/cpp/examples/digits_trainer/report.h"
#include "client/cpp/examples/digits_trainer/streaming.h"
#include "client/cpp/examples/digits_trainer/training_run.h"
#include "client/cpp/examples/streaming/streaming.h"
#include "client/cpp/examples/trainer/run.h"

namespace firekeeper::digits {
namespace {

// --help prints this table.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 2,      // a wrong argument
  kExitNoData = 3,     // the digits cannot be read
  kExitInternal = 70,  // a bug, or a failure of the machine
};

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "digits_trainer: " << status.message() << '\n';
  return code;
}

int Run(const Options& options) {
  const auto digits = LoadDigits(options.data);
  if (!digits.ok()) return Fail(digits.status(), kExitNoData);
  const Examples examples = Prepare(*digits, options.raw_inputs);
  auto network = BuildNetwork(options.training, examples);
  if (!network.ok()) return Fail(network.status(), kExitUsage);

  std::unique_ptr<streaming::Streaming> stream;
  if (!options.streaming.endpoint.empty()) {
    auto started =
        streaming::Streaming::Start(WatcherOptionsFor(options), *network);
    if (!started.ok()) return Fail(started.status(), kExitUsage);
    stream = *std::move(started);
  }
  // On stderr, so that stdout holds the report alone.
  ProgressLine progress(std::cerr, isatty(STDERR_FILENO) == 1);
  const RunResult result =
      Train(options.training, examples, *network, stream.get(),
            options.quiet ? nullptr : &progress);
  std::optional<streaming::StreamingOutcome> outcome;
  if (stream != nullptr) outcome = stream->Close();

  if (options.json) {
    std::cout << JsonReport(options, result, outcome) << '\n';
  } else {
    std::cout << TextReport(options, result, outcome);
  }
  return kExitOk;
}

int Main(int argc, const char* const* argv) {
  trainer::FixOrderOfSums();
  const auto parsed = ParseOptions(argc, argv);
  if (const Options* const options = std::get_if<Options>(&parsed)) {
    return Run(*options);
  }
  return std::get<int>(parsed) == 0 ? kExitOk : kExitUsage;
}

}  // namespace
}  // namespace firekeeper::digits

int main(int argc, char** argv) {
  try {
    return firekeeper::digits::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "digits_trainer: " << error.what() << '\n';
    return firekeeper::digits::kExitInternal;
  }
}
