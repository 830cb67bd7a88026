// The client's side of IngestService.Stream (ingest.proto), free of gRPC and
// threads: what to send next, what an answer means, and whether to come back.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/backoff.h"
#include "client/cpp/outgoing.h"
#include "client/cpp/progress_log.h"
#include "client/cpp/ring.h"
#include "client/cpp/session_settings.h"
#include "client/cpp/watcher.h"
#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

// Thread-compatible. The ring and the log are the caller's to fill; they
// outlive the session.
class StreamSession {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `open` needs no first_held_seq; `random` is uniform in [0, 1).
  StreamSession(v1::Open open, const SessionSettings& settings, Ring& ring,
                ProgressLog& progress, std::function<double()> random);

  // A stream begins. The first message to send. Requires: no stream is open,
  // the state is not final.
  v1::StreamRequest Begin(Time now);
  // The next message, if one may be sent now. It counts as sent.
  std::optional<Outgoing> Next(Time now);
  // That message turned out to have `wire_bytes` when serialized.
  void OnBuilt(std::size_t wire_bytes);
  // When to call Next() or TimedOut() again if nothing else happens.
  [[nodiscard]] Time WakeAt(Time now) const;
  // The server does not answer Open: cancel the stream.
  [[nodiscard]] bool TimedOut(Time now) const;

  // Not OK: the server broke the protocol or fenced us; cancel the stream and
  // report this status to End().
  absl::Status OnResponse(const v1::StreamResponse& response, Time now);
  // The stream is over. Returns how long to wait before Begin(); absent: the
  // state is final.
  std::optional<std::chrono::milliseconds> End(const StreamEnd& end, Time now);

  // Say goodbye once everything is sent. The end is then final.
  void BeginClose() { closing_ = true; }
  // Gives up what is buffered and what comes; for kClosed and refusals.
  void Finish(ConnectionState state);

  [[nodiscard]] ConnectionState state() const { return state_; }
  [[nodiscard]] bool final() const;
  // Close was sent.
  [[nodiscard]] bool close_sent() const { return close_sent_; }
  // Close was sent and the server ended the stream with OK.
  [[nodiscard]] bool closed_cleanly() const { return closed_cleanly_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }
  [[nodiscard]] std::uint64_t streams_opened() const { return streams_; }
  // Lines to log, once.
  std::vector<LogLine> TakeLog();

 private:
  absl::Status OnOpened(const v1::Opened& opened, Time now);
  absl::Status OnAck(const v1::Ack& ack);
  void OnReject(const v1::Reject& reject);
  // The server has done with `seq`: if it is the tensor in flight, its other
  // chunks stay here.
  void AbandonChunksOf(std::uint64_t seq);
  void Acknowledge(std::uint64_t accepted, std::uint64_t durable);

  // Each gives the next message of its kind, or nothing.
  std::optional<Outgoing> NextChunk();
  std::optional<Outgoing> NextSnapshots();
  std::optional<Outgoing> NextControl();
  // Puts the next gap, progress or close into control_; false: none is due.
  [[nodiscard]] bool PrepareControl(Time now);
  [[nodiscard]] bool ProgressDue(Time now) const;
  void StartChunks(const Ring::Slot& slot);
  [[nodiscard]] BatchPlan PlanBatch() const;
  // Why no credit can ever cover the slot; empty where it can.
  [[nodiscard]] std::string TooLarge(const Ring::Slot& slot) const;
  // False where the credit does not cover `wire_bytes` now.
  bool Charge(std::size_t wire_bytes);
  std::chrono::milliseconds RetryDelay(const StreamEnd& end);
  void NoteError(const absl::Status& status, LogSeverity severity);
  void Log(LogSeverity severity, std::string text);

  v1::Open open_;
  const SessionSettings settings_;
  Ring& ring_;
  ProgressLog& progress_;
  Backoff backoff_;

  ConnectionState state_ = ConnectionState::kConnecting;
  std::string last_error_;
  bool error_logged_ = false;  // last_error_ was, since the last Opened
  std::vector<LogLine> log_;
  std::uint64_t streams_ = 0;
  int refusals_ = 0;  // streams ended by an error since the mark last moved
  bool oversize_logged_ = false;
  bool closing_ = false;
  bool close_sent_ = false;
  bool closed_cleanly_ = false;
  bool fenced_ = false;

  // Of the stream that is open.
  v1::Durability durability_ = v1::DURABILITY_UNSPECIFIED;
  v1::ServerLimits limits_;
  std::uint64_t next_to_send_ = 1;
  std::uint64_t credit_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;  // <= credit_bytes_
  std::size_t message_bytes_ = 0;
  std::size_t charged_bytes_ = 0;   // bound of the last message
  std::optional<ChunkPlan> chunk_;  // the next of the tensor in flight
  std::optional<v1::StreamRequest> control_;  // waits for credit
  Time began_;
  Time last_progress_;
  Time throttled_until_;
};

}  // namespace firekeeper::client
