// Text files that the program carries with it, so that it serves them wherever
// it was installed. Generated.

#pragma once

#include <map>
#include <string_view>

namespace firekeeper::server {

using EmbeddedTexts = std::map<std::string_view, std::string_view>;

// deploy/runbooks: Markdown, by the name of the alert. An alert links to the
// server that it is about.
[[nodiscard]] const EmbeddedTexts& Runbooks();

// server/web/page and what it draws with, by file name.
[[nodiscard]] const EmbeddedTexts& PageFiles();

}  // namespace firekeeper::server
