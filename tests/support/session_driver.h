// A stream without gRPC: says messages to an IngestSession and keeps what it
// answers.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/ingest/session.h"
#include "tests/support/message_builders.h"
#include "tests/support/run_builders.h"

namespace firekeeper::testing {

class SessionDriver {
 public:
  explicit SessionDriver(server::Registry& registry,
                         const std::string& tenant = "tenant")
      : session_(std::make_unique<server::IngestSession>(
            registry, tenant,
            [fences = fences_](const std::string& /*reason*/) { ++*fences; })) {
  }

  // Answers to this message only are kept.
  absl::Status Say(const v1::StreamRequest& request) {
    return Say(request, request.ByteSizeLong());
  }
  absl::Status Say(const v1::StreamRequest& request, std::size_t wire_bytes) {
    answers_.clear();
    return session_->OnMessage(request, wire_bytes, &answers_);
  }
  // Snapshots of the next sequence numbers from `first_seq` on.
  absl::Status Send(std::uint64_t first_seq,
                    const std::vector<v1::Snapshot>& snapshots) {
    return Say(Batched(first_seq, snapshots));
  }

  // Ends the stream.
  void HangUp() { session_.reset(); }

  [[nodiscard]] const std::vector<v1::StreamResponse>& answers() const {
    return answers_;
  }
  // accepted_seq of the last ack; 0 without one.
  [[nodiscard]] std::uint64_t acked() const {
    std::uint64_t acked = 0;
    for (const v1::StreamResponse& answer : answers_) {
      if (answer.has_ack()) acked = answer.ack().accepted_seq();
    }
    return acked;
  }
  [[nodiscard]] std::vector<v1::Reject> rejects() const {
    std::vector<v1::Reject> rejects;
    for (const v1::StreamResponse& answer : answers_) {
      if (answer.has_reject()) rejects.push_back(answer.reject());
    }
    return rejects;
  }
  [[nodiscard]] bool fenced() const {
    return !answers_.empty() && answers_.back().has_fenced();
  }
  [[nodiscard]] int fences() const { return *fences_; }
  [[nodiscard]] server::IngestSession& session() { return *session_; }

 private:
  // Shared, because a fence may come while the stream goes.
  std::shared_ptr<std::atomic<int>> fences_ =
      std::make_shared<std::atomic<int>>(0);
  std::vector<v1::StreamResponse> answers_;
  std::unique_ptr<server::IngestSession> session_;
};

// Snapshot `part` of a step.
inline v1::Snapshot WithPart(v1::Snapshot snapshot, std::uint32_t part) {
  snapshot.set_part(part);
  return snapshot;
}

}  // namespace firekeeper::testing
