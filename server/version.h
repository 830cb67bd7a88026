// The version that --version, GetServerInfo and firekeeper_build_info show.
// The build sets it from the project's version.

#pragma once

namespace firekeeper::server {

inline constexpr const char* kVersion = FIREKEEPER_VERSION;

}  // namespace firekeeper::server
