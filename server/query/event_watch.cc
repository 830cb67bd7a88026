#include "server/query/event_watch.h"

#include <utility>

#include "absl/status/status.h"
#include "server/errors.h"
#include "server/query/diagnosis_codec.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kBatch = 64;

}  // namespace

EventWatch::EventWatch(std::shared_ptr<Run> run, std::uint64_t after_event_id,
                       CallRecord record)
    : run_(std::move(run)), record_(record), last_fetched_(after_event_id) {
  subscription_ = run_->events().Subscribe([link = link_] {
    const absl::MutexLock lock(&link->mutex);
    if (link->watch != nullptr) link->watch->Advance();
  });
  const absl::MutexLock lock(&link_->mutex);
  link_->watch = this;
  Advance();
}

void EventWatch::Advance() {
  if (writing_ || finished_) return;
  if (unsent_.empty()) {
    // Asked first: what was appended before it is closed is sent.
    const auto closed = run_->events().closed();
    for (RunEvent& event : run_->events().After(last_fetched_, kBatch)) {
      last_fetched_ = event.event_id;
      unsent_.push_back(std::move(event));
    }
    if (unsent_.empty()) {
      if (closed) FinishOnce(*closed);
      return;
    }
  }
  ToProto(unsent_.front(), run_->run_id(), response_.mutable_event());
  unsent_.pop_front();
  writing_ = true;
  StartWrite(&response_);
}

void EventWatch::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&link_->mutex);
  writing_ = false;
  if (!ok) {
    FinishOnce(absl::CancelledError("the client is gone"));
    return;
  }
  record_.Sent();
  Advance();
}

void EventWatch::OnCancel() {
  const absl::MutexLock lock(&link_->mutex);
  // A write that is on its way ends the call when it is done.
  if (!writing_) FinishOnce(absl::CancelledError("the call was cancelled"));
}

void EventWatch::FinishOnce(const absl::Status& status) {
  if (finished_) return;
  finished_ = true;
  const grpc::Status answer = ToGrpcStatus(status);
  record_.Finish(answer.error_code());
  Finish(answer);
}

void EventWatch::OnDone() {
  run_->events().Unsubscribe(subscription_);
  {
    const absl::MutexLock lock(&link_->mutex);
    link_->watch = nullptr;
  }
  delete this;
}

}  // namespace firekeeper::server
