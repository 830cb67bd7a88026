// Whatever a client sends, a session neither crashes nor keeps memory, and the
// sequence it acks never shrinks. Input: length-delimited StreamRequests.

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/errors.h"
#include "server/ingest/session.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::server {
namespace {

using testing::Require;

// Small, so that inputs of a fuzzer reach them.
Limits FuzzLimits() {
  Limits limits;
  limits.max_units_per_layer = 4'096;
  limits.max_units_per_run = 8'192;
  limits.max_layers_per_run = 16;
  limits.max_tensor_bytes = std::uint64_t{1} << 20U;
  limits.max_state_bytes = std::size_t{8} << 20U;
  limits.credit_window_bytes = std::size_t{64} << 10U;
  return limits;
}

// Follows the answers and requires that they do not contradict each other.
class Reader {
 public:
  void Read(const std::vector<v1::StreamResponse>& responses) {
    for (const v1::StreamResponse& response : responses) {
      if (response.has_opened()) Accept(response.opened().accepted_seq());
      if (response.has_ack()) Accept(response.ack().accepted_seq());
      if (response.has_reject()) {
        Require(response.reject().seq() > accepted_,
                "a rejected number is new");
        Require(response.reject().status().message().size() <= 1'024,
                "messages are bounded");
      }
    }
  }

 private:
  void Accept(std::uint64_t seq) {
    Require(seq >= accepted_, "acks never shrink");
    accepted_ = seq;
  }

  std::uint64_t accepted_ = 0;
};

void Drive(Registry& registry, const std::uint8_t* data, std::size_t size) {
  google::protobuf::io::ArrayInputStream input(data, static_cast<int>(size));
  IngestSession session(registry, "tenant", [](const std::string&) {});
  Reader reader;
  bool clean_end = false;
  v1::StreamRequest request;
  while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(
      &request, &input, &clean_end)) {
    std::vector<v1::StreamResponse> responses;
    const absl::Status status =
        session.OnMessage(request, request.ByteSizeLong(), &responses);
    reader.Read(responses);
    Require(registry.memory().used() <= registry.memory().limit(),
            "the memory budget holds");
    Require(ToGrpcStatus(status).error_message().size() <= 1'024,
            "messages are bounded");
    if (!status.ok() || session.closed()) return;
    request.Clear();
  }
}

void Forget(Registry& registry) {
  for (const auto& run : registry.All()) {
    for (const auto& layer : run->Layers()) {
      (void)layer->View(run->UnitCount());
    }
    (void)run->View(registry.Now());
    const absl::Status deleted =
        registry.Delete({.tenant = run->tenant(), .run_id = run->run_id()});
    Require(deleted.ok(), "a listed run can be deleted");
  }
}

}  // namespace
}  // namespace firekeeper::server

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  // A line for every input that is no message, otherwise.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using firekeeper::server::Registry;
  Registry registry(firekeeper::server::FuzzLimits(),
                    firekeeper::server::StateSettings{},
                    [] { return absl::FromUnixSeconds(1'000'000); });
  firekeeper::server::Drive(registry, data, size);
  firekeeper::server::Forget(registry);
  firekeeper::testing::Require(registry.memory().used() == 0,
                               "all memory is given back");
  return 0;
}
