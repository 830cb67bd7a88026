// Whatever a server answers and however often a stream breaks, a client counts
// every snapshot once, sends numbers without holes within its credit, and gives
// up nothing that is neither acked nor refused nor dropped. Input: choices that
// say what the trainer, the server and the network do next.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "client/cpp/stream_session.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::client {
namespace {

using std::chrono::milliseconds;
using testing::Choices;
using testing::Require;

constexpr std::size_t kRingBytes = 4'096;
constexpr std::size_t kMessageBytes = 256;

v1::Open OpenMessage() {
  v1::Open open;
  open.set_run_id("run");
  open.set_source_count(1);
  return open;
}

SessionSettings Settings() {
  SessionSettings settings;
  settings.message_bytes = kMessageBytes;
  return settings;
}

// The figures of a ring at one moment.
struct Figures {
  explicit Figures(const Ring& ring)
      : acked_seq(ring.acked_seq()),
        first_held(ring.first_held()),
        next_seq(ring.next_seq()),
        acked(ring.acked()),
        rejected(ring.rejected()),
        dropped(ring.dropped()) {}

  std::uint64_t acked_seq;
  std::uint64_t first_held;
  std::uint64_t next_seq;
  std::uint64_t acked;
  std::uint64_t rejected;
  std::uint64_t dropped;
};

class Driver {
 public:
  explicit Driver(Choices& choices) : choices_(choices) {}

  void Run() {
    for (int op = 0; op < 250 && !choices_.empty(); ++op) {
      const Figures before(ring_);
      const std::set<std::uint64_t> held = held_;
      Step();
      CheckRing(before, held);
    }
    if (!session_.final()) SayGoodbye();
  }

 private:
  void Step() {
    switch (choices_.Below(12)) {
      case 0:
      case 1:
      case 2:
        return Push();
      case 3:
        return Connect();
      case 4:
      case 5:
        return Drain(1 + choices_.Below(8));
      case 6:
      case 7:
      case 8:
        return Answer();
      case 9:
        return Break(StatusFrom());
      case 10:
        now_ += milliseconds(choices_.Below(256) * 100);
        if (streaming_ && session_.TimedOut(now_)) {
          Break(absl::DeadlineExceededError("no answer"));
        }
        return;
      default:
        return NoteProgress();
    }
  }

  void Push() {
    if (session_.final()) return;
    const std::uint64_t seq = ring_.next_seq();
    auto snapshot = std::make_shared<v1::Snapshot>();
    snapshot->set_layer("fc");
    // Says which number it should travel under.
    snapshot->set_step(static_cast<std::int64_t>(seq));
    const auto bytes = static_cast<std::size_t>(choices_.Below(256)) *
                       static_cast<std::size_t>(1 + choices_.Below(4));
    if (choices_.Coin()) {
      v1::Tensor& tensor = *snapshot->mutable_tensor();
      if (choices_.Below(4) != 0) tensor.set_cluster_axis(0);
      tensor.set_data(std::string(bytes, 't'));
    } else {
      snapshot->mutable_summary()->add_columns()->set_data(
          std::string(bytes, 's'));
    }
    Require(ring_.Push(std::move(snapshot), 1) == seq, "numbers have no holes");
    progress_.NoteSampled(static_cast<std::int64_t>(seq), seq);
    held_.insert(seq);
  }

  void NoteProgress() {
    const auto step = static_cast<std::int64_t>(ring_.next_seq());
    if (choices_.Coin()) return progress_.NoteDone(step, ring_.next_seq() - 1);
    (void)progress_.NoteScalar(choices_.Coin() ? "loss" : "learning_rate",
                               choices_.Below(256), 1.0);
  }

  void Connect() {
    if (streaming_ || session_.final()) return;
    const v1::StreamRequest request = session_.Begin(now_);
    Require(request.open().first_held_seq() == ring_.first_held(),
            "a stream says what it holds");
    streaming_ = true;
    opened_ = false;
    in_chunks_ = false;
    close_sent_ = false;
    sent_bytes_ = 0;
    credit_ = 0;
  }

