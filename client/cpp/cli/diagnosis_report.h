// A diagnosis for people: what is wrong, how that is known, and what to do.

#pragma once

#include <string>

#include "firekeeper/v1/diagnostics.pb.h"

namespace firekeeper::client::cli {

// Plain text, at most 100 columns where words allow it.
[[nodiscard]] std::string TextReport(const std::string& run_id,
                                     const v1::DiagnoseRunResponse& diagnosis);
// The same as Markdown, for an issue or a chat.
[[nodiscard]] std::string MarkdownReport(
    const std::string& run_id, const v1::DiagnoseRunResponse& diagnosis);

// "0.24 > 0.1", or "not streamed".
[[nodiscard]] std::string FormatEvidence(const v1::Evidence& evidence);
// "learning rate too high".
[[nodiscard]] std::string FormatCause(v1::Cause cause);

}  // namespace firekeeper::client::cli
