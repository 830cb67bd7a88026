#include "client/cpp/cli/shell.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/match.h"
#include "client/cpp/cli/table.h"
#include "client/cpp/grpc_status.h"

namespace firekeeper::client::cli {

namespace {

std::string JsonOf(const google::protobuf::Message& message, bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indented;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  // Fails for Any of unknown types only, which no answer holds.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

}  // namespace

ExitCode Fail(const Shell& shell, const absl::Status& status) {
  shell.err << "firekeeper: " << absl::StatusCodeToString(status.code()) << ": "
            << Printable(std::string(status.message())) << '\n';
  for (const FieldProblem& problem : FieldProblems(status)) {
    // Most servers' messages name the first field themselves.
    if (absl::StartsWith(status.message(), problem.field + ": ")) continue;
    shell.err << "  field " << Printable(problem.field) << ": "
              << Printable(problem.description) << '\n';
  }
  if (ExitCodeOf(status) == ExitCode::kUnreachable) {
    shell.err << "  is firekeeperd running at " << shell.connection.endpoint
              << "? (--endpoint or FIREKEEPER_ENDPOINT)\n";
  }
  return ExitCodeOf(status);
}

ExitCode FailUsage(const Shell& shell, const absl::Status& status) {
  shell.err << "firekeeper: " << Printable(std::string(status.message()))
            << '\n';
  return ExitCode::kUsage;
}

void PrintJson(const Shell& shell, const google::protobuf::Message& message) {
  shell.out << JsonOf(message, true);
}

std::string ToJson(const google::protobuf::Message& message) {
  return JsonOf(message, false);
}

ExitCode WithClient(const Shell& shell,
                    const std::function<ExitCode(DiagnosticsClient&)>& body) {
  const auto client = shell.Connect();
  if (!client.ok()) return FailUsage(shell, client.status());
  return body(**client);
}

}  // namespace firekeeper::client::cli
