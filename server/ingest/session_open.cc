// The beginning of a stream: it joins its run.

#include <utility>

#include "server/errors.h"
#include "server/failpoint.h"
#include "server/ingest/codec.h"
#include "server/ingest/limits_codec.h"
#include "server/ingest/session.h"

namespace firekeeper::server {
namespace {

// A run that goes away while an Open is on the way does so once; more than a
// few times in a row is no accident.
constexpr int kJoinTries = 3;

}  // namespace

absl::Status IngestSession::OnOpen(const v1::Open& open, v1::Opened* opened) {
  if (run_) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "WRONG_ORDER",
                   "open may come only once");
  }
  if (absl::Status status = registry_.journal().Admits(); !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckName("open.run_id", open.run_id(), registry_.limits());
      !status.ok()) {
    return status;
  }
  const auto request = DecodeOpen(open, registry_.limits());
  Failpoint("open.decoded");
  if (!request.ok()) return WithFieldPrefix(request.status(), "open.");
  const auto joined = Join(*request, open);
  if (!joined.ok()) return WithFieldPrefix(joined.status(), "open.");
  handle_ = joined->handle;
  accepted_seq_ = joined->accepted_seq;
  resume_step_ = request->resume_step;
  flight_name_ = {.tenant = tenant_,
                  .run_id = open.run_id(),
                  .source = request->source,
                  .instance_id = request->instance_id};
  for (std::size_t i = 0; i < request->layers.size(); ++i) {
    const auto& [spec, share] = request->layers[i];
    held_[spec.name] = {.layer = joined->layers[i], .share = share};
  }
  Failpoint("open.joined");
  acks_.Begin(accepted_seq_, joined->durable_seq);
  if (joined->durable_seq < accepted_seq_) {
    acks_.Accept(accepted_seq_, joined->ticket, 0);
  }
  const StateJournal& journal = registry_.journal();
  const AckMarks marks = acks_.Marks(journal.committed());
  opened_ = true;

  opened->set_attempt(handle_.attempt);
  opened->set_incarnation(handle_.incarnation);
  opened->set_accepted_seq(marks.accepted_seq);
  opened->set_durable_seq(marks.durable_seq);
  opened->set_durability(journal.keeps() ? v1::DURABILITY_COMMITTED
                                         : v1::DURABILITY_NONE);
  opened->set_credit_bytes(marks.credit_bytes);
  *opened->mutable_limits() =
      LimitsToProto(registry_.limits(), registry_.settings());
  return absl::OkStatus();
}

absl::StatusOr<OpenResult> IngestSession::Join(const OpenRequest& request,
                                               const v1::Open& open) {
  const RunKey key{.tenant = tenant_, .run_id = open.run_id()};
  absl::Status refused;
  for (int i = 0; i < kJoinTries; ++i) {
    auto run = registry_.FindOrCreate(key);
    if (!run.ok()) return run.status();
    auto result = OpenInTurn(**run, request, open);
    if (result.ok()) {
      run_ = *std::move(run);
      return result;
    }
    registry_.DropIfUnused(key);
    refused = result.status();
    if (ReasonOf(refused) != "RUN_DELETED") break;
  }
  return refused;
}

absl::StatusOr<OpenResult> IngestSession::OpenInTurn(Run& run,
                                                     const OpenRequest& request,
                                                     const v1::Open& open) {
  if (registry_.recorder() != nullptr) registry_.recorder()->OnOpen(run);
  const RunTurns::Turn turn(run.turns());
  now_ = registry_.Now();
  recording_ = turn.recording();
  if (recording_) {
    stream_ = recording_->NextStream();
    record::v1::Entry entry;
    entry.mutable_message()->set_stream(stream_);
    *entry.mutable_message()->mutable_request()->mutable_open() = open;
    turn.Note(now_, std::move(entry));
  }
  return run.Open(request, on_fenced_, now_);
}

}  // namespace firekeeper::server
