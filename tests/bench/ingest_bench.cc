// Ingest over loopback beside servers that do less: one that receives the same
// messages and throws them away, and one that reads the same bytes from a plain
// socket and reduces them. Servers are processes of their own, all measured in
// turn; only the ratios mean something on a shared machine.
//
//   ingest_bench [--rounds N]

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/reduce.h"
#include "firekeeper/v1/ingest.grpc.pb.h"
#include "server/grpc_limits.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"
#include "tests/bench/measure.h"
#include "tests/bench/summaries.h"

namespace firekeeper::bench {
namespace {

constexpr std::int64_t kUnits = 1'024;
constexpr std::int64_t kRows = 256;  // 1 MiB of binary32
constexpr std::size_t kChunkBytes = kUnits * kRows * sizeof(float);
constexpr std::uint64_t kMessages = 512;
constexpr double kGigabytes = kMessages * kChunkBytes / 1e9;
constexpr std::int64_t kSummaryUnits = 4'096;
constexpr std::uint64_t kSummaries = 2'048;
constexpr std::size_t kStreams = 16;
constexpr std::size_t kConnections = 4;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "ingest_bench: %s\n", why.c_str());
  std::abort();
}

// What the kernel of the table is asked for.
core::ReduceOptions Options() {
  return {.rule = core::FiringRule::Positive(),
          .columns = core::ColumnsFor(core::Signal::kActivation, true)};
}

std::vector<float> Values(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 7) - 3.0F;
  }
  return values;
}

core::TensorLayout LayoutOf(std::int64_t rows, std::int64_t units) {
  const std::array<std::int64_t, 2> shape = {rows, units};
  return *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0);
}

// Reads every message and acks it, as ingest does, without looking inside.
class DiscardReactor final
    : public grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse> {
 public:
  DiscardReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    ++messages_;
    response_.mutable_ack()->set_accepted_seq(messages_);
    response_.mutable_ack()->set_credit_bytes(UINT64_MAX);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  v1::StreamRequest request_;
  v1::StreamResponse response_;
  std::uint64_t messages_ = 0;
};

class DiscardService final : public v1::IngestService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse>* Stream(
      grpc::CallbackServerContext* /*context*/) override {
    return new DiscardReactor();
  }
};

// Tells the parent where to find this server, and serves until it is killed.
[[noreturn]] void Announce(int port) {
  std::printf("%d\n", port);
  std::fflush(stdout);
  for (;;) pause();
}

server::Options ServerOptions() {
  server::Options options;
  options.port = 0;
  options.http_port = 0;
  return options;
}

void ServeOurs() {
  server::TuneMalloc();
  server::Logger logger(server::LogFormat::kText, server::LogLevel::kError,
                        std::cerr);
  const auto ours = server::Server::Start(ServerOptions(), logger);
  if (!ours.ok()) Die(ours.status().ToString());
  Announce(static_cast<int>((*ours)->port()));
}

void ServeDiscard() {
  server::TuneMalloc();
  DiscardService discard;
  grpc::ServerBuilder builder;
  server::SetGrpcLimits(ServerOptions(), &builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&discard);
  const auto bare = builder.BuildAndStart();
  Announce(port);
}

bool ReadAll(int socket, std::byte* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(socket, to, size);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// Reduces every tensor that comes and answers with one byte.
void ReduceFrom(int socket) {
  const core::TensorLayout layout = LayoutOf(kRows, kUnits);
  core::Reducer reducer;
  std::vector<std::byte> tensor(kChunkBytes);
  while (ReadAll(socket, tensor.data(), tensor.size())) {
    if (!reducer.Begin(layout, Options(), {}, 1.0).ok() ||
        !reducer.Add(tensor).ok() || !reducer.Finish().ok()) {
      Die("a tensor was refused");
    }
    const char done = '+';
    if (write(socket, &done, 1) != 1) break;
  }
  close(socket);
}

void ServeSocket() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, plain, size) != 0 || listen(listener, 8) != 0 ||
      getsockname(listener, plain, &size) != 0) {
    Die("no socket to listen on");
  }
  std::jthread accepting([listener] {
    for (;;) ReduceFrom(accept(listener, nullptr, nullptr));
  });
  Announce(ntohs(address.sin_port));
}

