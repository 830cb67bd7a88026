// The gRPC channel to a server, and what a call needs to be let in.

#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "client/cpp/connection.h"

namespace firekeeper::client {

// Makes a channel with credentials read beforehand. Thread-safe.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>()>;

// For who comes back to a server: a channel that lost its connection may need
// many seconds to notice that the server listens again (gRPC polls an idle one
// every 5 s), a new one connects at once. Fails as MakeChannel() does.
[[nodiscard]] absl::StatusOr<ChannelFactory> MakeChannelFactory(
    const ConnectionOptions& options);

// Does not connect yet. Fails with kInvalidArgument, naming the option, for a
// token that no header can carry or a certificate without its key, and with
// kNotFound for files that cannot be read.
[[nodiscard]] absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const ConnectionOptions& options);

// Adds the token, if any.
void Authorize(const ConnectionOptions& options, grpc::ClientContext* context);

}  // namespace firekeeper::client
