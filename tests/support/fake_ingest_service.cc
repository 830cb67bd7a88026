#include "tests/support/fake_ingest_service.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace firekeeper::testing {

// One stream.
struct FakeIngestService::Session {
  std::uint64_t instance_id = 0;
  std::uint64_t accepted = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t credit_bytes = 0;
  std::uint64_t folded = 0;
  std::int64_t watermark = -1;
  std::optional<v1::Snapshot> tensor;  // the one in flight
  std::uint32_t next_chunk = 0;
  bool opened = false;
  bool closed = false;
  std::vector<v1::StreamResponse> responses;
};

grpc::Status FakeIngestService::Stream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* stream) {
  Session session;
  v1::StreamRequest request;
  {
    const absl::MutexLock lock(&mutex_);
    const auto& metadata = context->client_metadata();
    const auto found = metadata.find("authorization");
    if (found != metadata.end()) {
      record_.authorization =
          std::string(found->second.data(), found->second.size());
    }
  }
  while (stream->Read(&request)) {
    grpc::Status status;
    {
      const absl::MutexLock lock(&mutex_);
      status = OnRequest(request, session);
    }
    for (const auto& response : session.responses) stream->Write(response);
    session.responses.clear();
    if (!status.ok() || session.closed) return status;
  }
  return grpc::Status::OK;
}

grpc::Status FakeIngestService::OnRequest(const v1::StreamRequest& request,
                                          Session& session) {
  if (request.has_open() == session.opened) {
    return Violation(grpc::StatusCode::FAILED_PRECONDITION,
                     "Open is not first, or not only first");
  }
  if (request.has_open()) {
    if (!script_.refuse_open.ok()) return script_.refuse_open;
    record_.opens.push_back(request.open());
    session.opened = true;
    session.instance_id = request.open().instance_id();
    session.accepted = accepted_[session.instance_id];
    session.credit_bytes = script_.credit_window;
    v1::Opened& opened = *session.responses.emplace_back().mutable_opened();
    opened.set_attempt(1);
    opened.set_accepted_seq(session.accepted);
    opened.set_durable_seq(session.accepted);
    opened.set_durability(script_.durability);
    opened.set_credit_bytes(session.credit_bytes);
    return grpc::Status::OK;
  }
  session.received_bytes += request.ByteSizeLong();
  if (session.received_bytes > session.credit_bytes) {
    return Violation(grpc::StatusCode::RESOURCE_EXHAUSTED, "beyond the credit");
  }
  grpc::Status status;
  if (request.has_batch()) status = OnBatch(request.batch(), session);
  if (request.has_gap()) status = OnGap(request.gap(), session);
  if (request.has_progress()) status = OnProgress(request.progress(), session);
  if (!status.ok()) return status;
  if (request.has_close()) {
    if (request.close().final_seq() != session.accepted) {
      return Violation(grpc::StatusCode::OUT_OF_RANGE, "Close leaves a hole");
    }
    ++record_.closes;
    session.closed = true;
  }
  accepted_[session.instance_id] = session.accepted;
  if (script_.fence) {
    session.responses.emplace_back().mutable_fenced()->set_reason("superseded");
    return {grpc::StatusCode::ABORTED, "superseded"};
  }
  if (script_.never_ack) return grpc::Status::OK;
  session.credit_bytes = session.received_bytes + script_.credit_window;
  v1::Ack& ack = *session.responses.emplace_back().mutable_ack();
  ack.set_accepted_seq(session.accepted);
  ack.set_durable_seq(session.accepted);
  ack.set_credit_bytes(session.credit_bytes);
  return grpc::Status::OK;
}

grpc::Status FakeIngestService::OnBatch(const v1::Batch& batch,
                                        Session& session) {
  for (int i = 0; i < batch.snapshots_size(); ++i) {
    const std::uint64_t seq = batch.first_seq() + static_cast<std::uint64_t>(i);
    grpc::Status status = OnSnapshot(batch.snapshots(i), seq, session);
    if (!status.ok()) return status;
    if (script_.die_after > 0 && session.folded >= script_.die_after) {
      accepted_[session.instance_id] = session.accepted;
      return {grpc::StatusCode::UNAVAILABLE, "dies as told"};
    }
  }
  return grpc::Status::OK;
}