  void Break(const absl::Status& status) {
    if (!streaming_) return;
    streaming_ = false;
    const milliseconds retry_after(choices_.Below(256) * 1'000);
    const auto wait =
        session_.End({.status = status, .retry_after = retry_after}, now_);
    Require(wait.has_value() != session_.final(),
            "a stream comes back or is over");
    if (!wait) return;
    Require(*wait >= milliseconds(0) && *wait <= std::chrono::minutes(1),
            "waiting is bounded");
  }

  absl::Status StatusFrom() {
    constexpr std::array kCodes{
        absl::StatusCode::kUnavailable,       absl::StatusCode::kUnavailable,
        absl::StatusCode::kDeadlineExceeded,  absl::StatusCode::kCancelled,
        absl::StatusCode::kInternal,          absl::StatusCode::kOk,
        absl::StatusCode::kFailedPrecondition};
    if (choices_.Below(64) == 0) return absl::PermissionDeniedError("no");
    return {kCodes.at(static_cast<std::size_t>(choices_.Below(7))), "end"};
  }

  // Near what the client has sent, or anything.
  std::uint64_t SeqFrom() {
    if (choices_.Below(16) == 0) return choices_.Number();
    const std::uint64_t near =
        choices_.Coin() ? next_to_send_ : ring_.acked_seq();
    const auto distance = static_cast<std::uint64_t>(choices_.Below(8));
    return near + 2 < distance ? 0 : near + 2 - distance;
  }

  v1::StreamResponse ResponseFrom() {
    v1::StreamResponse response;
    switch (choices_.Below(16)) {
      case 0:
        response.mutable_reject()->set_seq(SeqFrom());
        break;
      case 1:
        response.mutable_throttle()->mutable_retry_after()->set_seconds(
            choices_.Coin() ? choices_.Below(4)
                            : static_cast<std::int64_t>(choices_.Number()));
        break;
      case 2:
        if (choices_.Below(8) == 0) response.mutable_fenced()->set_reason("x");
        break;
      case 3:
        // Whatever the server of another release sends.
        (void)response.ParseFromString(std::string(
            choices_.Bytes(static_cast<std::size_t>(choices_.Below(64)))));
        break;
      default:
        if (opened_ && choices_.Below(32) != 0) {
          FillAck(response.mutable_ack());
        } else {
          FillOpened(response.mutable_opened());
        }
    }
    return response;
  }

  void FillAck(v1::Ack* ack) {
    ack->set_accepted_seq(SeqFrom());
    ack->set_durable_seq(choices_.Coin() ? ack->accepted_seq() : SeqFrom());
    ack->set_credit_bytes(credit_ +
                          static_cast<std::uint64_t>(choices_.Below(256)) * 8);
  }

  void FillOpened(v1::Opened* opened) {
    opened->set_accepted_seq(choices_.Coin() ? ring_.acked_seq() : SeqFrom());
    opened->set_durable_seq(SeqFrom());
    opened->set_credit_bytes(static_cast<std::uint64_t>(choices_.Below(256)) *
                             16);
    if (choices_.Coin()) opened->set_durability(v1::DURABILITY_COMMITTED);
    if (choices_.Below(4) != 0) return;
    v1::ServerLimits& limits = *opened->mutable_limits();
    limits.set_max_message_bytes(
        static_cast<std::uint64_t>(choices_.Below(256)));
    limits.set_credit_window_bytes(
        static_cast<std::uint64_t>(choices_.Below(256)) * 8);
    limits.set_max_tensor_bytes(
        static_cast<std::uint64_t>(choices_.Below(256)) * 4);
  }

  // What a chunked tensor's end means for the number that is sent next.
  void NoteEarlyEnd(std::uint64_t seq) {
    if (!in_chunks_ || seq != next_to_send_) return;
    in_chunks_ = false;
    ++next_to_send_;
  }

  void Answer() {
    if (!streaming_) return;
    const v1::StreamResponse response = ResponseFrom();
    if (opened_ && response.has_ack()) {
      NoteEarlyEnd(response.ack().accepted_seq());
    }
    if (opened_ && response.has_reject()) {
      NoteEarlyEnd(response.reject().seq());
    }
    const absl::Status status = session_.OnResponse(response, now_);
    if (!status.ok()) return Break(status);
    if (response.has_opened()) {
      opened_ = true;
      next_to_send_ = response.opened().accepted_seq() + 1;
      credit_ = response.opened().credit_bytes();
      max_message_bytes_ = response.opened().limits().max_message_bytes();
    } else if (response.has_ack()) {
      credit_ = std::max(credit_, response.ack().credit_bytes());
    }
  }

  void Drain(int most) {
    for (int i = 0; i < most; ++i) {
      const auto outgoing = session_.Next(now_);
      if (!outgoing) return;
      Require(streaming_ && opened_ && !session_.final() && !close_sent_,
              "messages go over an open stream");
      v1::StreamRequest request;
      BuildRequest(*outgoing, &request);
      const std::size_t bytes = request.ByteSizeLong();
      session_.OnBuilt(bytes);
      sent_bytes_ += bytes;
      Require(sent_bytes_ <= credit_, "the credit is kept");
      Require(max_message_bytes_ == 0 || !request.has_batch() ||
                  bytes <= max_message_bytes_,
              "no message is too large");
      CheckSent(request);
    }
  }

  void CheckSent(const v1::StreamRequest& request) {
    if (request.has_batch()) return CheckBatch(request.batch());
    Require(!in_chunks_, "nothing comes between the chunks of a tensor");
    if (request.has_gap()) {
      Require(request.gap().from_seq() == next_to_send_,
              "a gap begins where the stream is");
      for (std::uint64_t seq = request.gap().from_seq();
           seq <= request.gap().to_seq(); ++seq) {
        const Ring::Slot* slot = ring_.Find(seq);
        Require(slot == nullptr || slot->snapshot == nullptr,
                "what is held is no gap");
      }
      next_to_send_ = request.gap().to_seq() + 1;
    }
    if (request.has_close()) {
      close_sent_ = true;
      Require(next_to_send_ == ring_.next_seq() &&
                  request.close().final_seq() == ring_.next_seq() - 1,
              "everything is told before the goodbye");
    }
  }

  void CheckBatch(const v1::Batch& batch) {
    Require(batch.first_seq() == next_to_send_, "numbers are sent in order");
    Require(batch.snapshots_size() > 0, "a batch holds something");
    const v1::Tensor& tensor = batch.snapshots(0).tensor();
    if (tensor.chunk_count() > 1) {
      Require(batch.snapshots_size() == 1, "a chunk travels alone");
      Require(in_chunks_ == (tensor.chunk_index() > 0), "chunks come in order");
      in_chunks_ = tensor.chunk_index() + 1 < tensor.chunk_count();
      if (!in_chunks_) ++next_to_send_;
      return;
    }
    Require(!in_chunks_, "nothing comes between the chunks of a tensor");
    for (const v1::Snapshot& snapshot : batch.snapshots()) {
      Require(snapshot.step() == static_cast<std::int64_t>(next_to_send_),
              "a snapshot travels under its number");
      ++next_to_send_;
    }
  }

  // What is held now was held before, and every snapshot is somewhere.
  void CheckRing(const Figures& before, const std::set<std::uint64_t>& held) {
    Require(ring_.acked_seq() >= before.acked_seq &&
                ring_.first_held() >= before.first_held &&
                ring_.next_seq() >= before.next_seq &&
                ring_.acked() >= before.acked &&
                ring_.rejected() >= before.rejected &&
                ring_.dropped() >= before.dropped,
            "nothing is taken back");
    Require(ring_.enqueued() == ring_.acked() + ring_.rejected() +
                                    ring_.dropped() + ring_.buffered(),
            "every snapshot is counted once");
    Require(ring_.buffered_bytes() <= kRingBytes, "the ring is bounded");
    Require(ring_.first_held() > ring_.acked_seq(), "what is acked is let go");
    std::erase_if(held_, [this](std::uint64_t seq) {
      const Ring::Slot* slot = ring_.Find(seq);
      if (slot == nullptr || slot->snapshot == nullptr) return true;
      Require(slot->snapshot->step() == static_cast<std::int64_t>(seq),
              "a number holds its snapshot");
      return false;
    });
    Require(held_.size() == ring_.buffered(), "nothing comes back");
    const auto acked = static_cast<std::uint64_t>(std::ranges::count_if(
        held, [this](std::uint64_t seq) { return seq <= ring_.acked_seq(); }));
    Require(ring_.acked() - before.acked <= acked,
            "only what the server has is acked");
  }

  // A server that does as it should gets all that is left.
  void SayGoodbye() {
    Break(absl::UnavailableError("gone"));
    if (session_.final()) return;
    Connect();
    v1::StreamResponse response;
    response.mutable_opened()->set_accepted_seq(ring_.acked_seq());
    response.mutable_opened()->set_credit_bytes(1U << 20U);
    Require(session_.OnResponse(response, now_).ok(),
            "a sound answer is taken");
    opened_ = true;
    next_to_send_ = ring_.acked_seq() + 1;
    credit_ = 1U << 20U;
    max_message_bytes_ = 0;
    session_.BeginClose();
    Drain(10'000);
    Require(session_.close_sent(), "everything is sent");
    response.mutable_ack()->set_accepted_seq(ring_.next_seq() - 1);
    Require(session_.OnResponse(response, now_).ok(),
            "a sound answer is taken");
    Require(ring_.buffered() == 0, "everything is acked");
    Require(!session_.End({}, now_).has_value() && session_.closed_cleanly(),
            "the goodbye is the end");
  }

  Choices& choices_;
  StreamSession::Time now_ = StreamSession::Time(std::chrono::hours(1));
  Ring ring_{kRingBytes};
  ProgressLog progress_;
  StreamSession session_{OpenMessage(), Settings(), ring_, progress_,
                         [] { return 0.5; }};
  std::set<std::uint64_t> held_;

  bool streaming_ = false;
  bool opened_ = false;
  bool close_sent_ = false;
  bool in_chunks_ = false;
  std::uint64_t next_to_send_ = 1;
  std::uint64_t credit_ = 0;
  std::uint64_t max_message_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace
}  // namespace firekeeper::client

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  firekeeper::client::Driver(choices).Run();
  return 0;
}
