#include "server/ingest/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/failpoint.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

// Of a stream that is told to come back; there is nothing to wait for.
constexpr std::chrono::milliseconds kReopenDelay{1};

absl::Status WrongOrder(const std::string& message) {
  return Refusal(absl::StatusCode::kFailedPrecondition, "WRONG_ORDER", message);
}

absl::Status Hole(const std::string& field, std::uint64_t got,
                  std::uint64_t expected) {
  return Refusal(
      absl::StatusCode::kOutOfRange, "SEQUENCE_HOLE",
      absl::StrCat(field, " is ", got, "; the next expected is ", expected,
                   " and the missing ones were not declared as "
                   "gap"));
}

// Deleted or expired while its Open was on the way; the next try makes a new
// one.
bool IsDeleted(const absl::Status& status) {
  return ReasonOf(status) == "RUN_DELETED";
}

bool IsChunked(const v1::Snapshot& snapshot) {
  return snapshot.has_tensor() && snapshot.tensor().chunk_count() > 1;
}

v1::Ack AckOf(const AckMarks& marks) {
  v1::Ack ack;
  ack.set_accepted_seq(marks.accepted_seq);
  ack.set_durable_seq(marks.durable_seq);
  ack.set_credit_bytes(marks.credit_bytes);
  return ack;
}

// What ends the stream rather than refusing one snapshot.
bool EndsStream(const absl::Status& status) {
  return status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kUnavailable || IsDeleted(status);
}

}  // namespace

IngestSession::IngestSession(Registry& registry, std::string tenant,
                             FenceFunction on_fenced)
    : registry_(registry),
      tenant_(std::move(tenant)),
      on_fenced_(std::move(on_fenced)),
      acks_(registry.limits().credit_window_bytes),
      intake_(registry.limits(), registry.memory()) {}

IngestSession::~IngestSession() {
  if (!run_) return;
  const RunTurns::Turn turn(run_->turns());
  const absl::Time now = registry_.Now();
  if (turn.recording()) {
    record::v1::Entry entry;
    record::v1::StreamGone* const gone = entry.mutable_stream_gone();
    gone->set_stream(turn.recording() == recording_ ? stream_ : 0);
    gone->set_attempt(handle_.attempt);
    gone->set_source(handle_.source);
    gone->set_incarnation(handle_.incarnation);
    turn.Note(now, std::move(entry));
  }
  run_->Disconnect(handle_, now);
}

absl::Status IngestSession::OnMessage(
    const v1::StreamRequest& request, std::size_t wire_bytes,
    std::vector<v1::StreamResponse>* responses) {
  if (closed_) return WrongOrder("a message came after close");
  absl::Status status = run_ ? acks_.Receive(wire_bytes) : absl::OkStatus();
  if (status.ok()) status = Dispatch(request, responses);
  if (status.code() == absl::StatusCode::kAborted) {
    responses->emplace_back().mutable_fenced()->set_reason(
        std::string(status.message()));
  }
  return status;
}

absl::Status IngestSession::Dispatch(
    const v1::StreamRequest& request,
    std::vector<v1::StreamResponse>* responses) {
  using enum v1::StreamRequest::MessageCase;
  if (request.message_case() == MESSAGE_NOT_SET) {
    return FieldError("message", "none of open, batch, gap, progress, close");
  }
  if (request.message_case() == kOpen) {
    absl::Status opened =
        OnOpen(request.open(), responses->emplace_back().mutable_opened());
    if (!opened.ok()) responses->pop_back();
    return opened;
  }
  if (!run_) return WrongOrder("the first message must be open");
  return InTurn([&](v1::StreamRequest* message) { *message = request; },
                [&] { return FoldMessage(request, responses); });
}