bool FakeIngestService::TakeChunk(const v1::Snapshot& snapshot,
                                  Session& session) {
  const v1::Tensor& chunk = snapshot.tensor();
  if (chunk.chunk_index() != session.next_chunk) return false;
  if (chunk.chunk_index() == 0) {
    session.tensor = snapshot;
    return true;
  }
  std::string& data = *session.tensor->mutable_tensor()->mutable_data();
  if (chunk.byte_offset() != data.size()) return false;
  data.append(chunk.data());
  return true;
}

grpc::Status FakeIngestService::OnSnapshot(const v1::Snapshot& snapshot,
                                           std::uint64_t seq,
                                           Session& session) {
  if (seq <= session.accepted) return grpc::Status::OK;
  if (seq != session.accepted + 1) {
    return Violation(grpc::StatusCode::OUT_OF_RANGE,
                     absl::StrCat("hole before ", seq));
  }
  if (snapshot.tensor().chunk_count() > 1) {
    ++record_.chunks;
    if (!TakeChunk(snapshot, session)) {
      return Violation(grpc::StatusCode::FAILED_PRECONDITION, "chunk order");
    }
    if (++session.next_chunk < snapshot.tensor().chunk_count()) {
      return grpc::Status::OK;
    }
    session.next_chunk = 0;
  }
  session.accepted = seq;
  ++session.folded;
  if (seq == script_.reject_seq) {
    v1::Reject& reject = *session.responses.emplace_back().mutable_reject();
    reject.set_seq(seq);
    reject.mutable_status()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
    reject.mutable_status()->set_message("rejected as told");
    return grpc::Status::OK;
  }
  record_.snapshots[seq] = session.tensor ? *session.tensor : snapshot;
  session.tensor.reset();
  return grpc::Status::OK;
}

grpc::Status FakeIngestService::OnGap(const v1::Gap& gap, Session& session) {
  record_.gaps.push_back(gap);
  if (gap.from_seq() > session.accepted + 1 || gap.from_seq() > gap.to_seq() ||
      gap.first_step() > gap.last_step() || session.next_chunk != 0) {
    return Violation(grpc::StatusCode::OUT_OF_RANGE, "malformed gap");
  }
  session.accepted = std::max(session.accepted, gap.to_seq());
  return grpc::Status::OK;
}

grpc::Status FakeIngestService::OnProgress(const v1::Progress& progress,
                                           Session& session) {
  record_.progresses.push_back(progress);
  if (progress.complete_through_step() < session.watermark) {
    return Violation(grpc::StatusCode::INVALID_ARGUMENT, "watermark shrinks");
  }
  session.watermark = progress.complete_through_step();
  return grpc::Status::OK;
}

grpc::Status FakeIngestService::Violation(grpc::StatusCode code,
                                          const std::string& what) {
  record_.violations.push_back(what);
  return {code, what};
}

void FakeIngestService::SetScript(const IngestScript& script) {
  const absl::MutexLock lock(&mutex_);
  script_ = script;
}

IngestRecord FakeIngestService::record() const {
  const absl::MutexLock lock(&mutex_);
  return record_;
}

bool FakeIngestService::WaitFor(
    const std::function<bool(const IngestRecord&)>& condition) const {
  const absl::MutexLock lock(&mutex_);
  const auto holds = [this, &condition]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                         mutex_) { return condition(record_); };
  return mutex_.AwaitWithTimeout(absl::Condition(&holds), absl::Seconds(10));
}

FakeServer::FakeServer(const std::string& name)
    : path_(absl::StrCat("/tmp/firekeeper-", getpid(), "-", name, ".sock")),
      endpoint_("unix:" + path_) {}

FakeServer::~FakeServer() {
  if (server_ != nullptr) Stop();
  (void)unlink(path_.c_str());
}

void FakeServer::Start(const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(endpoint_, grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  server_ = builder.BuildAndStart();
}

void FakeServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void FakeServer::Stop() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

}  // namespace firekeeper::testing
