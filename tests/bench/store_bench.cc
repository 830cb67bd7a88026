// What durability costs: ingest of summaries into a server that keeps its runs
// over one that forgets them, in turn; bytes written and kept; and how long a
// restart takes.
//
//   store_bench                              ratios, 64 sources
//   store_bench recovery RUNS LAYERS UNITS   builds a store, restarts on it

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "firekeeper/v1/ingest.grpc.pb.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"
#include "tests/bench/measure.h"
#include "tests/bench/summaries.h"

namespace firekeeper {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSources = 64;
constexpr std::int64_t kUnits = 4'096;
constexpr std::int64_t kSteps = 64;
constexpr int kRounds = 5;
// Snapshots of a source that are on their way: far less than its credit.
constexpr std::uint64_t kInFlight = 32;
constexpr double kMiB = 1'048'576.0;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "store_bench: %s\n", why.c_str());
  std::abort();
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Job {
  std::string run;
  std::uint32_t source = 0;
  std::uint32_t sources = 1;
  std::int64_t layers = 1;
  std::int64_t units = kUnits;
  std::int64_t steps = kSteps;
};

v1::StreamRequest OpenMessage(const Job& job) {
  v1::StreamRequest request;
  v1::Open* const open = request.mutable_open();
  open->set_run_id(job.run);
  open->set_launch_token("bench");
  open->set_source(job.source);
  open->set_source_count(job.sources);
  open->set_instance_id(job.source + 1);
  open->set_first_held_seq(1);
  for (std::int64_t i = 0; i < job.layers; ++i) {
    v1::Layer* const layer = open->add_layers();
    layer->set_name("fc" + std::to_string(i));
    layer->set_activation(v1::ACTIVATION_RELU);
    layer->set_unit_count(static_cast<std::uint64_t>(job.units));
  }
  return request;
}