absl::Status IngestSession::InTurn(DescribeFunction describe,
                                   absl::FunctionRef<absl::Status()> fold) {
  if (absl::Status status = registry_.journal().Admits(); !status.ok()) {
    return status;
  }
  const RunTurns::Turn turn(run_->turns());
  now_ = registry_.Now();
  if (turn.recording()) {
    if (turn.recording() != recording_) {
      return Overloaded(
          "a recording of the run began; it needs the stream "
          "from its open on",
          kReopenDelay);
    }
    record::v1::Entry entry;
    entry.mutable_message()->set_stream(stream_);
    describe(entry.mutable_message()->mutable_request());
    turn.Note(now_, std::move(entry));
  }
  absl::Status status = fold();
  if (turn.recording() && closed_ &&
      run_->View(now_).state == RunState::kEnded) {
    turn.recording()->NoteOutcome(*run_, now_);
  }
  return status;
}

absl::Status IngestSession::FoldMessage(
    const v1::StreamRequest& request,
    std::vector<v1::StreamResponse>* responses) {
  using enum v1::StreamRequest::MessageCase;
  absl::Status status = Receive(request.batch());
  if (!status.ok()) return status;
  switch (request.message_case()) {
    case kBatch:
      status = OnBatch(request.batch(), "batch.", responses);
      break;
    case kGap:
      status = WithFieldPrefix(OnGap(request.gap()), "gap.");
      break;
    case kProgress:
      status = WithFieldPrefix(OnProgress(request.progress()), "progress.");
      break;
    case kClose:
      status = OnClose(request.close());
      break;
    case kOpen:
    case MESSAGE_NOT_SET:
      break;
  }
  AppendAck(responses);
  return status;
}

absl::Status IngestSession::Receive(const v1::Batch& batch) {
  std::uint64_t payload_bytes = 0;
  for (const v1::Snapshot& snapshot : batch.snapshots()) {
    payload_bytes += snapshot.has_tensor() ? snapshot.tensor().data().size()
                                           : snapshot.summary().ByteSizeLong();
  }
  return run_->Receive(handle_, payload_bytes, now_);
}

void IngestSession::AppendAck(std::vector<v1::StreamResponse>* responses) {
  *responses->emplace_back().mutable_ack() = CurrentAck();
}

v1::Ack IngestSession::CurrentAck() {
  return AckOf(acks_.Marks(registry_.journal().committed()));
}

std::optional<v1::Ack> IngestSession::News() {
  if (!opened_) return std::nullopt;
  const auto marks = acks_.News(registry_.journal().committed());
  if (!marks.has_value()) return std::nullopt;
  return AckOf(*marks);
}

bool IngestSession::IsDurable() {
  return acks_.IsDurable(registry_.journal().committed());
}