// A server of this program in a process of its own.
class ServerProcess {
 public:
  ServerProcess(const char* program, const char* kind) {
    std::array<int, 2> pipe_ends{};
    if (pipe(pipe_ends.data()) != 0) Die("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    std::array<std::string, 3> words = {program, "serve", kind};
    const std::array<char*, 4> arguments = {words[0].data(), words[1].data(),
                                            words[2].data(), nullptr};
    const int failed = posix_spawn(&pid_, program, &actions, nullptr,
                                   arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    std::array<char, 16> text{};
    if (failed != 0 || read(pipe_ends[0], text.data(), text.size() - 1) <= 0 ||
        !absl::SimpleAtoi(text.data(), &port_)) {
      Die(std::string("no server of kind ") + kind);
    }
    close(pipe_ends[0]);
  }
  ~ServerProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string target() const {
    return "127.0.0.1:" + std::to_string(port_);
  }
  // User and system time so far.
  [[nodiscard]] double CpuSeconds() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(file, line);
    // Behind the name, which may hold blanks: the state, then numbers.
    std::istringstream rest(line.substr(line.rfind(')') + 2));
    const std::vector<std::string> fields(
        std::istream_iterator<std::string>(rest), {});
    return (std::stod(fields[11]) + std::stod(fields[12])) /
           static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = 0;
  int port_ = 0;
};

std::string UniqueRun() {
  static int runs = 0;
  return "bench-" + std::to_string(++runs);
}

v1::Open MakeOpen(const std::string& run, std::int64_t units) {
  v1::Open open;
  open.set_run_id(run);
  open.set_launch_token("bench");
  open.set_source_count(1);
  open.set_instance_id(1);
  open.set_first_held_seq(1);
  v1::Layer* const layer = open.add_layers();
  layer->set_name("fc");
  layer->set_activation(v1::ACTIVATION_RELU);
  layer->set_unit_count(static_cast<std::uint64_t>(units));
  return open;
}

v1::Snapshot MakeKey() {
  v1::Snapshot snapshot;
  snapshot.set_layer("fc");
  snapshot.set_signal(v1::SIGNAL_ACTIVATION);
  snapshot.set_phase(v1::PHASE_TRAIN);
  return snapshot;
}

v1::Snapshot MakeTensor() {
  v1::Snapshot snapshot = MakeKey();
  v1::Tensor* const tensor = snapshot.mutable_tensor();
  tensor->set_data_type(v1::DATA_TYPE_F32);
  tensor->add_shape(kRows);
  tensor->add_shape(kUnits);
  tensor->set_unit_axis(1);
  tensor->set_cluster_axis(0);
  const std::vector<float> values = Values(kRows * kUnits);
  tensor->set_data(values.data(), values.size() * sizeof(float));
  return snapshot;
}

v1::Snapshot MakeSummary() {
  return SnapshotOf("fc", v1::SIGNAL_ACTIVATION, Activations(kSummaryUnits));
}

// Of values of both signs.
v1::Snapshot MakeSignedSummary() {
  return SnapshotOf("fc", v1::SIGNAL_OUTPUT_GRADIENT,
                    PreActivations(kSummaryUnits));
}

double BytesPerUnit(const v1::Snapshot& snapshot) {
  return static_cast<double>(snapshot.ByteSizeLong()) / kSummaryUnits;
}

using Stub = v1::IngestService::Stub;

// A connection of its own.
std::unique_ptr<Stub> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::IngestService::NewStub(grpc::CreateCustomChannel(
      target, grpc::InsecureChannelCredentials(), arguments));
}

// Streams `snapshot` so many times, step by step, until all are acked.
void StreamAll(Stub& stub, const v1::Open& open, const v1::Snapshot& snapshot,
               std::uint64_t count) {
  grpc::ClientContext context;
  const auto stream = stub.Stream(&context);
  v1::StreamRequest request;
  *request.mutable_open() = open;
  v1::StreamResponse opened;
  if (!stream->Write(request) || !stream->Read(&opened)) {
    Die(stream->Finish().error_message());
  }
  *request.mutable_batch()->add_snapshots() = snapshot;
  std::jthread reader([&stream, count] {
    v1::StreamResponse response;
    while (stream->Read(&response)) {
      if (response.has_reject()) Die(response.reject().DebugString());
      if (response.ack().accepted_seq() >= count) return;
    }
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    request.mutable_batch()->set_first_seq(i + 1);
    request.mutable_batch()->mutable_snapshots(0)->set_step(
        static_cast<std::int64_t>(i));
    if (!stream->Write(request)) Die("the stream ended");
  }
  reader.join();
  context.TryCancel();
  stream->Finish();
}

void StreamTensors(const std::string& target) {
  static const v1::Snapshot kTensor = MakeTensor();
  StreamAll(*Connect(target), MakeOpen(UniqueRun(), kUnits), kTensor,
            kMessages);
}

// As many bytes on several streams at once.
void StreamTensorsTogether(const std::string& target) {
  static const v1::Snapshot kTensor = MakeTensor();
  std::vector<std::unique_ptr<Stub>> connections;
  for (std::size_t i = 0; i < kConnections; ++i) {
    connections.push_back(Connect(target));
  }
  std::vector<std::jthread> streams;
  for (std::size_t i = 0; i < kStreams; ++i) {
    Stub& stub = *connections[i % kConnections];
    streams.emplace_back([&stub, open = MakeOpen(UniqueRun(), kUnits)] {
      StreamAll(stub, open, kTensor, kMessages / kStreams);
    });
  }
}

void StreamSummaries(const std::string& target) {
  static const v1::Snapshot kSummary = MakeSummary();
  StreamAll(*Connect(target), MakeOpen(UniqueRun(), kSummaryUnits), kSummary,
            kSummaries);
}

void ReportSummaries(const std::string& target) {
  static const v1::Snapshot kSummary = MakeSummary();
  const auto stub = Connect(target);
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen(UniqueRun(), kSummaryUnits);
  *request.add_batches()->add_snapshots() = kSummary;
  for (std::uint64_t i = 0; i < kSummaries; ++i) {
    v1::Batch& batch = *request.mutable_batches(0);
    batch.set_first_seq(i + 1);
    batch.mutable_snapshots(0)->set_step(static_cast<std::int64_t>(i));
    grpc::ClientContext context;
    v1::ReportResponse response;
    const grpc::Status status = stub->Report(&context, request, &response);
    if (!status.ok() || response.rejects_size() > 0) {
      Die(status.error_message() + response.DebugString());
    }
  }
}

void SendToSocket(int port) {
  static const std::vector<float> kValues = Values(kRows * kUnits);
  const int to = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (connect(to, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Die("the plain server is not there");
  }
  std::jthread reader([to] {
    std::array<std::byte, kMessages> answers{};
    if (!ReadAll(to, answers.data(), answers.size())) Die("no answer");
  });
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    const auto* from = reinterpret_cast<const char*>(kValues.data());
    for (std::size_t left = kChunkBytes; left > 0;) {
      const ssize_t sent = write(to, from, left);
      if (sent <= 0) Die("the plain server is gone");
      from += sent;
      left -= static_cast<std::size_t>(sent);
    }
  }
  reader.join();
  close(to);
}

void MeasureTensors(const char* program, int rounds) {
  const ServerProcess ours(program, "ours");
  const ServerProcess discard(program, "discard");
  const ServerProcess plain(program, "socket");
  const auto stream_ours = [&] { StreamTensors(ours.target()); };
  const auto stream_discard = [&] { StreamTensors(discard.target()); };
  PrintMeasure("ingest_over_discard",
               TimesFaster(rounds, stream_discard, stream_ours));
  PrintMeasure("ingest_over_socket",
               TimesFaster(
                   rounds, [&] { SendToSocket(plain.port()); }, stream_ours));
  PrintMeasure("ingest_16_streams", TimesFaster(rounds, stream_ours, [&] {
                 StreamTensorsTogether(ours.target());
               }));
  std::vector<double> cpu;
  for (int round = 0; round < rounds; ++round) {
    const double discard_before = discard.CpuSeconds();
    stream_discard();
    const double of_discard = discard.CpuSeconds() - discard_before;
    const double ours_before = ours.CpuSeconds();
    stream_ours();
    cpu.push_back((ours.CpuSeconds() - ours_before) / of_discard);
  }
  PrintMeasure("ingest_cpu", cpu);
  PrintMeasure("idle_ingest",
               TimesFaster(rounds, stream_discard, stream_discard));
  std::printf("one stream: %.2f GB/s of tensors\n",
              kGigabytes / SecondsOf(stream_ours));
}

void MeasureSummaries(const char* program, int rounds) {
  const ServerProcess ours(program, "ours");
  PrintMeasure("summaries_stream_over_unary",
               TimesFaster(
                   rounds, [&] { ReportSummaries(ours.target()); },
                   [&] { StreamSummaries(ours.target()); }));
  PrintMeasure("summary_bytes_per_unit", {BytesPerUnit(MakeSummary())});
  PrintMeasure("summary_bytes_of_signed_values",
               {BytesPerUnit(MakeSignedSummary())});
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 2 ? argv[1] : "";
  if (command == "serve") {
    const std::string_view kind = argv[2];
    if (kind == "ours") ServeOurs();
    if (kind == "discard") ServeDiscard();
    if (kind == "socket") ServeSocket();
    return 2;
  }
  int rounds = 7;
  if (argc != 1 && (command != "--rounds" ||
                    !absl::SimpleAtoi(argv[2], &rounds) || rounds < 1)) {
    std::fprintf(stderr, "usage: ingest_bench [--rounds N]\n");
    return 2;
  }
  MeasureTensors(argv[0], rounds);
  MeasureSummaries(argv[0], rounds);
  return 0;
}

}  // namespace
}  // namespace firekeeper::bench

int main(int argc, char** argv) { return firekeeper::bench::Main(argc, argv); }
