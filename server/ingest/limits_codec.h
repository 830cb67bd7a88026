// The limits as clients see them.

#pragma once

#include "firekeeper/v1/ingest.pb.h"
#include "server/state/limits.h"

namespace firekeeper::server {

// Connections and streams a connection are the transport's limits.
inline constexpr std::uint64_t kMaxStreamsPerConnection = 16;

[[nodiscard]] v1::ServerLimits LimitsToProto(const Limits& limits,
                                             const StateSettings& settings);

}  // namespace firekeeper::server