absl::Status IngestSession::OnBatch(
    const v1::Batch& batch, const std::string& prefix,
    std::vector<v1::StreamResponse>* responses) {
  if (batch.first_seq() == 0) {
    return FieldError(prefix + "first_seq", "0; the first number is 1");
  }
  if (batch.snapshots().empty()) {
    return FieldError(prefix + "snapshots", "empty; at least one is needed");
  }
  if (batch.first_seq() > accepted_seq_ + 1) {
    return Hole(prefix + "first_seq", batch.first_seq(), accepted_seq_ + 1);
  }
  for (int i = 0; i < batch.snapshots_size(); ++i) {
    const v1::Snapshot& snapshot = batch.snapshots(i);
    const std::string field = absl::StrCat(prefix, "snapshots[", i, "].");
    if (IsChunked(snapshot) && batch.snapshots_size() > 1) {
      return FieldError(field + "tensor",
                        "a chunk shares its batch with other snapshots; it "
                        "must travel alone");
    }
    // What was accepted before is a resend, or the rest of a refused tensor.
    if (batch.first_seq() + static_cast<std::uint64_t>(i) <= accepted_seq_) {
      continue;
    }
    absl::Status status = FoldNext(snapshot, field, responses);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status IngestSession::FoldNext(
    const v1::Snapshot& snapshot, const std::string& field,
    std::vector<v1::StreamResponse>* responses) {
  const std::uint64_t seq = accepted_seq_ + 1;
  Failpoint("snapshot.begin");
  const absl::StatusOr<std::optional<MergeResult>> folded =
      FoldNoted(snapshot, seq);
  Failpoint("snapshot.folded");
  if (folded.ok() && !folded->has_value()) return absl::OkStatus();
  if (!folded.ok() && EndsStream(folded.status())) return folded.status();
  intake_.Drop();

  std::optional<core::MergeOutcome> outcome;
  if (folded.ok()) outcome = (*folded)->outcome;
  absl::Status refused = folded.status();
  if (outcome == core::MergeOutcome::kConflicting) {
    refused = Refusal(
        absl::StatusCode::kAlreadyExists, "CONFLICTING_CONTENT",
        absl::StrCat("step ", snapshot.step(), " part ", snapshot.part(),
                     ": was sent before with other content"));
  }
  const auto accepted =
      run_->Accept(handle_,
                   {.seq = seq,
                    .step = folded.ok() ? snapshot.step() : -1,
                    .outcome = outcome},
                   now_);
  if (!accepted.ok()) return accepted.status();
  Failpoint("snapshot.accepted");
  accepted_seq_ = seq;
  acks_.Accept(seq, *accepted, folded.ok() ? (*folded)->waiting_bytes : 0);
  if (!refused.ok()) {
    v1::Reject* reject = responses->emplace_back().mutable_reject();
    reject->set_seq(seq);
    *reject->mutable_status() = ToProto(WithFieldPrefix(refused, field));
  }
  return absl::OkStatus();
}

absl::StatusOr<const IngestSession::Held*> IngestSession::FindHeld(
    const v1::Snapshot& snapshot) const {
  if (absl::Status status = CheckSnapshotKey(snapshot, registry_.limits());
      !status.ok()) {
    return status;
  }
  const auto held = held_.find(snapshot.layer());
  if (held == held_.end()) {
    return FieldError("layer", absl::StrCat("\"", snapshot.layer(),
                                            "\" was not declared in open"));
  }
  if (snapshot.step() < resume_step_) {
    return FieldError(
        "step", absl::StrCat(snapshot.step(), "; the attempt resumed at step ",
                             resume_step_));
  }
  const auto signal = static_cast<core::Signal>(snapshot.signal());
  if (held->second.layer->spec().Width(signal) == 0) {
    return FieldError("signal",
                      "INPUT needs input_unit_count or fan_in in the layer");
  }
  return &held->second;
}

absl::StatusOr<std::optional<MergeResult>> IngestSession::FoldNoted(
    const v1::Snapshot& snapshot, std::uint64_t seq) {
  FlightTable* const flights = registry_.flights();
  if (flights == nullptr) return Fold(snapshot);
  flight_name_.seq = seq;
  if (flights->IsFatal(flight_name_)) {
    return Refusal(
        absl::StatusCode::kFailedPrecondition, "QUARANTINED",
        absl::StrCat("seq ", seq, " was being folded in at ",
                     FlightTable::kFatalCrashes,
                     " ends of the server and is taken to be their cause"));
  }
  const FlightTable::Flight flight(*flights, flight_name_);
  return Fold(snapshot);
}

absl::StatusOr<std::optional<MergeResult>> IngestSession::Fold(
    const v1::Snapshot& snapshot) {
  if (absl::Status status = intake_.CheckNext(snapshot); !status.ok()) {
    return status;
  }
  if (snapshot.payload_case() == v1::Snapshot::PAYLOAD_NOT_SET) {
    return FieldError("payload", "neither tensor nor summary");
  }
  const auto held = FindHeld(snapshot);
  if (!held.ok()) return held.status();
  LayerState& layer = *(*held)->layer;
  const auto signal = static_cast<core::Signal>(snapshot.signal());
  const core::Index width = signal == core::Signal::kInput
                                ? layer.spec().Width(signal)
                                : (*held)->share.unit_count;
  const core::ColumnSet columns = layer.ColumnsFor(signal);

  std::optional<core::UnitSummary> summary;
  if (snapshot.has_summary()) {
    auto decoded =
        DecodeSummary(snapshot.summary(), columns, width, registry_.limits());
    if (!decoded.ok()) return WithFieldPrefix(decoded.status(), "summary.");
    summary = *std::move(decoded);
  } else {
    auto reduced = intake_.Fold(
        snapshot, width, {.rule = layer.RuleFor(signal), .columns = columns});
    if (!reduced.ok()) return reduced.status();
    summary = *std::move(reduced);
  }
  if (!summary) return std::nullopt;
  summary->StampStep(snapshot.step());
  Failpoint("snapshot.validated");
  const auto merged =
      layer.Merge({.attempt = handle_.attempt,
                   .source = handle_.source,
                   .signal = signal,
                   .phase = static_cast<core::Phase>(snapshot.phase()),
                   .step = snapshot.step(),
                   .part = snapshot.part()},
                  *summary, now_);
  if (!merged.ok()) return merged.status();
  return *merged;
}

absl::Status IngestSession::OnGap(const v1::Gap& gap) {
  if (absl::Status status = CheckGap(gap); !status.ok()) return status;
  if (gap.to_seq() <= accepted_seq_) return absl::OkStatus();
  if (gap.from_seq() > accepted_seq_ + 1) {
    return Hole("gap.from_seq", gap.from_seq(), accepted_seq_ + 1);
  }
  intake_.Drop();
  const auto accepted = run_->AcceptGap(handle_, gap.to_seq(), now_);
  if (!accepted.ok()) return accepted.status();
  accepted_seq_ = gap.to_seq();
  acks_.Accept(accepted_seq_, *accepted, 0);
  return absl::OkStatus();
}

absl::Status IngestSession::OnProgress(const v1::Progress& progress) {
  if (absl::Status status = CheckProgress(progress, registry_.limits());
      !status.ok()) {
    return status;
  }
  if (progress.complete_through_step() < complete_through_step_) {
    return FieldError(
        "complete_through_step",
        absl::StrCat(progress.complete_through_step(), "; it was ",
                     complete_through_step_, " before and may not shrink"));
  }
  Failpoint("progress.begin");
  complete_through_step_ = progress.complete_through_step();
  for (int i = 0; i < progress.scalars_size(); ++i) {
    const v1::Scalar& scalar = progress.scalars(i);
    const absl::Status kept =
        run_->SetScalar(scalar.name(), scalar.step(), scalar.value());
    if (!kept.ok()) {
      return WithFieldPrefix(kept, absl::StrCat("scalars[", i, "]."));
    }
  }
  const std::vector<std::int64_t> sampled(progress.sampled_steps().begin(),
                                          progress.sampled_steps().end());
  return run_->SetProgress(handle_, progress.complete_through_step(), sampled,
                           now_);
}

absl::Status IngestSession::OnClose(const v1::Close& close) {
  if (close.final_seq() != accepted_seq_) {
    return Refusal(absl::StatusCode::kOutOfRange, "SEQUENCE_HOLE",
                   absl::StrCat("close.final_seq is ", close.final_seq(),
                                "; the accepted mark is ", accepted_seq_));
  }
  Failpoint("close.begin");
  const auto ticket = run_->CloseSource(handle_, now_);
  if (!ticket.ok()) return ticket.status();
  // The goodbye is one more thing to be kept before the stream may end.
  acks_.Accept(accepted_seq_, *ticket, 0);
  Failpoint("close.kept");
  registry_.journal().Hurry();
  closed_ = true;
  return absl::OkStatus();
}

std::size_t IngestSession::MemoryUsed() const {
  return sizeof(*this) + intake_.MemoryUsed();
}

}  // namespace firekeeper::server
