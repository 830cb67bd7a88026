// Ingest of 1 MiB tensor chunks over loopback, beside a server with the same
// settings that receives the same messages and throws them away. One run, both
// in turn, medians: only the ratio means something on a shared machine.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "firekeeper/v1/ingest.grpc.pb.h"
#include "server/grpc_limits.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"

namespace firekeeper {
namespace {

constexpr std::int64_t kUnits = 1'024;
constexpr std::int64_t kRows = 256;  // 1 MiB of binary32
constexpr int kMessages = 512;
constexpr int kRounds = 7;

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

v1::StreamRequest OpenMessage(int round) {
  v1::StreamRequest request;
  v1::Open* open = request.mutable_open();
  open->set_run_id("bench-" + std::to_string(round));
  open->set_launch_token("bench");
  open->set_source_count(1);
  open->set_instance_id(1);
  open->set_first_held_seq(1);
  v1::Layer* layer = open->add_layers();
  layer->set_name("fc");
  layer->set_activation(v1::ACTIVATION_RELU);
  layer->set_unit_count(kUnits);
  return request;
}

v1::StreamRequest ChunkMessage() {
  v1::StreamRequest request;
  v1::Snapshot* snapshot = request.mutable_batch()->add_snapshots();
  snapshot->set_layer("fc");
  snapshot->set_signal(v1::SIGNAL_ACTIVATION);
  snapshot->set_phase(v1::PHASE_TRAIN);
  v1::Tensor* tensor = snapshot->mutable_tensor();
  tensor->set_data_type(v1::DATA_TYPE_F32);
  tensor->add_shape(kRows);
  tensor->add_shape(kUnits);
  tensor->set_unit_axis(1);
  tensor->set_cluster_axis(0);
  std::vector<float> values(static_cast<std::size_t>(kRows * kUnits));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 7) - 3.0F;
  }
  tensor->set_data(values.data(), values.size() * sizeof(float));
  return request;
}

// Seconds to have kMessages acked.
double Stream(const std::string& target, int round) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::IngestService::NewStub(grpc::CreateCustomChannel(
      target, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->Stream(&context);
  v1::StreamResponse opened;
  if (!stream->Write(OpenMessage(round)) || !stream->Read(&opened)) {
    std::fprintf(stderr, "%s\n", stream->Finish().error_message().c_str());
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing else runs yet
    std::exit(1);
  }
  v1::StreamRequest message = ChunkMessage();
  const auto begin = std::chrono::steady_clock::now();
  std::jthread reader([&stream] {
    v1::StreamResponse response;
    while (stream->Read(&response)) {
      if (response.has_reject()) std::abort();
      if (response.ack().accepted_seq() >= kMessages) return;
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    message.mutable_batch()->set_first_seq(static_cast<std::uint64_t>(i) + 1);
    message.mutable_batch()->mutable_snapshots(0)->set_step(i);
    if (!stream->Write(message)) std::abort();
  }
  reader.join();
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  context.TryCancel();
  stream->Finish();
  return seconds.count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

int Run() {
  server::TuneMalloc();
  server::Options options;
  options.port = 0;
  options.http_port = 0;
  server::Logger logger(server::LogFormat::kText, server::LogLevel::kError,
                        std::cerr);
  const auto ours = server::Server::Start(options, logger);
  if (!ours.ok()) {
    std::fprintf(stderr, "%s\n", ours.status().ToString().c_str());
    return 1;
  }
  DiscardService discard;
  grpc::ServerBuilder builder;
  server::SetGrpcLimits(options, &builder);
  int discard_port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &discard_port);
  builder.RegisterService(&discard);
  const auto bare = builder.BuildAndStart();

  const std::string our_target = "127.0.0.1:" + std::to_string((*ours)->port());
  const std::string bare_target = "127.0.0.1:" + std::to_string(discard_port);
  Stream(our_target, 0);
  Stream(bare_target, 0);
  std::vector<double> our_seconds;
  std::vector<double> bare_seconds;
  std::vector<double> ratios;
  for (int round = 1; round <= kRounds; ++round) {
    bare_seconds.push_back(Stream(bare_target, round));
    our_seconds.push_back(Stream(our_target, round));
    ratios.push_back(bare_seconds.back() / our_seconds.back());
  }
  const double gigabytes = kMessages * 1.048576e-3;
  std::printf("ingest with reduction and acks   %6.2f GB/s\n",
              gigabytes / Median(our_seconds));
  std::printf("bare receive and discard         %6.2f GB/s\n",
              gigabytes / Median(bare_seconds));
  std::printf("ratio, median of %d rounds        %6.2f (%.2f to %.2f)\n",
              kRounds, Median(ratios), *std::ranges::min_element(ratios),
              *std::ranges::max_element(ratios));
  bare->Shutdown();
  return 0;
}

}  // namespace
}  // namespace firekeeper

int main() { return firekeeper::Run(); }
