// WatcherOptions: what is wrong in themselves, and what the server is told of
// them.

#pragma once

#include "absl/status/status.h"
#include "client/cpp/watcher_options.h"
#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

// Fails with kInvalidArgument, naming the option, what came and what is
// allowed. What only the server can judge (its limits) is not checked.
[[nodiscard]] absl::Status CheckOptions(const WatcherOptions& options);

// Without launch_token where it is empty, instance_id and first_held_seq.
// Requires: CheckOptions() accepted the options.
[[nodiscard]] v1::Open EncodeOpen(const WatcherOptions& options);

}  // namespace firekeeper::client
