#include "server/errors.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace firekeeper::server {
namespace {

constexpr const char* kErrorInfoUrl =
    "type.googleapis.com/google.rpc.ErrorInfo";
constexpr const char* kBadRequestUrl =
    "type.googleapis.com/google.rpc.BadRequest";
constexpr const char* kRetryInfoUrl =
    "type.googleapis.com/google.rpc.RetryInfo";
constexpr const char* kDomain = "firekeeper";

// Everything of a refusal travels in HTTP/2 trailers, of which gRPC peers
// accept 8 KiB by default, and appears twice: as text and in the details.
constexpr std::size_t kMaxFieldBytes = 256;
constexpr std::size_t kMaxDescriptionBytes = 512;
constexpr std::size_t kMaxMessageBytes =
    kMaxFieldBytes + kMaxDescriptionBytes + 2;

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

// Text that is safe in a log line and in a proto string: printable ASCII, at
// most `limit` bytes. Leaves text that is so already as it is.
std::string Clean(absl::string_view text, std::size_t limit) {
  constexpr absl::string_view kHex = "0123456789abcdef";
  constexpr absl::string_view kCut = "...";
  std::string clean;
  clean.reserve(std::min(text.size(), limit));
  for (const char c : text) {
    if (clean.size() > limit) break;
    if (IsPrintable(c)) {
      clean.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    clean.append({'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xFU]});
  }
  if (clean.size() > limit) {
    clean.resize(limit - kCut.size());
    clean.append(kCut.data(), kCut.size());
  }
  return clean;
}

void Attach(absl::Status* status, absl::string_view url,
            const google::protobuf::MessageLite& detail) {
  status->SetPayload(url, absl::Cord(detail.SerializeAsString()));
}

// The detail of this type; a default one where the status has none.
template <typename Detail>
Detail DetailOf(const absl::Status& status, absl::string_view url) {
  Detail detail;
  if (const auto payload = status.GetPayload(url); payload.has_value()) {
    // Only this file writes these payloads, so they parse.
    [[maybe_unused]] const bool parsed =
        detail.ParseFromString(std::string(*payload));
    assert(parsed);
  }
  return detail;
}

std::string FieldMessage(const v1::BadRequest::FieldViolation& violation) {
  return absl::StrCat(violation.field(), ": ", violation.description());
}

absl::Status FieldRefusal(absl::StatusCode code, const std::string& reason,
                          const std::string& field,
                          const std::string& description) {
  v1::BadRequest bad_request;
  v1::BadRequest::FieldViolation& violation =
      *bad_request.add_field_violations();
  violation.set_field(Clean(field, kMaxFieldBytes));
  violation.set_description(Clean(description, kMaxDescriptionBytes));
  absl::Status status = Refusal(code, reason, FieldMessage(violation));
  Attach(&status, kBadRequestUrl, bad_request);
  return status;
}

}  // namespace

absl::Status Refusal(absl::StatusCode code, const std::string& reason,
                     const std::string& message) {
  assert(code != absl::StatusCode::kOk);
  absl::Status status(code, Clean(message, kMaxMessageBytes));
  v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kDomain);
  Attach(&status, kErrorInfoUrl, info);
  return status;
}

absl::Status FieldError(const std::string& field,
                        const std::string& description) {
  return FieldRefusal(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                      field, description);
}

absl::Status LimitError(const std::string& field,
                        const std::string& description) {
  return FieldRefusal(absl::StatusCode::kResourceExhausted, "LIMIT_EXCEEDED",
                      field, description);
}

absl::Status Overloaded(const std::string& message,
                        std::chrono::milliseconds delay) {
  absl::Status status =
      Refusal(absl::StatusCode::kUnavailable, "OVERLOADED", message);
  const auto millis = std::max<std::chrono::milliseconds::rep>(
      delay.count(), std::chrono::milliseconds::rep{0});
  v1::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(millis / 1'000);
  retry.mutable_retry_delay()->set_nanos(
      static_cast<int>(millis % 1'000 * 1'000'000));
  Attach(&status, kRetryInfoUrl, retry);
  return status;
}

absl::Status WithFieldPrefix(const absl::Status& status,
                             const std::string& prefix) {
  auto bad_request = DetailOf<v1::BadRequest>(status, kBadRequestUrl);
  if (bad_request.field_violations().empty()) return status;
  for (auto& violation : *bad_request.mutable_field_violations()) {
    violation.set_field(
        Clean(absl::StrCat(prefix, violation.field()), kMaxFieldBytes));
  }
  absl::Status prefixed(
      status.code(),
      Clean(FieldMessage(bad_request.field_violations(0)), kMaxMessageBytes));
  status.ForEachPayload(
      [&prefixed](absl::string_view url, const absl::Cord& payload) {
        prefixed.SetPayload(url, payload);
      });
  Attach(&prefixed, kBadRequestUrl, bad_request);
  return prefixed;
}

std::string ReasonOf(const absl::Status& status) {
  return DetailOf<v1::ErrorInfo>(status, kErrorInfoUrl).reason();
}

std::string FieldOf(const absl::Status& status) {
  const auto bad_request = DetailOf<v1::BadRequest>(status, kBadRequestUrl);
  return bad_request.field_violations().empty()
             ? std::string()
             : bad_request.field_violations(0).field();
}

v1::Status ToProto(const absl::Status& status) {
  v1::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  // Again, for statuses that were not made here.
  proto.set_message(Clean(status.message(), kMaxMessageBytes));
  // By name, not ForEachPayload(): its order changes from call to call.
  for (const char* url : {kErrorInfoUrl, kBadRequestUrl, kRetryInfoUrl}) {
    const auto payload = status.GetPayload(url);
    if (!payload.has_value()) continue;
    google::protobuf::Any& detail = *proto.add_details();
    detail.set_type_url(url);
    detail.set_value(std::string(*payload));
  }
  return proto;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const v1::Status proto = ToProto(status);
  return {static_cast<grpc::StatusCode>(proto.code()), proto.message(),
          proto.SerializeAsString()};
}

}  // namespace firekeeper::server
