#include "server/ingest/stream_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/failpoint.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

// What a client that reads its answers needs to take the last of them.
constexpr absl::Duration kFlushTimeout = absl::Seconds(10);

}  // namespace

StreamReactor::StreamReactor(const StreamSurroundings& surroundings,
                             grpc::CallbackServerContext& context,
                             std::string tenant, const absl::Status& admitted)
    : surroundings_(surroundings),
      context_(context),
      tenant_(std::move(tenant)),
      record_(surroundings.metrics, Method::kStream),
      last_event_(surroundings.registry.Now()) {
  number_ = surroundings_.streams->Add(*this);
  if (admitted.ok()) {
    session_ = std::make_unique<IngestSession>(surroundings_.registry, tenant_,
                                               OnFenced());
  }
  const absl::MutexLock lock(&mutex_);
  if (!admitted.ok()) EndLocked(admitted);
  Advance();
}

void StreamReactor::End(const absl::Status& status) {
  const absl::MutexLock lock(&mutex_);
  EndLocked(status);
  Advance();
}

void StreamReactor::OnCommitted() {
  if (!session_) return;
  const absl::MutexLock lock(&mutex_);
  if (ending_.has_value()) return;
  Failpoint("ack.begin");
  if (auto ack = session_->News()) {
    v1::StreamResponse response;
    *response.mutable_ack() = *std::move(ack);
    Enqueue(std::move(response));
  }
  EndIfDurable();
  Advance();
}

void StreamReactor::EndIfDurable() {
  if (!closed_ || !session_->IsDurable()) return;
  Failpoint("close.durable");
  EndLocked(absl::OkStatus());
}

void StreamReactor::Fence(const std::string& reason) {
  const absl::Status status = FenceStatus(reason);
  const absl::MutexLock lock(&mutex_);
  EndLocked(status);
  Advance();
}

void StreamReactor::Tick(absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  const absl::Duration quiet = now - last_event_;
  if (ending_.has_value()) {
    if (quiet > kFlushTimeout) context_.TryCancel();
    return;
  }
  if (!opened_ && quiet > surroundings_.open_timeout) {
    EndLocked(Refusal(
        absl::StatusCode::kDeadlineExceeded, "OPEN_MISSING",
        absl::StrCat("no open came within ",
                     absl::FormatDuration(surroundings_.open_timeout))));
  } else if (quiet > surroundings_.idle_timeout) {
    EndLocked(Overloaded(
        absl::StrCat("no message came for ",
                     absl::FormatDuration(surroundings_.idle_timeout)),
        std::chrono::seconds(1)));
  }
  Advance();
}

void StreamReactor::OnReadDone(bool ok) {
  {
    const absl::MutexLock lock(&mutex_);
    reading_ = false;
    // The client is done, with or without Close; its source may come back.
    if (!ok) EndLocked(absl::OkStatus());
    if (ending_.has_value()) return Advance();
    folding_ = true;
    last_event_ = surroundings_.registry.Now();
    // A name that will be refused must not reach the log.
    if (run_id_.empty() && CheckName("run_id", request_.open().run_id(),
                                     surroundings_.registry.limits())
                               .ok()) {
      run_id_ = request_.open().run_id();
    }
  }
  record_.Received();
  responses_.clear();
  const absl::Status status = Fold(&responses_);

  const absl::MutexLock lock(&mutex_);
  folding_ = false;
  if (!opened_ && status.ok()) {
    opened_ = true;
    surroundings_.logger.Info(
        "stream_opened", {{"tenant", tenant_},
                          {"run", run_id_},
                          {"source", std::uint64_t{request_.open().source()}},
                          {"peer", context_.peer()}});
  }
  for (v1::StreamResponse& response : responses_) Enqueue(std::move(response));
  if (!status.ok()) EndLocked(status);
  closed_ = session_->closed();
  EndIfDurable();
  Advance();
}

absl::Status StreamReactor::Fold(std::vector<v1::StreamResponse>* responses) {
  return session_->OnMessage(request_, request_.ByteSizeLong(), responses);
}

void StreamReactor::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  writing_ = false;
  queue_.pop_front();
  if (ok) {
    record_.Sent();
  } else {
    queue_.clear();
    EndLocked(absl::CancelledError("the client is gone"));
  }
  Advance();
}

void StreamReactor::OnCancel() {
  const absl::MutexLock lock(&mutex_);
  EndLocked(absl::CancelledError("the client cancelled the stream"));
  // Nobody reads them any more; the one on its way must stay where it is.
  while (queue_.size() > (writing_ ? 1U : 0U)) queue_.pop_back();
  Advance();
}

void StreamReactor::OnDone() {
  // After this no other thread finds the stream.
  surroundings_.streams->Remove(number_);
  surroundings_.logger.Debug("stream_closed",
                             {{"tenant", tenant_}, {"peer", context_.peer()}});
  delete this;
}

FenceFunction StreamReactor::OnFenced() const {
  // The run may hold the function for longer than the stream lives.
  return [streams = surroundings_.streams,
          number = number_](const std::string& reason) {
    streams->Visit(number,
                   [&](StreamReactor& stream) { stream.Fence(reason); });
  };
}

absl::Status StreamReactor::FenceStatus(const std::string& reason) const {
  RunKey key{.tenant = tenant_, .run_id = {}};
  {
    const absl::MutexLock lock(&mutex_);
    key.run_id = run_id_;
  }
  // A deleted run is gone from the registry before its streams hear of it.
  const auto run = surroundings_.registry.Find(key);
  if (!run.ok()) return run.status();
  return Refusal(absl::StatusCode::kAborted, "FENCED", reason);
}

void StreamReactor::EndLocked(const absl::Status& status) {
  if (ending_.has_value()) return;
  ending_ = status;
  last_event_ = surroundings_.registry.Now();
  if (status.code() == absl::StatusCode::kAborted && !fence_told_) {
    v1::StreamResponse response;
    response.mutable_fenced()->set_reason(std::string(status.message()));
    Enqueue(std::move(response));
  }
  if (status.ok() || absl::IsCancelled(status)) return;
  surroundings_.logger.Warning(
      status.code() == absl::StatusCode::kAborted ? "stream_fenced"
                                                  : "stream_refused",
      {{"tenant", tenant_},
       {"run", run_id_},
       {"peer", context_.peer()},
       {"code", absl::StatusCodeToString(status.code())},
       {"error", std::string(status.message())}});
}

void StreamReactor::Enqueue(v1::StreamResponse response) {
  // The session may notice the fence while the run reports it.
  if (response.has_fenced() && std::exchange(fence_told_, true)) return;
  // A commit may have been told while the message was folded.
  if (response.has_ack()) *response.mutable_ack() = session_->CurrentAck();
  const std::size_t unsent = queue_.size() - (writing_ ? 1U : 0U);
  if (unsent > 0 && response.has_ack() && queue_.back().has_ack()) {
    // Acks are cumulative: the newer one says it all.
    queue_.back() = std::move(response);
  } else {
    queue_.push_back(std::move(response));
  }
}

void StreamReactor::Advance() {
  if (!writing_ && !queue_.empty() && !finished_) {
    writing_ = true;
    StartWrite(&queue_.front());
  }
  if (ending_.has_value()) {
    if (finished_ || writing_ || folding_) return;
    finished_ = true;
    const grpc::Status status = ToGrpcStatus(*ending_);
    record_.Finish(status.error_code());
    Finish(status);
    return;
  }
  if (reading_ || folding_ || closed_ || queue_.size() > kMaxUnsent) return;
  reading_ = true;
  StartRead(&request_);
}

}  // namespace firekeeper::server
