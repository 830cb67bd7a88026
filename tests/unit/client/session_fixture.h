// A StreamSession with a clock, a ring and a server that a test plays by hand.

#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/stream_session.h"

namespace firekeeper::client {

class SessionFixture : public ::testing::Test {
 protected:
  using Time = StreamSession::Time;

  static v1::Open OpenMessage() {
    v1::Open open;
    open.set_run_id("run");
    open.set_source_count(1);
    return open;
  }

  static SessionSettings Settings() {
    SessionSettings settings;
    settings.message_bytes = 1000;
    return settings;
  }

  std::uint64_t PushSummary(std::int64_t step, std::size_t bytes = 10) {
    auto snapshot = std::make_shared<v1::Snapshot>();
    snapshot->set_layer("fc");
    snapshot->set_step(step);
    snapshot->mutable_summary()->add_columns()->set_data(
        std::string(bytes, 's'));
    return ring_.Push(std::move(snapshot), 1);
  }

  std::uint64_t PushTensor(std::int64_t step, std::size_t bytes) {
    auto snapshot = std::make_shared<v1::Snapshot>();
    snapshot->set_layer("fc");
    snapshot->set_step(step);
    snapshot->mutable_tensor()->set_cluster_axis(0);
    snapshot->mutable_tensor()->set_data(std::string(bytes, 't'));
    return ring_.Push(std::move(snapshot), 1);
  }

  v1::Opened OpenedMessage(std::uint64_t accepted_seq = 0) const {
    v1::Opened opened;
    opened.set_accepted_seq(accepted_seq);
    opened.set_credit_bytes(credit_);
    return opened;
  }

  absl::Status Answer(const v1::Opened& opened) {
    v1::StreamResponse response;
    *response.mutable_opened() = opened;
    return session_.OnResponse(response, now_);
  }

  // Begins a stream that the server opens at once.
  void Open(std::uint64_t accepted_seq = 0) {
    (void)session_.Begin(now_);
    ASSERT_TRUE(Answer(OpenedMessage(accepted_seq)).ok());
  }

  absl::Status Ack(std::uint64_t accepted, std::uint64_t credit = 0,
                   std::uint64_t durable = 0) {
    v1::StreamResponse response;
    response.mutable_ack()->set_accepted_seq(accepted);
    response.mutable_ack()->set_durable_seq(durable);
    response.mutable_ack()->set_credit_bytes(credit);
    return session_.OnResponse(response, now_);
  }

  std::optional<std::chrono::milliseconds> End(absl::Status status) {
    return session_.End({.status = std::move(status)}, now_);
  }

  // Everything the session has to send now, as messages.
  std::vector<v1::StreamRequest> Drain() {
    std::vector<v1::StreamRequest> requests;
    while (const auto outgoing = session_.Next(now_)) {
      BuildRequest(*outgoing, &requests.emplace_back());
      session_.OnBuilt(requests.back().ByteSizeLong());
    }
    return requests;
  }

  void Advance(std::chrono::milliseconds by) { now_ += by; }

  Time now_ = Time(std::chrono::hours(1));
  std::uint64_t credit_ = 1'000'000;
  double random_ = 0.5;
  Ring ring_{std::size_t{1} << 20};
  ProgressLog progress_;
  StreamSession session_{OpenMessage(), Settings(), ring_, progress_,
                         [this] { return random_; }};
};

}  // namespace firekeeper::client
