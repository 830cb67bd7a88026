// The runbooks of deploy/runbooks, which the program carries with it: an alert
// links to the server that it is about.

#pragma once

#include <map>
#include <string_view>

namespace firekeeper::server {

// Markdown, by the name of the alert. Generated.
[[nodiscard]] const std::map<std::string_view, std::string_view>& Runbooks();

}  // namespace firekeeper::server
