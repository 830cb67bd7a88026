// The table of malformed conversations, told to the real server while another
// stream goes on.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"
#include "tests/integration/told_streams.h"
#include "tests/support/malformed_answers.h"
#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

// A source that streams while others misbehave.
class Bystander {
 public:
  explicit Bystander(v1::IngestService::Stub& stub)
      : context_(MakeContext()), stream_(stub.Stream(context_.get())) {
    EXPECT_TRUE(stream_->Write(Opening(MakeOpen("bystander"))));
    v1::StreamResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    EXPECT_TRUE(response.has_opened());
  }

  // Sends a snapshot and expects it to be acked.
  void GoOn() {
    ++seq_;
    const auto step = static_cast<std::int64_t>(seq_);
    ASSERT_TRUE(stream_->Write(Batched(seq_, {MakeSummarySnapshot(step)})));
    v1::StreamResponse response;
    ASSERT_TRUE(stream_->Read(&response));
    ASSERT_TRUE(response.has_ack()) << response.ShortDebugString();
    EXPECT_EQ(response.ack().accepted_seq(), seq_);
  }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<IngestStream> stream_;
  std::uint64_t seq_ = 0;
};

class MalformedTest
    : public ServerFixture,
      public ::testing::WithParamInterface<MalformedConversation> {
 protected:
  MalformedTest() { StartServer(); }
};

TEST_P(MalformedTest, IsAnsweredWithTheNameOfTheFieldWhileOthersGoOn) {
  Bystander bystander(*ingest_);
  const auto context = MakeContext();
  const auto stream = ingest_->Stream(context.get());

  bystander.GoOn();
  WriteAll(*stream, RequestsOf(GetParam(), "broken"));
  bystander.GoOn();
  const Answers answers = FinishStream(*stream);
  bystander.GoOn();

  ExpectAnswered(GetParam(), answers);
}

// Control characters of a sender must not begin a line of the log.
TEST_P(MalformedTest, LeavesALogOfWholeLines) {
  const auto context = MakeContext();
  const auto stream = ingest_->Stream(context.get());

  WriteAll(*stream, RequestsOf(GetParam(), "broken"));
  FinishStream(*stream);
  server_.reset();

  std::istringstream log(log_.str());
  for (std::string line; std::getline(log, line);) {
    EXPECT_THAT(line, ::testing::StartsWith("20"));
    EXPECT_LE(line.size(), 2'048U);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, MalformedTest,
                         ::testing::ValuesIn(MalformedConversations()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace firekeeper::testing
