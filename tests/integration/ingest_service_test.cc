#include "server/ingest/ingest_service.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/integration/server_fixture.h"

namespace firekeeper::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

using grpc::StatusCode;

class IngestServiceTest : public ServerFixture {
 protected:
  v1::Run GetRun(const std::string& run_id, const std::string& token = "") {
    const auto context = Call(token);
    v1::GetRunRequest request;
    request.set_run_id(run_id);
    v1::GetRunResponse response;
    const grpc::Status status =
        diagnostics_->GetRun(context.get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.run();
  }

  // Every snapshot is refused, so every message has an answer that cannot be
  // merged with another. Goes on until the stream ends.
  static void SendRefusedSnapshots(Stream& stream,
                                   std::atomic<std::uint64_t>* sent) {
    v1::Snapshot stranger = MakeTensorSnapshot(0);
    stranger.set_layer("nobody");
    while (stream.Write(Batched(*sent + 1, {stranger}))) ++*sent;
  }

  // Whether the count stops growing for half a second.
  static bool Stalls(const std::atomic<std::uint64_t>& count) {
    std::uint64_t before = 0;
    return Eventually([&] {
      const std::uint64_t now = count;
      const bool same = now > 0 && now == before;
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      return same;
    });
  }

  // The server's own clock-driven work, without waiting for its thread.
  static bool Eventually(const std::function<bool()>& condition) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

TEST_F(IngestServiceTest, AStreamIsOpenedAckedAndClosed) {
  StartServer();
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  ASSERT_TRUE(stream->Write(
      Batched(1, {MakeTensorSnapshot(0), MakeSummarySnapshot(1)})));
  ASSERT_TRUE(stream->Write(Closing(2)));

  const auto responses = ReadAll(*stream);
  const grpc::Status status = stream->Finish();

  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_FALSE(responses.empty());
  EXPECT_EQ(responses.back().ack().accepted_seq(), 2U);
  const v1::Run run = GetRun("digits");
  EXPECT_EQ(run.counters().snapshots_accepted(), 2U);
  EXPECT_EQ(run.tenant(), "default");
  EXPECT_EQ(run.state(), v1::RUN_STATE_ENDED);
}

TEST_F(IngestServiceTest, ReportDoesInOneCallWhatAStreamDoes) {
  StartServer();
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen("digits");
  *request.add_batches() = Batched(1, {MakeTensorSnapshot(0)}).batch();
  const auto context = Call();
  v1::ReportResponse response;

  const grpc::Status status =
      ingest_->Report(context.get(), request, &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.ack().accepted_seq(), 1U);
  EXPECT_EQ(GetRun("digits").counters().snapshots_accepted(), 1U);
}

TEST_F(IngestServiceTest, ABrokenProtocolEndsTheStreamWithItsReason) {
  StartServer();
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));

  ASSERT_TRUE(stream->Write(Batched(5, {MakeTensorSnapshot(0)})));
  ReadAll(*stream);

  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::OUT_OF_RANGE, HasSubstr("5")));
}

TEST_F(IngestServiceTest, WhatWasAckedStaysWhenTheClientVanishes) {
  StartServer();
  {
    const auto context = Call();
    const auto stream = OpenStream(*context, MakeOpen("digits"));
    ASSERT_TRUE(stream->Write(Batched(1, {MakeTensorSnapshot(0)})));
    v1::StreamResponse ack;
    ASSERT_TRUE(stream->Read(&ack));
    context->TryCancel();
    ReadAll(*stream);
    stream->Finish();
  }

  EXPECT_EQ(GetRun("digits").counters().snapshots_accepted(), 1U);
  EXPECT_TRUE(Eventually([this] {
    return GetRun("digits").attempts(0).sources_connected() == 0;
  }));
}

TEST_F(IngestServiceTest, ANewStreamOfASourceFencesTheOldOne) {
  StartServer();
  const auto old_context = Call();
  const auto old_stream = OpenStream(*old_context, MakeOpen("digits"));
  const auto new_context = Call();
  const auto new_stream = OpenStream(*new_context, MakeOpen("digits"));

  const auto responses = ReadAll(*old_stream);
  const grpc::Status status = old_stream->Finish();

  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  ASSERT_EQ(std::ranges::count_if(
                responses,
                [](const auto& response) { return response.has_fenced(); }),
            1);
  EXPECT_FALSE(responses.back().fenced().reason().empty());
  EXPECT_THAT(log_.str(), HasSubstr("stream_fenced"));

  ASSERT_TRUE(new_stream->Write(Closing(0)));
  ReadAll(*new_stream);
  EXPECT_TRUE(new_stream->Finish().ok());
}

TEST_F(IngestServiceTest, TwoStreamsThatFenceEachOtherOverAndOverDoNotHang) {
  StartServer();
  std::atomic<int> opened{0};
  const auto reopen = [&] {
    for (int i = 0; i < 50; ++i) {
      const auto context = Call();
      const auto stream = ingest_->Stream(context.get());
      stream->Write(Opening(MakeOpen("digits")));
      v1::StreamResponse response;
      if (stream->Read(&response) && response.has_opened()) ++opened;
      stream->Write(Batched(1, {MakeTensorSnapshot(0)}));
      stream->WritesDone();
      ReadAll(*stream);
      stream->Finish();
    }
  };
  {
    const std::jthread first(reopen);
    const std::jthread second(reopen);
  }

  EXPECT_GT(opened, 0);
  EXPECT_TRUE(Eventually([this] {
    return GetRun("digits").attempts(0).sources_connected() == 0;
  }));
}

