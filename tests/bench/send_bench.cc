// What the Python programs of this folder need in C++, where an interpreter of
// their own would be in the way of what they measure:
//
//   send_bench watch ENDPOINT RUN MODE COUNT    the C++ client sends; seconds
//   send_bench pulse ENDPOINT RUN SECONDS       one snapshot at a time, acked;
//                                               when each ack came, how long it
//                                               took, both in microseconds
//   send_bench flood ENDPOINT RUN STREAMS SECONDS
//                                               sources of one run send as fast
//                                               as they are acked; snapshots
//                                               and bytes

#include <grpcpp/grpcpp.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "client/cpp/watcher.h"
#include "core/reduce.h"
#include "firekeeper/v1/ingest.grpc.pb.h"
#include "tests/bench/summaries.h"

namespace firekeeper::bench {
namespace {

using Clock = std::chrono::steady_clock;

// As in send_peers.py: 1 MiB of binary32.
constexpr std::int64_t kUnits = 4'096;
constexpr std::int64_t kRows = 64;
// Nothing may be dropped, or less is sent than is counted.
constexpr std::size_t kRingBytes = std::size_t{4} << 30U;
constexpr std::int64_t kPulseUnits = 64;
constexpr std::uint32_t kFloodLayers = 8;
constexpr std::int64_t kStreamsOfConnection = 8;
// Snapshots of a stream that are on their way: far less than its credit.
constexpr std::uint64_t kInFlight = 16;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "send_bench: %s\n", why.c_str());
  std::abort();
}

std::vector<float> Values(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 7) - 3.0F;
  }
  return values;
}

core::TensorView ViewOf(const std::vector<float>& values, std::int64_t units) {
  const std::array<std::int64_t, 2> shape = {
      static_cast<std::int64_t>(values.size()) / units, units};
  return {
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
}

// From the first snapshot until the server has them all.
void Watch(const std::string& endpoint, const std::string& run,
           client::SendMode mode, std::int64_t count) {
  client::WatcherOptions options;
  options.connection.endpoint = endpoint;
  options.run_id = run;
  options.launch_token = "bench";
  options.layers = {{.name = "fc",
                     .activation = {.kind = core::Activation::kRelu},
                     .unit_count = kUnits}};
  options.send_mode = mode;
  options.ring_bytes = kRingBytes;
  options.log = [](client::LogSeverity severity, const std::string& line) {
    if (severity != client::LogSeverity::kInfo) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
  };
  const std::vector<float> values = Values(kRows * kUnits);
  const core::TensorView view = ViewOf(values, kUnits);
  const auto begin = Clock::now();
  auto watcher = client::Watcher::Start(std::move(options));
  if (!watcher.ok()) Die(watcher.status().ToString());
  for (std::int64_t step = 0; step < count; ++step) {
    (*watcher)->Observe({.layer = "fc", .step = step}, view);
    (*watcher)->StepDone(step);
  }
  const bool done = (*watcher)->Close(std::chrono::minutes(5));
  const double seconds =
      std::chrono::duration<double>(Clock::now() - begin).count();
  if (!done || (*watcher)->counters().dropped > 0) Die("not all was sent");
  std::printf("%.6f\n", seconds);
}

struct Opening {
  std::string run;
  std::uint32_t source = 0;
  std::uint32_t sources = 1;
  std::uint32_t layers = 1;
  std::int64_t units = kPulseUnits;
};

std::string LayerName(std::uint32_t number) {
  return "fc" + std::to_string(number);
}

v1::StreamRequest OpenMessage(const Opening& opening) {
  v1::StreamRequest request;
  v1::Open* const open = request.mutable_open();
  open->set_run_id(opening.run);
  open->set_launch_token("bench");
  open->set_source(opening.source);
  open->set_source_count(opening.sources);
  open->set_instance_id(opening.source + 1);
  open->set_first_held_seq(1);
  for (std::uint32_t i = 0; i < opening.layers; ++i) {
    v1::Layer* const layer = open->add_layers();
    layer->set_name(LayerName(i));
    layer->set_order(i);
    layer->set_activation(v1::ACTIVATION_RELU);
    layer->set_unit_count(static_cast<std::uint64_t>(opening.units));
  }
  return request;
}

v1::StreamRequest BatchMessage(const std::string& layer, std::int64_t units) {
  v1::StreamRequest request;
  *request.mutable_batch()->add_snapshots() =
      SnapshotOf(layer, v1::SIGNAL_ACTIVATION, Activations(units));
  return request;
}

// One stream; acks are read where more than `in_flight` snapshots wait for one.
class Sender {
 public:
  Sender(v1::IngestService::Stub& stub, const Opening& opening)
      : stream_(stub.Stream(&context_)) {
    v1::StreamResponse opened;
    if (!stream_->Write(OpenMessage(opening)) || !stream_->Read(&opened)) {
      Die(stream_->Finish().error_message());
    }
  }
  ~Sender() {
    context_.TryCancel();
    stream_->Finish();
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void Send(v1::StreamRequest& batch, std::uint64_t in_flight) {
    batch.mutable_batch()->set_first_seq(++sent_);
    Write(batch);
    while (sent_ - acked_ > in_flight) ReadAck();
  }
  void Write(const v1::StreamRequest& request) {
    if (!stream_->Write(request)) Die("the stream ended");
  }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  void ReadAck() {
    v1::StreamResponse response;
    if (!stream_->Read(&response)) Die("the stream ended");
    if (response.has_reject()) Die(response.reject().status().message());
    if (response.has_ack()) acked_ = response.ack().accepted_seq();
  }

  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>>
      stream_;
  std::uint64_t sent_ = 0;
  std::uint64_t acked_ = 0;
};

// A connection of its own.
std::unique_ptr<v1::IngestService::Stub> Connect(const std::string& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::IngestService::NewStub(grpc::CreateCustomChannel(
      endpoint, grpc::InsecureChannelCredentials(), arguments));
}

std::int64_t Microseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration)
      .count();
}

