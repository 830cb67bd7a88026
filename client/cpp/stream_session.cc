#include "client/cpp/stream_session.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/retry_policy.h"

namespace firekeeper::client {

namespace {

// Errors that trying again rarely mends.
constexpr int kMaxRefusals = 5;

bool IsPowerOfTwo(std::uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

absl::Status ProtocolError(const std::string& what) {
  return absl::InternalError(absl::StrCat("the server ", what));
}

}  // namespace

StreamSession::StreamSession(v1::Open open, const SessionSettings& settings,
                             Ring& ring, ProgressLog& progress,
                             std::function<double()> random)
    : open_(std::move(open)),
      settings_(settings),
      ring_(ring),
      progress_(progress),
      backoff_(settings.backoff, std::move(random)) {}

bool StreamSession::final() const {
  return state_ == ConnectionState::kFenced ||
         state_ == ConnectionState::kFailed ||
         state_ == ConnectionState::kClosed;
}

v1::StreamRequest StreamSession::Begin(Time now) {
  assert(!final());
  state_ = ConnectionState::kConnecting;
  credit_bytes_ = 0;
  sent_bytes_ = 0;
  charged_bytes_ = 0;
  chunk_.reset();
  control_.reset();
  close_sent_ = false;
  began_ = now;
  throttled_until_ = now;
  v1::StreamRequest request;
  *request.mutable_open() = open_;
  request.mutable_open()->set_first_held_seq(ring_.first_held());
  return request;
}

bool StreamSession::TimedOut(Time now) const {
  return state_ == ConnectionState::kConnecting &&
         now - began_ >= settings_.open_timeout;
}

absl::Status StreamSession::OnResponse(const v1::StreamResponse& response,
                                       Time now) {
  const auto kind = response.message_case();
  const bool needs_opened =
      kind == v1::StreamResponse::kAck || kind == v1::StreamResponse::kReject;
  if (needs_opened && state_ != ConnectionState::kStreaming) {
    return ProtocolError("answered before Opened");
  }
  switch (kind) {
    case v1::StreamResponse::kOpened:
      return OnOpened(response.opened(), now);
    case v1::StreamResponse::kAck:
      return OnAck(response.ack());
    case v1::StreamResponse::kReject:
      OnReject(response.reject());
      break;
    case v1::StreamResponse::kThrottle:
      throttled_until_ = now + WaitOf(response.throttle().retry_after());
      break;
    case v1::StreamResponse::kFenced:
      fenced_ = true;
      last_error_ = response.fenced().reason();
      // The end of the stream is announced; it need not be waited for.
      return absl::AbortedError(last_error_);
    // Not sent by this version of the protocol; what a later one adds is not
    // ours to refuse.
    case v1::StreamResponse::kRedirect:
    case v1::StreamResponse::MESSAGE_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

absl::Status StreamSession::OnOpened(const v1::Opened& opened, Time now) {
  if (state_ != ConnectionState::kConnecting) {
    return ProtocolError("sent Opened twice");
  }
  if (opened.accepted_seq() >= ring_.next_seq()) {
    return ProtocolError(absl::StrCat("has snapshot ", opened.accepted_seq(),
                                      "; only ", ring_.next_seq() - 1,
                                      " were given"));
  }
  state_ = ConnectionState::kStreaming;
  ++streams_;
  durability_ = opened.durability();
  limits_ = opened.limits();
  credit_bytes_ = opened.credit_bytes();
  message_bytes_ = settings_.message_bytes;
  for (const std::uint64_t limit :
       {limits_.max_message_bytes(), limits_.credit_window_bytes()}) {
    // Half of it: two messages can then be on their way.
    if (limit > 0) message_bytes_ = std::min(message_bytes_, limit / 2);
  }
  message_bytes_ = std::max<std::size_t>(message_bytes_, 1);
  next_to_send_ = opened.accepted_seq() + 1;
  last_progress_ = now;
  Acknowledge(opened.accepted_seq(), opened.durable_seq());
  progress_.OnOpened(opened.accepted_seq());
  if (streams_ == 1 || error_logged_) {
    Log(LogSeverity::kInfo,
        absl::StrCat("streaming run ", open_.run_id(), ", attempt ",
                     opened.attempt(), ", source ", open_.source()));
  }
  error_logged_ = false;
  return absl::OkStatus();
}

absl::Status StreamSession::OnAck(const v1::Ack& ack) {
  // A tensor that is refused at its first chunk is acknowledged early.
  AbandonChunksOf(ack.accepted_seq());
  if (ack.accepted_seq() >= next_to_send_) {
    return ProtocolError(absl::StrCat("acknowledged snapshot ",
                                      ack.accepted_seq(), "; only ",
                                      next_to_send_ - 1, " were sent"));
  }
  credit_bytes_ = std::max(credit_bytes_, ack.credit_bytes());
  Acknowledge(ack.accepted_seq(), ack.durable_seq());
  return absl::OkStatus();
}

void StreamSession::Acknowledge(std::uint64_t accepted, std::uint64_t durable) {
  const std::uint64_t mark = durability_ == v1::DURABILITY_COMMITTED
                                 ? std::min(durable, accepted)
                                 : accepted;
  if (mark <= ring_.acked_seq()) return;
  ring_.AckThrough(mark);
  progress_.OnAcked(mark);
  refusals_ = 0;
  backoff_.Reset();
}

void StreamSession::OnReject(const v1::Reject& reject) {
  AbandonChunksOf(reject.seq());
  if (!ring_.Reject(reject.seq())) return;
  // Doubling distances: a run that is refused a million times is told so
  // twenty times.
  if (!IsPowerOfTwo(ring_.rejected())) return;
  Log(LogSeverity::kWarning,
      absl::StrCat("the server refused snapshot ", reject.seq(), ": ",
                   reject.status().message(), " (", ring_.rejected(),
                   " refused so far)"));
}

void StreamSession::AbandonChunksOf(std::uint64_t seq) {
  if (!chunk_ || chunk_->seq != seq) return;
  // Of a tensor that waits for credit the server has seen nothing.
  if (chunk_->index > 0) ++next_to_send_;
  chunk_.reset();
}

std::optional<std::chrono::milliseconds> StreamSession::End(
    const StreamEnd& end, Time now) {
  if (final()) return std::nullopt;
  if (end.status.ok() && close_sent_) {
    closed_cleanly_ = true;
    Finish(ConnectionState::kClosed);
    return std::nullopt;
  }
  const absl::Status status =
      end.status.ok()
          ? absl::UnavailableError("the server ended the stream unasked")
          : end.status;
  AfterEnd verdict = fenced_ ? AfterEnd::kFenced : Classify(status.code());
  if (verdict == AfterEnd::kRetryFewTimes && ++refusals_ >= kMaxRefusals) {
    verdict = AfterEnd::kGiveUp;
  }
  switch (verdict) {
    case AfterEnd::kFenced:
      NoteError(fenced_ ? absl::AbortedError(last_error_) : status,
                LogSeverity::kError);
      Finish(ConnectionState::kFenced);
      return std::nullopt;
    case AfterEnd::kGiveUp:
      NoteError(status, LogSeverity::kError);
      Finish(ConnectionState::kFailed);
      return std::nullopt;
    case AfterEnd::kRetry:
    case AfterEnd::kRetryFewTimes:
      break;
  }
  NoteError(status, LogSeverity::kWarning);
  if (state_ == ConnectionState::kStreaming &&
      now - began_ >= settings_.backoff.longest) {
    backoff_.Reset();
  }
  state_ = ConnectionState::kBackingOff;
  return RetryDelay(end);
}

std::chrono::milliseconds StreamSession::RetryDelay(const StreamEnd& end) {
  return std::max(backoff_.Next(),
                  std::min(end.retry_after, kLongestRetryAfter));
}

void StreamSession::Finish(ConnectionState state) {
  if (final()) return;
  state_ = state;
  chunk_.reset();
  control_.reset();
  ring_.DropAll();
}

void StreamSession::NoteError(const absl::Status& status,
                              LogSeverity severity) {
  // What the server attached is for programs.
  const std::string text(
      status.ToString(absl::StatusToStringMode::kWithNoExtraData));
  const bool is_new = !error_logged_ || text != last_error_;
  last_error_ = text;
  error_logged_ = true;
  if (severity == LogSeverity::kError) {
    Log(severity,
        absl::StrCat("run ", open_.run_id(), ", source ", open_.source(), ": ",
                     text, "; nothing more is sent, training goes on"));
  } else if (is_new) {
    Log(severity, absl::StrCat("not connected, trying again: ", text));
  }
}

void StreamSession::Log(LogSeverity severity, std::string text) {
  log_.push_back({.severity = severity, .text = std::move(text)});
}

std::vector<LogLine> StreamSession::TakeLog() {
  return std::exchange(log_, {});
}

}  // namespace firekeeper::client
