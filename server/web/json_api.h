// DiagnosticsService for browsers and scripts: what it answers, as canonical
// JSON of Protocol Buffers. Reads only.

#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/query/queries.h"
#include "server/telemetry/http_answers.h"

namespace firekeeper::server {

// Thread-safe.
class JsonApi {
 public:
  // Requires: `queries` outlives the object.
  explicit JsonApi(const Queries& queries);

  // Answers `method` ("ListLayers") about the runs of `tenant`. A parameter is
  // a field of the request, by its JSON name ("runId") or its own ("run_id"); a
  // repeated field may be given several times. A refusal is
  // {"error": {"code", "status", "message", "reason", "field"}} with the HTTP
  // status that goes with it: 400 for a field, 404 for a run, layer or method
  // that is not there.
  [[nodiscard]] HttpReply Answer(const std::string& tenant,
                                 const std::string& method,
                                 const HttpParameters& parameters) const;

 private:
  using Method = std::function<absl::StatusOr<std::string>(
      const std::string& tenant, const HttpParameters& parameters)>;

  const std::map<std::string, Method> methods_;
};

}  // namespace firekeeper::server