TEST_F(IngestServiceTest, DeletingARunEndsItsStreamsWithNotFound) {
  StartServer();
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  v1::DeleteRunRequest request;
  request.set_run_id("digits");
  v1::DeleteRunResponse response;
  ASSERT_TRUE(diagnostics_->DeleteRun(Call().get(), request, &response).ok());

  const auto responses = ReadAll(*stream);

  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("digits")));
  EXPECT_TRUE(responses.empty());
}

TEST_F(IngestServiceTest, AStreamThatNeverOpensIsEnded) {
  StartServer();
  const auto context = Call();
  const auto stream = ingest_->Stream(context.get());
  ASSERT_TRUE(Eventually([this] {
    return server_->Metrics().find("firekeeper_streams_open 1") !=
           std::string::npos;
  }));

  // The sweeper looks every second.
  clock_.Advance(absl::Seconds(31));

  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::DEADLINE_EXCEEDED, HasSubstr("no open")));
}

TEST_F(IngestServiceTest, AnIdleStreamIsEndedAndMayComeBack) {
  StartServer();
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));

  clock_.Advance(absl::Seconds(601));
  ReadAll(*stream);

  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::UNAVAILABLE, HasSubstr("no message")));
  const auto again = Call();
  const auto second = OpenStream(*again, MakeOpen("digits"));
  ASSERT_TRUE(second->Write(Closing(0)));
  ReadAll(*second);
  EXPECT_TRUE(second->Finish().ok());
}

TEST_F(IngestServiceTest, StreamsBeyondTheLimitAreToldToComeBack) {
  options_.max_streams = 1;
  StartServer();
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  const auto more_context = Call();
  const auto more = ingest_->Stream(more_context.get());

  EXPECT_THAT(more->Finish(),
              HasCode(StatusCode::UNAVAILABLE, HasSubstr("1 streams")));
  ASSERT_TRUE(stream->Write(Closing(0)));
  ReadAll(*stream);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngestServiceTest, AClientThatReadsNothingStopsBeingRead) {
  StartServer();
  Connect(NewChannel());
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  std::atomic<std::uint64_t> sent{0};
  std::thread writer([&] { SendRefusedSnapshots(*stream, &sent); });

  EXPECT_TRUE(Stalls(sent));
  EXPECT_THAT(server_->Metrics(), HasSubstr("firekeeper_streams_open 1"))
      << "it must be held back, not ended";

  context->TryCancel();
  writer.join();
  ReadAll(*stream);
  stream->Finish();
}

TEST_F(IngestServiceTest, WithoutATokenNothingIsAccepted) {
  UseTokens("alpha red\n");
  StartServer();
  const auto context = Call();
  const auto stream = ingest_->Stream(context.get());
  stream->Write(Opening(MakeOpen("digits")));

  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("Bearer")));
  v1::ReportResponse response;
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen("digits");
  EXPECT_THAT(ingest_->Report(Call("wrong").get(), request, &response),
              HasCode(StatusCode::UNAUTHENTICATED, HasSubstr("not known")));
}

TEST_F(IngestServiceTest, TwoTenantsOnOneConnectionDoNotMeet) {
  UseTokens("alpha red\nbeta blue\n");
  StartServer();

  StreamRun(MakeOpen("digits"), "alpha");
  StreamRun(MakeOpen("digits"), "beta");
  StreamRun(MakeOpen("words"), "beta");

  EXPECT_EQ(GetRun("digits", "alpha").tenant(), "red");
  EXPECT_EQ(GetRun("digits", "beta").tenant(), "blue");
  v1::GetRunRequest request;
  request.set_run_id("words");
  v1::GetRunResponse response;
  EXPECT_THAT(diagnostics_->GetRun(Call("alpha").get(), request, &response),
              HasCode(StatusCode::NOT_FOUND, HasSubstr("words")));
}

TEST_F(IngestServiceTest, ShutdownEndsStreamsWithTheirLastAckAndUnavailable) {
  StartServer();
  Connect(NewChannel());
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  ASSERT_TRUE(stream->Write(Batched(1, {MakeTensorSnapshot(0)})));
  ASSERT_TRUE(Eventually([this] {
    return GetRun("digits").counters().snapshots_accepted() == 1;
  }));

  server_->Shutdown(server::Server::Clock::now() + std::chrono::seconds(10));
  const auto responses = ReadAll(*stream);

  ASSERT_FALSE(responses.empty());
  EXPECT_EQ(responses.back().ack().accepted_seq(), 1U);
  EXPECT_THAT(stream->Finish(),
              HasCode(StatusCode::UNAVAILABLE, HasSubstr("shutting down")));
}

TEST_F(IngestServiceTest, ShutdownWaitsNoLongerThanItsDeadline) {
  StartServer();
  Connect(NewChannel());
  const auto context = Call();
  const auto stream = OpenStream(*context, MakeOpen("digits"));
  std::atomic<std::uint64_t> sent{0};
  std::thread writer([&] { SendRefusedSnapshots(*stream, &sent); });
  ASSERT_TRUE(Stalls(sent)) << "the last answers must not fit";

  const auto begin = std::chrono::steady_clock::now();
  server_->Shutdown(server::Server::Clock::now() +
                    std::chrono::milliseconds(200));

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  writer.join();
  ReadAll(*stream);
  EXPECT_THAT(stream->Finish().error_code(),
              AnyOf(StatusCode::UNAVAILABLE, StatusCode::CANCELLED));
}

}  // namespace
}  // namespace firekeeper::testing
