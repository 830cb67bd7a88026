// What every unary handler does around its answer.

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <string>

#include "absl/status/status.h"
#include "server/errors.h"
#include "server/security/gate.h"
#include "server/telemetry/grpc_metrics.h"

namespace firekeeper::server {

// Passes the gate, calls `answer(tenant)`, counts and finishes the call.
template <typename Answer>
grpc::ServerUnaryReactor* ReplyUnary(grpc::CallbackServerContext& context,
                                     const Gate& gate, CallRecord record,
                                     const Answer& answer) {
  record.Received();
  const auto tenant = gate.TenantOf(context);
  const grpc::Status status =
      ToGrpcStatus(tenant.ok() ? answer(*tenant) : tenant.status());
  if (status.ok()) record.Sent();
  record.Finish(status.error_code());
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace firekeeper::server
