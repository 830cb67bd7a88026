#include "server/web/json_api.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::json;

// google/rpc/code.proto names these for HTTP; the others are 500.
constexpr std::array<std::pair<absl::StatusCode, int>, 12> kHttpStatuses{
    {{absl::StatusCode::kInvalidArgument, 400},
     {absl::StatusCode::kFailedPrecondition, 400},
     {absl::StatusCode::kOutOfRange, 400},
     {absl::StatusCode::kUnauthenticated, 401},
     {absl::StatusCode::kPermissionDenied, 403},
     {absl::StatusCode::kNotFound, 404},
     {absl::StatusCode::kAborted, 409},
     {absl::StatusCode::kAlreadyExists, 409},
     {absl::StatusCode::kResourceExhausted, 429},
     {absl::StatusCode::kUnimplemented, 501},
     {absl::StatusCode::kUnavailable, 503},
     {absl::StatusCode::kDeadlineExceeded, 504}}};

int HttpStatusOf(absl::StatusCode code) {
  for (const auto& [each, http] : kHttpStatuses) {
    if (each == code) return http;
  }
  return 500;
}

// Whatever the bytes are: what is no UTF-8 is replaced.
std::string Text(const Json& json) {
  return json.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                   Json::error_handler_t::replace);
}

HttpReply ReplyOf(const absl::Status& status) {
  const int code = HttpStatusOf(status.code());
  Json error{{"code", code},
             {"status", absl::StatusCodeToString(status.code())},
             {"message", std::string(status.message())}};
  if (std::string reason = ReasonOf(status); !reason.empty()) {
    error["reason"] = std::move(reason);
  }
  if (std::string field = FieldOf(status); !field.empty()) {
    error["field"] = std::move(field);
  }
  return {.status = code, .body = Text({{"error", std::move(error)}})};
}

std::string FieldNames(const Descriptor& request) {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(request.field_count()));
  for (int i = 0; i < request.field_count(); ++i) {
    names.push_back(request.field(i)->json_name());
  }
  return names.empty() ? "it has none" : absl::StrJoin(names, ", ");
}

// Numbers and enums may be texts in JSON, truth may not.
absl::StatusOr<Json> ValueOf(const FieldDescriptor& field,
                             const std::string& text) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return FieldError(field.json_name(), "cannot be given in a query");
  }
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_BOOL) return Json(text);
  if (text != "true" && text != "false") {
    return FieldError(field.json_name(),
                      absl::StrCat("\"", text, "\" is not true or false"));
  }
  return Json(text == "true");
}

absl::StatusOr<std::string> RequestOf(const Descriptor& request,
                                      const HttpParameters& parameters) {
  Json json = Json::object();
  for (const auto& [name, text] : parameters) {
    const FieldDescriptor* field = request.FindFieldByCamelcaseName(name);
    if (field == nullptr) field = request.FindFieldByName(name);
    if (field == nullptr) {
      return FieldError(name, absl::StrCat("is no field of ", request.name(),
                                           ": ", FieldNames(request)));
    }
    auto value = ValueOf(*field, text);
    if (!value.ok()) return value.status();
    Json& place = json[field->json_name()];
    if (field->is_repeated()) {
      place.push_back(*std::move(value));
    } else if (place.is_null()) {
      place = *std::move(value);
    } else {
      return FieldError(name, "is given twice, and once was allowed");
    }
  }
  return Text(json);
}

template <typename Request, typename Response>
using Query = absl::Status (Queries::*)(const std::string&, const Request&,
                                        Response*) const;

template <typename Request, typename Response>
absl::StatusOr<std::string> Ask(const Queries& queries,
                                Query<Request, Response> query,
                                const std::string& tenant,
                                const HttpParameters& parameters) {
  const auto json = RequestOf(*Request::descriptor(), parameters);
  if (!json.ok()) return json.status();
  Request request;
  if (const auto parsed =
          google::protobuf::util::JsonStringToMessage(*json, &request);
      !parsed.ok()) {
    return Refusal(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                   std::string(parsed.message()));
  }
  Response response;
  if (absl::Status status = (queries.*query)(tenant, request, &response);
      !status.ok()) {
    return status;
  }
  std::string answer;
  if (const auto written =
          google::protobuf::util::MessageToJsonString(response, &answer);
      !written.ok()) {
    // A time beyond year 9999, say.
    return absl::InternalError(std::string(written.message()));
  }
  return answer;
}

template <typename Request, typename Response>
auto Asking(const Queries& queries, Query<Request, Response> query) {
  return [&queries, query](const std::string& tenant,
                           const HttpParameters& parameters) {
    return Ask(queries, query, tenant, parameters);
  };
}

}  // namespace

JsonApi::JsonApi(const Queries& queries)
    : methods_{{"GetServerInfo", Asking(queries, &Queries::GetServerInfo)},
               {"ListRuns", Asking(queries, &Queries::ListRuns)},
               {"GetRun", Asking(queries, &Queries::GetRun)},
               {"ListLayers", Asking(queries, &Queries::ListLayers)},
               {"GetLayer", Asking(queries, &Queries::GetLayer)},
               {"GetLayerHistory", Asking(queries, &Queries::GetLayerHistory)},
               {"ListUnits", Asking(queries, &Queries::ListUnits)},
               {"GetUnitMap", Asking(queries, &Queries::GetUnitMap)},
               {"GetHistogram", Asking(queries, &Queries::GetHistogram)},
               {"GetDistribution", Asking(queries, &Queries::GetDistribution)},
               {"GetScalar", Asking(queries, &Queries::GetScalar)},
               {"DiagnoseRun", Asking(queries, &Queries::DiagnoseRun)},
               {"ListEvents", Asking(queries, &Queries::ListEvents)}} {}

HttpReply JsonApi::Answer(const std::string& tenant, const std::string& method,
                          const HttpParameters& parameters) const {
  const auto found = methods_.find(method);
  if (found == methods_.end()) {
    return ReplyOf(Refusal(
        absl::StatusCode::kNotFound, "NO_SUCH_METHOD",
        absl::StrCat("\"", method, "\" is none of ",
                     absl::StrJoin(methods_, ", ",
                                   [](std::string* names, const auto& entry) {
                                     names->append(entry.first);
                                   }))));
  }
  auto answer = found->second(tenant, parameters);
  if (!answer.ok()) return ReplyOf(answer.status());
  return {.status = 200, .body = *std::move(answer)};
}

}  // namespace firekeeper::server
