// What gRPC may spend on its peers.

#pragma once

#include <grpcpp/server_builder.h>

#include "server/options.h"

namespace firekeeper::server {

// Memory quota, message and metadata sizes, streams a connection, no
// compression, transport windows. DESIGN.md 8 and 9 say what each was measured
// to prevent.
void SetGrpcLimits(const Options& options, grpc::ServerBuilder* builder);

}  // namespace firekeeper::server
