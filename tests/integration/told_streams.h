// Streams that are told everything first and asked for all answers afterwards.

#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <vector>

#include "firekeeper/v1/ingest.grpc.pb.h"
#include "tests/support/malformed_answers.h"

namespace firekeeper::testing {

using IngestStream =
    grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>;

// For a call that fails instead of hanging.
inline std::unique_ptr<grpc::ClientContext> MakeContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(30));
  return context;
}

// Stops where the server has ended the stream.
inline void WriteAll(IngestStream& stream,
                     const std::vector<v1::StreamRequest>& requests) {
  for (const v1::StreamRequest& request : requests) {
    if (!stream.Write(request)) return;
  }
}

// Says that nothing more will come and reads everything that does.
inline Answers FinishStream(IngestStream& stream) {
  stream.WritesDone();
  Answers answers;
  v1::StreamResponse response;
  while (stream.Read(&response)) answers.responses.push_back(response);
  const grpc::Status status = stream.Finish();
  // What gRPC itself refuses has no details.
  if (status.error_details().empty() ||
      !answers.end.ParseFromString(status.error_details())) {
    answers.end.set_code(static_cast<int>(status.error_code()));
    answers.end.set_message(status.error_message());
  }
  return answers;
}

}  // namespace firekeeper::testing
