// The protocol of one stream, free of gRPC: what to answer to each message and
// when to end. Drives a Run; owned by one stream.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "firekeeper/v1/ingest.pb.h"
#include "server/ingest/ack_ledger.h"
#include "server/ingest/flight_table.h"
#include "server/ingest/tensor_intake.h"
#include "server/state/registry.h"
#include "server/state/run_turns.h"

namespace firekeeper::server {

// Thread-compatible but for what says otherwise: the stream calls one method at
// a time. `on_fenced` comes from another thread.
class IngestSession {
 public:
  // Requires: `registry` outlives the session.
  IngestSession(Registry& registry, std::string tenant,
                FenceFunction on_fenced);
  // Leaves the run as Disconnect() does.
  ~IngestSession();
  IngestSession(const IngestSession&) = delete;
  IngestSession& operator=(const IngestSession&) = delete;

  // Folds one message in and appends what is to be sent, in order; of
  // consecutive acks only the last matters. `wire_bytes` is its serialized
  // size, charged against the credit. OK and !closed(): read on. OK and
  // closed(): send the answers and finish with OK. Otherwise send them and
  // finish with the status: the stream is over, what was acked stays.
  absl::Status OnMessage(const v1::StreamRequest& request,
                         std::size_t wire_bytes,
                         std::vector<v1::StreamResponse>* responses);

  // The unary form: opens, folds, and leaves the run open.
  absl::Status OnReport(const v1::ReportRequest& request,
                        v1::ReportResponse* response);

  // Whether Close was folded in.
  [[nodiscard]] bool closed() const { return closed_; }

  // What an ack says now. Thread-safe.
  [[nodiscard]] v1::Ack CurrentAck();
  // The same, where there is more to tell than in the last one; empty before
  // Opened. Thread-safe: asked whenever the store has committed.
  std::optional<v1::Ack> News();
  // Whether everything accepted is safe. Thread-safe.
  [[nodiscard]] bool IsDurable();
  // Bytes of memory that the session holds between messages.
  [[nodiscard]] std::size_t MemoryUsed() const;

 private:
  // A layer as this source holds it.
  struct Held {
    std::shared_ptr<LayerState> layer;
    LayerShare share;
  };

  absl::Status Dispatch(const v1::StreamRequest& request,
                        std::vector<v1::StreamResponse>* responses);
  // Writes the message that is folded in, as a stream carries it.
  using DescribeFunction = absl::FunctionRef<void(v1::StreamRequest* message)>;
  // Calls `fold` while this session has the turn of its run and now_ is the
  // time; the message is taken down before where the run is recorded.
  absl::Status InTurn(DescribeFunction describe,
                      absl::FunctionRef<absl::Status()> fold);
  // Anything but Open.
  absl::Status FoldMessage(const v1::StreamRequest& request,
                           std::vector<v1::StreamResponse>* responses);
  absl::Status OnOpen(const v1::Open& open, v1::Opened* opened);
  // Joins the run, a new one where there is none. `open` is what came,
  // `request` what it says.
  absl::StatusOr<OpenResult> Join(const OpenRequest& request,
                                  const v1::Open& open);
  absl::StatusOr<OpenResult> OpenInTurn(Run& run, const OpenRequest& request,
                                        const v1::Open& open);
  // A message came, with this batch or none.
  absl::Status Receive(const v1::Batch& batch);
  // Fields of refusals begin with `prefix`.
  absl::Status OnBatch(const v1::Batch& batch, const std::string& prefix,
                       std::vector<v1::StreamResponse>* responses);
  // One batch of a report; a tensor must be whole in it.
  absl::Status OnReportedBatch(const v1::Batch& batch,
                               const std::string& prefix,
                               std::vector<v1::StreamResponse>* responses);
  absl::Status OnGap(const v1::Gap& gap);
  absl::Status OnProgress(const v1::Progress& progress);
  absl::Status OnClose(const v1::Close& close);
  // Folds the snapshot of the next sequence number; what is wrong with the
  // snapshot itself becomes a Reject whose fields begin with `field`.
  absl::Status FoldNext(const v1::Snapshot& snapshot, const std::string& field,
                        std::vector<v1::StreamResponse>* responses);
  // Fold(), noted for the case that it ends the process.
  absl::StatusOr<std::optional<MergeResult>> FoldNoted(
      const v1::Snapshot& snapshot, std::uint64_t seq);
  // What became of the snapshot; empty while chunks are missing.
  absl::StatusOr<std::optional<MergeResult>> Fold(const v1::Snapshot& snapshot);
  absl::StatusOr<const Held*> FindHeld(const v1::Snapshot& snapshot) const;
  void AppendAck(std::vector<v1::StreamResponse>* responses);

  Registry& registry_;
  const std::string tenant_;
  FenceFunction on_fenced_;
  std::shared_ptr<Run> run_;  // null until Open
  SourceHandle handle_;
  // What records the run since this stream opened it, and the stream's number
  // there; null: nothing did.
  std::shared_ptr<RunRecording> recording_;
  std::uint64_t stream_ = 0;
  absl::Time now_;  // of the message that is folded in
  absl::flat_hash_map<std::string, Held> held_;
  FlightName flight_name_;
  std::uint64_t accepted_seq_ = 0;
  std::int64_t resume_step_ = 0;
  std::int64_t complete_through_step_ = -1;
  AckLedger acks_;
  std::atomic<bool> opened_{false};
  bool closed_ = false;
  TensorIntake intake_;
};

}  // namespace firekeeper::server