// How far a stream is, told by the thread that reads its answers.
class Acks {
 public:
  void Read(
      grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>& stream) {
    v1::StreamResponse response;
    while (stream.Read(&response)) {
      if (response.has_reject()) Die(response.reject().ShortDebugString());
      if (!response.has_ack()) continue;
      const absl::MutexLock lock(&mutex_);
      durable_ = std::max(durable_, response.ack().durable_seq());
    }
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  void WaitFor(std::uint64_t seq) {
    const absl::MutexLock lock(&mutex_);
    const auto reached = [&] { return durable_ >= seq || ended_; };
    mutex_.Await(absl::Condition(&reached));
    if (durable_ < seq) Die("the stream ended early");
  }

 private:
  absl::Mutex mutex_;
  std::uint64_t durable_ = 0;
  bool ended_ = false;
};

v1::Snapshot MakeSnapshot(std::int64_t units) {
  return bench::SnapshotOf("", v1::SIGNAL_ACTIVATION,
                           bench::Activations(units));
}

// One source from Open until everything is durable; sends `snapshot` of every
// layer and step.
void Stream(const std::string& target, const Job& job,
            const v1::Snapshot& snapshot) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::IngestService::NewStub(grpc::CreateCustomChannel(
      target, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->Stream(&context);
  v1::StreamResponse opened;
  if (!stream->Write(OpenMessage(job)) || !stream->Read(&opened)) {
    Die(stream->Finish().error_message());
  }
  std::vector<v1::StreamRequest> messages;
  for (std::int64_t i = 0; i < job.layers; ++i) {
    v1::Snapshot& to =
        *messages.emplace_back().mutable_batch()->add_snapshots();
    to = snapshot;
    to.set_layer("fc" + std::to_string(i));
  }
  Acks acks;
  std::jthread reader([&] { acks.Read(*stream); });
  std::uint64_t seq = 0;
  for (std::int64_t step = 0; step < job.steps; ++step) {
    for (v1::StreamRequest& message : messages) {
      if (++seq > kInFlight) acks.WaitFor(seq - kInFlight);
      message.mutable_batch()->set_first_seq(seq);
      message.mutable_batch()->mutable_snapshots(0)->set_step(step);
      if (!stream->Write(message)) Die("the stream ended early");
    }
    v1::StreamRequest progress;
    progress.mutable_progress()->set_complete_through_step(step);
    progress.mutable_progress()->add_sampled_steps(step);
    if (!stream->Write(progress)) Die("the stream ended early");
  }
  acks.WaitFor(seq);
  context.TryCancel();
  reader.join();
  stream->Finish();
}

// Seconds until all sources of a run are done.
double StreamRun(const server::Server& server, const std::string& run) {
  static const v1::Snapshot kSnapshot = MakeSnapshot(kUnits);
  const std::string target = "127.0.0.1:" + std::to_string(server.port());
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> sources;
    for (std::uint32_t source = 0; source < kSources; ++source) {
      sources.emplace_back([&, source] {
        Stream(target, {.run = run, .source = source, .sources = kSources},
               kSnapshot);
      });
    }
  }
  return SecondsSince(begin);
}

double Metric(const server::Server& server, const std::string& name) {
  const std::string text = server.Metrics();
  for (const auto line : absl::StrSplit(text, '\n')) {
    if (line.substr(0, name.size() + 1) != name + " ") continue;
    double value = 0.0;
    if (absl::SimpleAtod(line.substr(name.size() + 1), &value)) return value;
  }
  Die("no metric " + name);
}

server::Options BenchOptions() {
  server::Options options;
  options.port = 0;
  options.http_port = 0;
  options.limits.max_state_bytes = std::size_t{20} << 30U;
  return options;
}

std::unique_ptr<server::Server> Start(const server::Options& options,
                                      server::Logger& logger) {
  auto server = server::Server::Start(options, logger);
  if (!server.ok()) Die(server.status().ToString());
  return *std::move(server);
}

void Compare(const std::string& folder) {
  server::Logger logger(server::LogFormat::kText, server::LogLevel::kError,
                        std::cerr);
  server::Options options = BenchOptions();
  const auto forgets = Start(options, logger);
  options.data_dir = folder;
  const auto keeps = Start(options, logger);
  StreamRun(*forgets, "warm");
  StreamRun(*keeps, "warm");
  std::vector<double> ratios;
  std::vector<double> keeps_seconds;
  const double written = Metric(*keeps, "firekeeper_store_written_bytes_total");
  const double commits = Metric(*keeps, "firekeeper_store_commits_total");
  for (int round = 0; round < kRounds; ++round) {
    const std::string run = "round-" + std::to_string(round);
    const double without = StreamRun(*forgets, run);
    keeps_seconds.push_back(StreamRun(*keeps, run));
    ratios.push_back(without / keeps_seconds.back());
  }
  const double summary_bytes = static_cast<double>(
      MakeSnapshot(kUnits).ByteSizeLong() * kSources * kSteps);
  const double sent = summary_bytes * kRounds;
  std::printf(
      "ingest kept / forgotten, %u sources of summaries of %lld units: "
      "%.2f (%.2f to %.2f)\n",
      kSources, static_cast<long long>(kUnits), bench::Median(ratios),
      *std::ranges::min_element(ratios), *std::ranges::max_element(ratios));
  bench::PrintMeasure("durable", ratios);
  std::printf("kept: %.0f MiB/s\n",
              summary_bytes / kMiB / bench::Median(keeps_seconds));
  std::printf(
      "rows written per byte ingested: %.2f, in %.0f commits of %.1f MiB\n",
      (Metric(*keeps, "firekeeper_store_written_bytes_total") - written) / sent,
      Metric(*keeps, "firekeeper_store_commits_total") - commits,
      (Metric(*keeps, "firekeeper_store_written_bytes_total") - written) /
          kMiB / (Metric(*keeps, "firekeeper_store_commits_total") - commits));
}

void Recover(const std::string& folder, std::int64_t runs, std::int64_t layers,
             std::int64_t units) {
  std::ostringstream log;
  server::Logger logger(server::LogFormat::kText, server::LogLevel::kInfo, log);
  server::Options options = BenchOptions();
  options.data_dir = folder;
  double disk = 0.0;
  {
    const auto server = Start(options, logger);
    const std::string target = "127.0.0.1:" + std::to_string(server->port());
    const v1::Snapshot snapshot = MakeSnapshot(units);
    const auto begin = Clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      Stream(target,
             {.run = "run-" + std::to_string(run),
              .layers = layers,
              .units = units,
              .steps = 2},
             snapshot);
    }
    std::printf(
        "%lld runs x %lld layers x %lld units, 2 steps: built in %.1f "
        "s\n",
        static_cast<long long>(runs), static_cast<long long>(layers),
        static_cast<long long>(units), SecondsSince(begin));
    server->Shutdown(server::Server::Clock::now() + std::chrono::seconds(30));
    disk = Metric(*server, "firekeeper_store_disk_bytes");
  }
  const auto begin = Clock::now();
  const auto server = Start(options, logger);
  std::printf("restart: %.2f s, of which reading the store %.2f s\n",
              SecondsSince(begin),
              Metric(*server, "firekeeper_store_recovery_seconds"));
  std::printf("database: %.0f MiB, %.1f bytes for each unit\n", disk / kMiB,
              disk / static_cast<double>(runs * layers * units));
}

std::int64_t Number(const char* text) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 1) {
    Die(std::string(text) + " is no positive number");
  }
  return value;
}

int Main(std::span<char*> arguments) {
  server::TuneMalloc();
  std::string folder =
      (std::filesystem::temp_directory_path() / "store_bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) Die("cannot make " + folder);
  const bool recovery =
      arguments.size() == 5 && std::string(arguments[1]) == "recovery";
  if (recovery) {
    Recover(folder, Number(arguments[2]), Number(arguments[3]),
            Number(arguments[4]));
  } else {
    Compare(folder);
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace firekeeper

int main(int argc, char** argv) {
  return firekeeper::Main({argv, static_cast<std::size_t>(argc)});
}
