// What a run, layer, label key or scalar may be called.

#pragma once

#include <string_view>

namespace firekeeper::client {

// Matches ServerLimits.name_pattern of this version of the protocol:
// ^[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]{0,254}$ without ".." and "//".
[[nodiscard]] bool IsValidName(std::string_view name);

// Protobuf strings must be UTF-8; a server refuses the whole message otherwise.
[[nodiscard]] bool IsValidUtf8(std::string_view text);

}  // namespace firekeeper::client
