// Conversations that break one rule each, and how the server has to answer:
// one table for the session, for the real server and as seeds for fuzzing.

#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::testing {

struct MalformedConversation {
  std::string name;
  // A valid beginning and the message that breaks the rule, last. The run is
  // kRunId.
  std::vector<v1::StreamRequest> requests;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
  // Of BadRequest. Empty: there is none.
  std::string field = {};
  // Of ErrorInfo.
  std::string reason = "INVALID_FIELD";
  // Otherwise one snapshot is rejected, which has the number `rejected_seq`,
  // and the stream goes on.
  bool ends_stream = true;
  std::uint64_t rejected_seq = 0;
};

// What is wrong in Open, Gap, Progress and Close, and in the order of messages.
// Each ends the stream.
std::vector<MalformedConversation> MalformedStreams();
// What is wrong in one snapshot. Each is rejected and the stream goes on.
std::vector<MalformedConversation> MalformedSnapshots();
// The part of those that is about summaries, and the part about chunks.
std::vector<MalformedConversation> MalformedSummaries();
std::vector<MalformedConversation> MalformedChunks();
// All of them.
std::vector<MalformedConversation> MalformedConversations();

// For test listings.
void PrintTo(const MalformedConversation& conversation, std::ostream* out);

}  // namespace firekeeper::testing
