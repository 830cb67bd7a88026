#include "client/cpp/grpc_status.h"

#include "absl/strings/cord.h"
#include "client/cpp/retry_policy.h"
#include "firekeeper/v1/errors.pb.h"

namespace firekeeper::client {

namespace {

constexpr const char* kBadRequestUrl =
    "type.googleapis.com/google.rpc.BadRequest";
constexpr const char* kRetryInfoUrl =
    "type.googleapis.com/google.rpc.RetryInfo";

// Empty where the detail is missing or malformed.
template <typename Detail>
Detail DetailOf(const absl::Status& status, const char* url) {
  Detail detail;
  const auto payload = status.GetPayload(url);
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) {
    return Detail();
  }
  return detail;
}

}  // namespace

absl::Status ToAbsl(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status converted(static_cast<absl::StatusCode>(status.error_code()),
                         status.error_message());
  v1::Status proto;
  if (!proto.ParseFromString(status.error_details())) return converted;
  for (const google::protobuf::Any& detail : proto.details()) {
    converted.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return converted;
}

std::vector<FieldProblem> FieldProblems(const absl::Status& status) {
  std::vector<FieldProblem> problems;
  const auto detail = DetailOf<v1::BadRequest>(status, kBadRequestUrl);
  for (const auto& violation : detail.field_violations()) {
    problems.push_back(
        {.field = violation.field(), .description = violation.description()});
  }
  return problems;
}

std::chrono::milliseconds RetryAfter(const absl::Status& status) {
  const auto detail = DetailOf<v1::RetryInfo>(status, kRetryInfoUrl);
  return WaitOf(detail.retry_delay());
}

}  // namespace firekeeper::client
