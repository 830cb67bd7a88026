// A rank that streams through the public Watcher what oracle.py expects of it,
// and says on stdout what it knows, so that a test can kill it at any moment.
//
//   fault_client ENDPOINT RUN SOURCE SOURCES TOKEN RESUME_STEP RING_BYTES
//
// Reads from stdin
//   stream N   until N snapshots were given, a handful ahead of the acks
//   flood N    the same, as fast as it can
//   close      says goodbye and ends; so does the end of stdin
// and writes to stdout
//   sending N  before snapshot N is given
//   counters ENQUEUED ACKED REJECTED DROPPED BUFFERED INVALID RECONNECTS
//   closed 0|1 as the last line; whether the server has everything

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/cpp/watcher.h"
#include "core/tensor_view.h"

namespace firekeeper::faults {
namespace {

using client::Watcher;
using client::WatcherCounters;
using client::WatcherOptions;

constexpr const char* kLayer = "fc.relu";
constexpr std::int64_t kUnits = 4;
// As far as "stream" goes ahead of the acks.
constexpr std::uint64_t kAhead = 8;
constexpr std::chrono::milliseconds kPoll{1};
constexpr std::chrono::seconds kGoodbye{60};

// Lines of two threads, whole and at once.
class Output {
 public:
  void Say(const std::string& line) {
    const absl::MutexLock lock(&mutex_);
    std::cout << line << '\n' << std::flush;
  }

 private:
  absl::Mutex mutex_;
};

std::string Line(const WatcherCounters& counters) {
  std::string line = "counters";
  for (const std::uint64_t count :
       {counters.enqueued, counters.acked, counters.rejected, counters.dropped,
        counters.buffered, counters.invalid, counters.reconnects}) {
    line += ' ' + std::to_string(count);
  }
  return line;
}

// Says every change that it gets to see.
void Report(const std::stop_token& stop, const Watcher& watcher,
            Output& output) {
  std::string said;
  while (!stop.stop_requested()) {
    std::string line = Line(watcher.counters());
    if (line != said) {
      output.Say(line);
      said = std::move(line);
    }
    std::this_thread::sleep_for(kPoll);
  }
}

class Rank {
 public:
  Rank(Watcher& watcher, const WatcherOptions& options, Output& output)
      : watcher_(watcher), output_(output), resume_step_(options.resume_step) {
    for (source_ = 0; source_ < options.source; ++source_) observations_ *= 3;
  }

  void GiveUntil(std::uint64_t count, bool in_step_with_acks) {
    while (given_ < count) {
      while (in_step_with_acks && watcher_.counters().buffered >= kAhead) {
        std::this_thread::sleep_for(kPoll);
      }
      output_.Say("sending " + std::to_string(++given_));
      Give(resume_step_ + static_cast<std::int64_t>(given_) - 1);
    }
  }

 private:
  // As firings_of() of oracle.py.
  void Give(std::int64_t step) {
    const std::array<std::int64_t, kUnits> firings{
        0, observations_, (step * 7 + source_) % (observations_ + 1), step % 2};
    std::vector<float> values;
    for (std::int64_t row = 0; row < observations_; ++row) {
      for (const std::int64_t fired : firings) {
        values.push_back(row < fired ? 1.0F : 0.0F);
      }
    }
    const std::array<std::int64_t, 2> shape{observations_, kUnits};
    const auto layout = core::TensorLayout::Create(
        core::DataType::kF32, shape, /*unit_axis=*/1, /*cluster_axis=*/0);
    watcher_.Observe({.layer = kLayer, .step = step},
                     {.layout = layout.value(),
                      .data = std::as_bytes(std::span(values)).data()});
    watcher_.StepDone(step);
  }

  Watcher& watcher_;  // outlives this, as does the output
  Output& output_;
  const std::int64_t resume_step_;
  std::int64_t source_ = 0;
  std::int64_t observations_ = 1;
  std::uint64_t given_ = 0;
};

WatcherOptions OptionsFrom(const std::vector<std::string>& arguments) {
  WatcherOptions options;
  options.connection.endpoint = arguments.at(0);
  options.run_id = arguments.at(1);
  options.source = static_cast<std::uint32_t>(std::stoul(arguments.at(2)));
  options.source_count =
      static_cast<std::uint32_t>(std::stoul(arguments.at(3)));
  options.launch_token = arguments.at(4);
  options.resume_step = std::stoll(arguments.at(5));
  options.ring_bytes = std::stoull(arguments.at(6));
  // A server that comes back is soon found.
  options.backoff = {.shortest = std::chrono::milliseconds(10),
                     .longest = std::chrono::milliseconds(200)};
  options.layers = {{.name = kLayer,
                     .activation = {.kind = core::Activation::kRelu},
                     .unit_count = kUnits}};
  return options;
}

int Run(const std::vector<std::string>& arguments) {
  const WatcherOptions options = OptionsFrom(arguments);
  const auto watcher = Watcher::Start(options);
  if (!watcher.ok()) {
    std::cerr << watcher.status() << '\n';
    return 1;
  }
  Output output;
  std::jthread reporter(
      [&](const std::stop_token& stop) { Report(stop, **watcher, output); });
  Rank rank(**watcher, options, output);
  std::string command;
  std::uint64_t count = 0;
  while (std::cin >> command && command != "close" && std::cin >> count) {
    rank.GiveUntil(count, command == "stream");
  }
  const bool clean = (*watcher)->Close(kGoodbye);
  reporter.request_stop();
  reporter.join();
  output.Say(Line((*watcher)->counters()));
  output.Say(clean ? "closed 1" : "closed 0");
  return 0;
}

}  // namespace
}  // namespace firekeeper::faults

int main(int argc, char** argv) {
  try {
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    return firekeeper::faults::Run({words.begin() + 1, words.end()});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
