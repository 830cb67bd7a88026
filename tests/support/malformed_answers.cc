#include "tests/support/malformed_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

using ::testing::Le;
using ::testing::SizeIs;

constexpr std::int64_t kLaterStep = 20;

template <typename Detail>
Detail DetailOf(const v1::Status& status, const std::string& type) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.type_url() == "type.googleapis.com/google.rpc." + type) {
      EXPECT_TRUE(detail.ParseFromString(any.value()));
    }
  }
  return detail;
}

std::ptrdiff_t CountOf(const Answers& answers,
                       v1::StreamResponse::MessageCase kind) {
  return std::ranges::count_if(answers.responses, [kind](const auto& response) {
    return response.message_case() == kind;
  });
}

void ExpectRejected(const MalformedConversation& conversation,
                    const Answers& answers) {
  EXPECT_EQ(answers.end.code(), 0) << answers.end.ShortDebugString();
  ASSERT_EQ(CountOf(answers, v1::StreamResponse::kReject), 1);
  const auto response = std::ranges::find_if(
      answers.responses, [](const auto& one) { return one.has_reject(); });
  EXPECT_EQ(response->reject().seq(), conversation.rejected_seq);
  ExpectRefusal(response->reject().status(),
                static_cast<int>(conversation.code), conversation.reason,
                conversation.field);
  ASSERT_TRUE(answers.responses.back().has_ack());
  EXPECT_EQ(answers.responses.back().ack().accepted_seq(),
            conversation.rejected_seq + 1);
}

}  // namespace

std::vector<v1::StreamRequest> RequestsOf(
    const MalformedConversation& conversation, const std::string& run_id) {
  std::vector<v1::StreamRequest> requests = conversation.requests;
  for (v1::StreamRequest& request : requests) {
    if (request.open().run_id() == kRunId) {
      request.mutable_open()->set_run_id(run_id);
    }
  }
  if (!conversation.ends_stream) {
    const std::uint64_t next = conversation.rejected_seq + 1;
    requests.push_back(Batched(next, {MakeTensorSnapshot(kLaterStep)}));
    requests.push_back(Closing(next));
  }
  return requests;
}

void ExpectAnswered(const MalformedConversation& conversation,
                    const Answers& answers) {
  // A refused Open is not answered with Opened.
  const bool opens = conversation.requests.size() > 1;
  EXPECT_EQ(CountOf(answers, v1::StreamResponse::kOpened), opens ? 1 : 0);
  if (!conversation.ends_stream) return ExpectRejected(conversation, answers);
  EXPECT_EQ(CountOf(answers, v1::StreamResponse::kReject), 0);
  ExpectRefusal(answers.end, static_cast<int>(conversation.code),
                conversation.reason, conversation.field);
}

void ExpectRefusal(const v1::Status& status, int code,
                   const std::string& reason, const std::string& field) {
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_EQ(DetailOf<v1::ErrorInfo>(status, "ErrorInfo").reason(), reason)
      << status.message();
  const auto bad_request = DetailOf<v1::BadRequest>(status, "BadRequest");
  EXPECT_EQ(bad_request.field_violations_size(), field.empty() ? 0 : 1);
  for (const auto& violation : bad_request.field_violations()) {
    EXPECT_EQ(violation.field(), field) << status.message();
  }
  EXPECT_THAT(status.message(), SizeIs(Le(1'024U)));
  EXPECT_TRUE(std::ranges::all_of(status.message(), [](char c) {
    return c >= ' ' && c <= '~';
  })) << status.message();
}

}  // namespace firekeeper::testing
