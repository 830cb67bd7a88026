// How a malformed conversation is driven and judged, whoever answers it.

#pragma once

#include <string>
#include <vector>

#include "firekeeper/v1/errors.pb.h"
#include "firekeeper/v1/ingest.pb.h"
#include "tests/support/malformed_messages.h"

namespace firekeeper::testing {

// All that came back.
struct Answers {
  std::vector<v1::StreamResponse> responses;
  // How the stream ended; the code is 0 for OK.
  v1::Status end;
};

// The conversation under another run id, unless the run id is what is wrong.
// Where the stream is to go on, a valid snapshot and Close follow.
std::vector<v1::StreamRequest> RequestsOf(
    const MalformedConversation& conversation, const std::string& run_id);

// Expects the refusal with its field and reason in the right place, a message
// that is bounded and printable, and nothing that contradicts it.
void ExpectAnswered(const MalformedConversation& conversation,
                    const Answers& answers);

// Expects code, reason and field; an empty field expects no BadRequest.
void ExpectRefusal(const v1::Status& status, int code,
                   const std::string& reason, const std::string& field);

}  // namespace firekeeper::testing