// A snapshot is sent when the last one is acked: whatever holds up ingest
// shows as one long answer.
void Pulse(const std::string& endpoint, const std::string& run,
           std::int64_t seconds) {
  const auto stub = Connect(endpoint);
  Sender sender(*stub, {.run = run});
  v1::StreamRequest request = BatchMessage(LayerName(0), kPulseUnits);
  std::vector<std::pair<Clock::time_point, Clock::duration>> acks;
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  while (Clock::now() < end) {
    // All of one window, told apart by their part: no window closes meanwhile.
    request.mutable_batch()->mutable_snapshots(0)->set_part(
        static_cast<std::uint32_t>(sender.sent()));
    const auto begin = Clock::now();
    sender.Send(request, 0);
    const auto now = Clock::now();
    acks.emplace_back(now, now - begin);
  }
  for (const auto& [when, took] : acks) {
    std::printf("%lld %lld\n",
                static_cast<long long>(Microseconds(when.time_since_epoch())),
                static_cast<long long>(Microseconds(took)));
  }
}

// Snapshots of all layers, step by step. Returns how many bytes they had.
std::uint64_t SendSteps(Sender& sender, Clock::time_point end) {
  std::vector<v1::StreamRequest> layers;
  for (std::uint32_t i = 0; i < kFloodLayers; ++i) {
    layers.push_back(BatchMessage(LayerName(i), kUnits));
  }
  v1::StreamRequest progress;
  for (std::int64_t step = 0; Clock::now() < end; ++step) {
    for (v1::StreamRequest& layer : layers) {
      layer.mutable_batch()->mutable_snapshots(0)->set_step(step);
      sender.Send(layer, kInFlight);
    }
    progress.mutable_progress()->set_complete_through_step(step);
    progress.mutable_progress()->clear_sampled_steps();
    progress.mutable_progress()->add_sampled_steps(step);
    sender.Write(progress);
  }
  return sender.sent() * layers.front().ByteSizeLong();
}

void Flood(const std::string& endpoint, const std::string& run,
           std::int64_t streams, std::int64_t seconds) {
  std::vector<std::unique_ptr<v1::IngestService::Stub>> stubs;
  std::vector<std::unique_ptr<Sender>> senders;
  for (std::int64_t i = 0; i < streams; ++i) {
    if (i % kStreamsOfConnection == 0) stubs.push_back(Connect(endpoint));
    senders.push_back(std::make_unique<Sender>(
        *stubs.back(), Opening{.run = run,
                               .source = static_cast<std::uint32_t>(i),
                               .sources = static_cast<std::uint32_t>(streams),
                               .layers = kFloodLayers,
                               .units = kUnits}));
  }
  std::printf("open\n");
  std::fflush(stdout);
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  std::atomic<std::uint64_t> bytes{0};
  {
    std::vector<std::jthread> threads;
    threads.reserve(senders.size());
    for (const auto& sender : senders) {
      threads.emplace_back([&] { bytes += SendSteps(*sender, end); });
    }
  }
  std::uint64_t snapshots = 0;
  for (const auto& sender : senders) snapshots += sender->sent();
  std::printf("%llu %llu\n", static_cast<unsigned long long>(snapshots),
              static_cast<unsigned long long>(bytes.load()));
}

std::int64_t Number(const std::string& text) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 1) {
    Die(text + " is no positive number");
  }
  return value;
}

int Main(const std::vector<std::string>& words) {
  if (words.size() == 6 && words[1] == "watch") {
    Watch(words[2], words[3],
          words[4] == "tensors" ? client::SendMode::kTensor
                                : client::SendMode::kSummary,
          Number(words[5]));
    return 0;
  }
  if (words.size() == 5 && words[1] == "pulse") {
    Pulse(words[2], words[3], Number(words[4]));
    return 0;
  }
  if (words.size() == 6 && words[1] == "flood") {
    Flood(words[2], words[3], Number(words[4]), Number(words[5]));
    return 0;
  }
  std::fprintf(stderr,
               "usage: send_bench watch ENDPOINT RUN summaries|tensors COUNT\n"
               "       send_bench pulse ENDPOINT RUN SECONDS\n"
               "       send_bench flood ENDPOINT RUN STREAMS SECONDS\n");
  return 2;
}

}  // namespace
}  // namespace firekeeper::bench

int main(int argc, char** argv) {
  return firekeeper::bench::Main({argv, argv + argc});
}
