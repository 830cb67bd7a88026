#include "client/cpp/stream_runner.h"

#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/channel.h"
#include "client/cpp/grpc_status.h"

namespace firekeeper::client {

namespace {

StreamSession::Time Now() { return std::chrono::steady_clock::now(); }

}  // namespace

StreamRunner::StreamRunner(WatcherState& state, ChannelFactory make_channel,
                           ConnectionOptions connection, LogFunction log)
    : state_(state),
      make_channel_(std::move(make_channel)),
      connection_(std::move(connection)),
      log_(std::move(log)) {}

void StreamRunner::Run() noexcept {
  std::string failure;
  try {
    RunStreams();
  } catch (const std::exception& error) {
    // Out of memory or threads: training has nothing to do with it.
    failure = error.what();
  }
  {
    const absl::MutexLock lock(&state_.mutex);
    state_.session.Finish(failure.empty() ? ConnectionState::kClosed
                                          : ConnectionState::kFailed);
  }
  if (!failure.empty()) log_(LogSeverity::kError, "sender ended: " + failure);
}

void StreamRunner::RunStreams() {
  while (true) {
    const StreamEnd end = RunStream();
    std::optional<std::chrono::milliseconds> delay;
    {
      const absl::MutexLock lock(&state_.mutex);
      if (cancelled_) {
        // The last words may have got through although time was up.
        if (end.status.ok()) (void)state_.session.End(end, Now());
        return;
      }
      delay = state_.session.End(end, Now());
    }
    WriteLog();
    if (!delay) return;
    WaitBeforeRetry(*delay);
  }
}

StreamEnd StreamRunner::RunStream() {
  v1::StreamRequest open;
  grpc::ClientContext* context = nullptr;
  {
    const absl::MutexLock lock(&state_.mutex);
    if (cancelled_) return {.status = absl::CancelledError("closed")};
    context_ = std::make_unique<grpc::ClientContext>();
    context = context_.get();
    received_all_ = false;
    given_up_ = absl::OkStatus();
    open = state_.session.Begin(Now());
  }
  Authorize(connection_, context);

  const auto stub = v1::IngestService::NewStub(make_channel_());
  const auto stream = stub->Stream(context);
  {
    const std::jthread receiver([this, &stream] { Receive(*stream); });
    Send(open, *stream);
  }
  const absl::Status status = ToAbsl(stream->Finish());

  const absl::MutexLock lock(&state_.mutex);
  context_.reset();
  if (!given_up_.ok()) return {.status = given_up_};
  return {.status = status, .retry_after = RetryAfter(status)};
}

void StreamRunner::Send(const v1::StreamRequest& open, Stream& stream) {
  if (!stream.Write(open)) return;
  v1::StreamRequest request;
  while (const auto outgoing = WaitForNext()) {
    BuildRequest(*outgoing, &request);
    {
      const absl::MutexLock lock(&state_.mutex);
      state_.session.OnBuilt(request.ByteSizeLong());
    }
    WriteLog();
    if (!stream.Write(request)) return;
    if (request.has_close()) stream.WritesDone();
  }
}

std::optional<Outgoing> StreamRunner::WaitForNext() {
  const absl::MutexLock lock(&state_.mutex);
  while (!received_all_ && !cancelled_ && given_up_.ok()) {
    const StreamSession::Time now = Now();
    if (state_.session.TimedOut(now)) {
      GiveUp(absl::DeadlineExceededError("the server did not answer Open"));
      break;
    }
    if (auto outgoing = state_.session.Next(now)) return outgoing;
    state_.wake.WaitWithTimeout(
        &state_.mutex, absl::FromChrono(state_.session.WakeAt(now) - now));
  }
  return std::nullopt;
}

void StreamRunner::Receive(Stream& stream) {
  v1::StreamResponse response;
  while (stream.Read(&response)) {
    {
      const absl::MutexLock lock(&state_.mutex);
      const absl::Status status = state_.session.OnResponse(response, Now());
      if (!status.ok()) GiveUp(status);
      state_.wake.Signal();
    }
    WriteLog();
  }
  const absl::MutexLock lock(&state_.mutex);
  received_all_ = true;
  state_.wake.Signal();
}

void StreamRunner::WaitBeforeRetry(std::chrono::milliseconds delay) {
  const StreamSession::Time end = Now() + delay;
  const absl::MutexLock lock(&state_.mutex);
  while (!cancelled_ && Now() < end) {
    state_.wake.WaitWithTimeout(&state_.mutex, absl::FromChrono(end - Now()));
  }
}

void StreamRunner::GiveUp(const absl::Status& status) {
  if (given_up_.ok()) given_up_ = status;
  context_->TryCancel();
}

void StreamRunner::Cancel() {
  const absl::MutexLock lock(&state_.mutex);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
  state_.wake.SignalAll();
}

void StreamRunner::WriteLog() {
  std::vector<LogLine> lines;
  {
    const absl::MutexLock lock(&state_.mutex);
    lines = state_.session.TakeLog();
  }
  for (const LogLine& line : lines) log_(line.severity, line.text);
}

}  // namespace firekeeper::client
