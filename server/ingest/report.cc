// The unary form of a stream.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/session.h"

namespace firekeeper::server {

absl::Status IngestSession::OnReportedBatch(
    const v1::Batch& batch, const std::string& prefix,
    std::vector<v1::StreamResponse>* responses) {
  absl::Status status = Receive(batch);
  if (status.ok()) status = OnBatch(batch, prefix, responses);
  if (status.ok() && intake_.in_flight()) {
    status = FieldError(prefix + "snapshots",
                        "a tensor is chunked; send it whole or stream it");
  }
  return status;
}

absl::Status IngestSession::OnReport(const v1::ReportRequest& request,
                                     v1::ReportResponse* response) {
  absl::Status status = OnOpen(request.open(), response->mutable_opened());
  std::vector<v1::StreamResponse> responses;
  for (int i = 0; status.ok() && i < request.batches_size(); ++i) {
    const v1::Batch& batch = request.batches(i);
    status = InTurn(
        [&](v1::StreamRequest* message) { *message->mutable_batch() = batch; },
        [&] {
          return OnReportedBatch(batch, absl::StrCat("batches[", i, "]."),
                                 &responses);
        });
  }
  if (status.ok() && request.has_progress()) {
    status = InTurn(
        [&](v1::StreamRequest* message) {
          *message->mutable_progress() = request.progress();
        },
        [&] {
          return WithFieldPrefix(OnProgress(request.progress()), "progress.");
        });
  }
  if (status.ok() && request.close()) {
    v1::Close close;
    close.set_final_seq(accepted_seq_);
    status = InTurn(
        [&](v1::StreamRequest* message) { *message->mutable_close() = close; },
        [&] { return OnClose(close); });
  }
  if (!status.ok()) return status;
  AppendAck(&responses);
  for (v1::StreamResponse& one : responses) {
    if (one.has_ack()) *response->mutable_ack() = std::move(*one.mutable_ack());
    if (one.has_reject()) {
      *response->add_rejects() = std::move(*one.mutable_reject());
    }
  }
  return absl::OkStatus();
}

}  // namespace firekeeper::server
