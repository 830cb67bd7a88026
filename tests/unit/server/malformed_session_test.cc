// The table of malformed conversations, told to a session without gRPC.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/errors.h"
#include "server/ingest/session.h"
#include "tests/support/malformed_answers.h"
#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::Answers;
using ::firekeeper::testing::Batched;
using ::firekeeper::testing::ExpectAnswered;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MalformedConversation;
using ::firekeeper::testing::MalformedConversations;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::RequestsOf;

Answers Tell(Registry& registry,
             const std::vector<v1::StreamRequest>& requests) {
  IngestSession session(registry, "tenant", [](const std::string&) {});
  Answers answers;
  for (const v1::StreamRequest& request : requests) {
    const absl::Status status =
        session.OnMessage(request, request.ByteSizeLong(), &answers.responses);
    answers.end = ToProto(status);
    if (!status.ok() || session.closed()) break;
  }
  return answers;
}

class MalformedSessionTest
    : public ::testing::TestWithParam<MalformedConversation> {
 protected:
  Registry registry_{Limits{}, StateSettings{}};
};

TEST_P(MalformedSessionTest, IsAnsweredWithTheNameOfTheField) {
  const std::vector<v1::StreamRequest> requests =
      RequestsOf(GetParam(), "broken");

  const Answers answers = Tell(registry_, requests);

  ExpectAnswered(GetParam(), answers);
}

TEST_P(MalformedSessionTest, LeavesAnotherSessionAlone) {
  IngestSession other(registry_, "tenant", [](const std::string&) {});
  std::vector<v1::StreamResponse> responses;
  ASSERT_THAT(other.OnMessage(Opening(MakeOpen("other")), 100, &responses),
              IsOk());

  Tell(registry_, RequestsOf(GetParam(), "broken"));

  ASSERT_THAT(
      other.OnMessage(Batched(1, {MakeSummarySnapshot(0)}), 100, &responses),
      IsOk());
  ASSERT_TRUE(responses.back().has_ack());
  EXPECT_EQ(responses.back().ack().accepted_seq(), 1U);
}

TEST_P(MalformedSessionTest, GivesItsMemoryBack) {
  Tell(registry_, RequestsOf(GetParam(), "broken"));

  EXPECT_THAT(
      registry_.Delete({.tenant = "tenant", .run_id = "broken"}).code(),
      ::testing::AnyOf(absl::StatusCode::kOk, absl::StatusCode::kNotFound));
  EXPECT_EQ(registry_.memory().used(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Table, MalformedSessionTest,
                         ::testing::ValuesIn(MalformedConversations()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace firekeeper::server
