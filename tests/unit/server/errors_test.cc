#include "server/errors.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/cord.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;
using ::testing::StartsWith;

template <typename Detail>
Detail DetailAt(const v1::Status& status, int index) {
  Detail detail;
  EXPECT_TRUE(detail.ParseFromString(status.details(index).value()));
  return detail;
}

bool IsPrintableAscii(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

TEST(RefusalTest, CarriesItsCodeReasonAndMessage) {
  const absl::Status status =
      Refusal(absl::StatusCode::kOutOfRange, "SEQUENCE_HOLE", "3 is missing");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange, "3 is missing"));
  EXPECT_EQ(ReasonOf(status), "SEQUENCE_HOLE");
  EXPECT_EQ(FieldOf(status), "");
}

TEST(RefusalTest, EscapesWhatIsNotPrintableAscii) {
  const absl::Status status =
      Refusal(absl::StatusCode::kInternal, "BROKEN",
              std::string("a\nb\0c\x7f\xff \"d\" \\", 13));

  EXPECT_EQ(status.message(), "a\\x0ab\\x00c\\x7f\\xff \"d\" \\");
}

TEST(RefusalTest, CutsALongMessageAndSaysSo) {
  const absl::Status status = Refusal(absl::StatusCode::kInternal, "BROKEN",
                                      std::string(64 << 10, '\n'));

  EXPECT_THAT(std::string(status.message()),
              AllOf(SizeIs(Le(1'024U)), EndsWith("...")));
}

TEST(FieldErrorTest, NamesTheFieldInMessageAndDetail) {
  const absl::Status status = FieldError("tensor.shape", "has 9 axes");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "tensor.shape: has 9 axes"));
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  EXPECT_EQ(FieldOf(status), "tensor.shape");
}

TEST(FieldErrorTest, BoundsTheFieldToo) {
  const absl::Status status =
      FieldError(std::string(64 << 10, 'x'), std::string(64 << 10, 'y'));

  EXPECT_THAT(FieldOf(status), SizeIs(Le(256U)));
  EXPECT_THAT(std::string(status.message()), SizeIs(Le(1'024U)));
}

TEST(LimitErrorTest, IsFinalBecauseItHasNoRetryInfo) {
  const absl::Status status = LimitError("layers", "has 3 entries; at most 2");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               "layers: has 3 entries; at most 2"));
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  const v1::Status proto = ToProto(status);
  for (const auto& detail : proto.details()) {
    EXPECT_NE(detail.type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  }
}

TEST(OverloadedTest, SaysWhenToComeBack) {
  const v1::Status proto = ToProto(
      Overloaded("memory is used up", std::chrono::milliseconds(1'250)));

  EXPECT_EQ(proto.code(), static_cast<int>(grpc::StatusCode::UNAVAILABLE));
  ASSERT_EQ(proto.details_size(), 2);
  EXPECT_EQ(proto.details(1).type_url(),
            "type.googleapis.com/google.rpc.RetryInfo");
  const auto retry = DetailAt<v1::RetryInfo>(proto, 1);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250'000'000);
}

TEST(OverloadedTest, NeverAsksForANegativeDelay) {
  const v1::Status proto =
      ToProto(Overloaded("busy", std::chrono::milliseconds(-5)));

  const auto retry = DetailAt<v1::RetryInfo>(proto, 1);
  EXPECT_EQ(retry.retry_delay().seconds(), 0);
  EXPECT_EQ(retry.retry_delay().nanos(), 0);
}

TEST(WithFieldPrefixTest, PrefixesMessageAndDetailAndKeepsTheRest) {
  const absl::Status status =
      WithFieldPrefix(LimitError("shape", "is too large"), "tensor.");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               "tensor.shape: is too large"));
  EXPECT_EQ(FieldOf(status), "tensor.shape");
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
}

TEST(WithFieldPrefixTest, AddsUp) {
  const absl::Status status =
      WithFieldPrefix(WithFieldPrefix(FieldError("scale", "is nan"), "tensor."),
                      "batch.snapshots[3].");

  EXPECT_EQ(FieldOf(status), "batch.snapshots[3].tensor.scale");
  EXPECT_EQ(status.message(), "batch.snapshots[3].tensor.scale: is nan");
}

TEST(WithFieldPrefixTest, StaysBoundedHoweverOftenItIsApplied) {
  absl::Status status = FieldError("scale", std::string(600, 'x'));

  for (int i = 0; i < 100; ++i) status = WithFieldPrefix(status, "a.b.c.d.");

  EXPECT_THAT(FieldOf(status), SizeIs(Le(256U)));
  EXPECT_THAT(std::string(status.message()), SizeIs(Le(1'024U)));
}

TEST(WithFieldPrefixTest, LeavesARefusalWithoutAFieldAsItIs) {
  const absl::Status status =
      Refusal(absl::StatusCode::kAborted, "FENCED", "a newer attempt began");

  EXPECT_EQ(WithFieldPrefix(status, "open."), status);
  EXPECT_EQ(WithFieldPrefix(absl::OkStatus(), "open."), absl::OkStatus());
}

TEST(ToProtoTest, GivesErrorInfoThenBadRequest) {
  const v1::Status proto = ToProto(FieldError("step", "is -1"));

  EXPECT_EQ(proto.code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_EQ(proto.message(), "step: is -1");
  ASSERT_EQ(proto.details_size(), 2);
  EXPECT_EQ(proto.details(0).type_url(),
            "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_EQ(proto.details(1).type_url(),
            "type.googleapis.com/google.rpc.BadRequest");
  const auto info = DetailAt<v1::ErrorInfo>(proto, 0);
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
  EXPECT_EQ(info.domain(), "firekeeper");
  const auto bad_request = DetailAt<v1::BadRequest>(proto, 1);
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "step");
  EXPECT_EQ(bad_request.field_violations(0).description(), "is -1");
}

TEST(ToProtoTest, LeavesOutPayloadsThatWereNotMadeHere) {
  absl::Status status = absl::InternalError("broken");
  status.SetPayload("example.com/secret", absl::Cord("token"));

  EXPECT_THAT(ToProto(status).details(), IsEmpty());
}

TEST(ToGrpcStatusTest, OkIsOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
}

TEST(ToGrpcStatusTest, CarriesTheSerializedStatusAsDetails) {
  const absl::Status status = FieldError("source", "is 4");

  const grpc::Status wire = ToGrpcStatus(status);

  EXPECT_EQ(wire.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(wire.error_message(), "source: is 4");
  v1::Status details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.SerializeAsString(), ToProto(status).SerializeAsString());
}

TEST(ToGrpcStatusTest, CleansMessagesOfStatusesThatWereMadeElsewhere) {
  const grpc::Status wire = ToGrpcStatus(
      absl::InternalError("one\r\ntwo" + std::string(10'000, '\x80')));

  EXPECT_THAT(wire.error_message(),
              AllOf(StartsWith("one\\x0d\\x0atwo"), SizeIs(Le(1'024U))));
  EXPECT_TRUE(IsPrintableAscii(wire.error_message()));
}

// gRPC peers drop the whole answer where its trailers pass 8 KiB.
TEST(ToGrpcStatusTest, TheLargestRefusalFitsTheTrailers) {
  const grpc::Status wire = ToGrpcStatus(
      FieldError(std::string(10'000, '%'), std::string(10'000, '%')));

  // '%' takes three bytes in grpc-message, details are sent in base64.
  const std::size_t bytes =
      3 * wire.error_message().size() + wire.error_details().size() * 4 / 3;
  EXPECT_THAT(bytes, AllOf(Ge(1'000U), Le(6'000U)));
}

class CodeTest : public ::testing::TestWithParam<absl::StatusCode> {};

TEST_P(CodeTest, IsTheSameNumberInGrpc) {
  const grpc::Status wire = ToGrpcStatus(Refusal(GetParam(), "REASON", "text"));

  EXPECT_EQ(static_cast<int>(wire.error_code()), static_cast<int>(GetParam()));
}

std::string NameOfCode(const ::testing::TestParamInfo<absl::StatusCode>& code) {
  std::string name = absl::StatusCodeToString(code.param);
  std::erase(name, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    AllCodes, CodeTest,
    ::testing::Values(
        absl::StatusCode::kCancelled, absl::StatusCode::kUnknown,
        absl::StatusCode::kInvalidArgument, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kNotFound, absl::StatusCode::kAlreadyExists,
        absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kFailedPrecondition, absl::StatusCode::kAborted,
        absl::StatusCode::kOutOfRange, absl::StatusCode::kUnimplemented,
        absl::StatusCode::kInternal, absl::StatusCode::kUnavailable,
        absl::StatusCode::kDataLoss, absl::StatusCode::kUnauthenticated),
    &NameOfCode);

}  // namespace
}  // namespace firekeeper::server
