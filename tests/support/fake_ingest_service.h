// A scripted IngestService that keeps the protocol's rules (ingest.proto) and
// records what came: what the client library is tested against.

#pragma once

#include <grpcpp/server.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "firekeeper/v1/ingest.grpc.pb.h"

namespace firekeeper::testing {

// How the service behaves. May be changed at any time with SetScript().
struct IngestScript {
  // Every stream ends with this before Opened, unless OK.
  grpc::Status refuse_open = grpc::Status::OK;
  // Snapshots are folded in but never acked, and no credit is given.
  bool never_ack = false;
  // The stream ends with UNAVAILABLE after this many snapshots were folded in
  // on it. 0: never.
  std::uint64_t die_after = 0;
  // Refused with Reject.
  std::uint64_t reject_seq = 0;
  // Fenced instead of the first ack.
  bool fence = false;
  std::uint64_t credit_window = std::uint64_t{4} << 20;
  v1::Durability durability = v1::DURABILITY_NONE;
};

// What came, over all streams.
struct IngestRecord {
  std::vector<v1::Open> opens;
  // By sequence number, tensors put together from their chunks.
  std::map<std::uint64_t, v1::Snapshot> snapshots;
  std::vector<v1::Gap> gaps;
  std::vector<v1::Progress> progresses;
  std::uint64_t closes = 0;
  std::uint64_t chunks = 0;
  std::string authorization;
  // Rules that the client broke: holes, credit, chunk order, watermark.
  std::vector<std::string> violations;
};

// Thread-safe. Remembers its clients from stream to stream, as a server that
// was not restarted does.
class FakeIngestService final : public v1::IngestService::Service {
 public:
  grpc::Status Stream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* stream)
      override;

  void SetScript(const IngestScript& script);
  [[nodiscard]] IngestRecord record() const;
  // Waits for the record to be so. False after ten seconds: the test fails.
  [[nodiscard]] bool WaitFor(
      const std::function<bool(const IngestRecord&)>& condition) const;

 private:
  struct Session;

  grpc::Status OnRequest(const v1::StreamRequest& request, Session& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status OnBatch(const v1::Batch& batch, Session& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status OnSnapshot(const v1::Snapshot& snapshot, std::uint64_t seq,
                          Session& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds a chunk to the tensor it belongs to; false where it is out of order.
  static bool TakeChunk(const v1::Snapshot& snapshot, Session& session);
  grpc::Status OnGap(const v1::Gap& gap, Session& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status OnProgress(const v1::Progress& progress, Session& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Violation(grpc::StatusCode code, const std::string& what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  IngestScript script_ ABSL_GUARDED_BY(mutex_);
  IngestRecord record_ ABSL_GUARDED_BY(mutex_);
  // Accepted mark by instance_id.
  std::map<std::uint64_t, std::uint64_t> accepted_ ABSL_GUARDED_BY(mutex_);
};

// A gRPC server at a fixed address that can be stopped and started again.
class FakeServer {
 public:
  // `name` tells the sockets of different tests apart.
  explicit FakeServer(const std::string& name);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  // Requires: the other was called last; the services outlive it.
  void Start(const std::vector<grpc::Service*>& services);
  // Breaks every stream.
  void Stop();

  // What the health service says, where it is on.
  void SetServing(bool serving);

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  const std::string path_;
  const std::string endpoint_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace firekeeper::testing
