// digits_trainer: a real training job that Firekeeper can watch.

#include <unistd.h>

#include <Eigen/Core>
#include <cstddef>
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

namespace firekeeper::digits {
namespace {

// --help prints this table.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 2,      // a wrong argument
  kExitNoData = 3,     // the digits cannot be read
  kExitInternal = 70,  // a bug, or a failure of the machine
};

// Eigen splits long sums by the size of the processor's caches. With fixed
// sizes the sums have one order, and so the same bits, on every machine.
void FixOrderOfSums() {
  constexpr std::ptrdiff_t kKib = 1024;
  Eigen::setCpuCacheSizes(32 * kKib, 512 * kKib, 8 * kKib * kKib);
}

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

  std::unique_ptr<Streaming> streaming;
  if (!options.streaming.endpoint.empty()) {
    auto started = Streaming::Start(options, *network);
    if (!started.ok()) return Fail(started.status(), kExitUsage);
    streaming = *std::move(started);
  }
  // On stderr, so that stdout holds the report alone.
  ProgressLine progress(std::cerr, isatty(STDERR_FILENO) == 1);
  const RunResult result =
      Train(options.training, examples, *network, streaming.get(),
            options.quiet ? nullptr : &progress);
  std::optional<StreamingOutcome> outcome;
  if (streaming != nullptr) outcome = streaming->Close();

  if (options.json) {
    std::cout << JsonReport(options, result, outcome) << '\n';
  } else {
    std::cout << TextReport(options, result, outcome);
  }
  return kExitOk;
}

int Main(int argc, const char* const* argv) {
  FixOrderOfSums();
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
