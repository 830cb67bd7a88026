// Pages of lists: how long a page is, and the opaque token that continues it.

#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::server {

// Parts in an order that no other parts can spell: names hold no NUL.
template <typename... Parts>
std::string QueryOf(const Parts&... parts) {
  std::string query;
  (absl::StrAppend(&query, parts, std::string(1, '\0')), ...);
  return query;
}

// Entries of a page for a request's page_size: 100 for 0, at most `max`. Fails
// with FieldError("page_size") where it is negative.
absl::StatusOr<std::size_t> PageSize(std::int32_t requested, std::size_t max);

// `query` is everything that selects what is listed (method, run, filters);
// `position` says where the next page begins. Both may hold any bytes.
[[nodiscard]] std::string PageToken(const std::string& query,
                                    const std::string& position);

// The position; empty for the empty token, which is the first page. Fails with
// FieldError("page_token") where the token is malformed or was made for
// another query. A token is no secret and no proof: whoever forges one gets a
// page of a list that is his anyway.
absl::StatusOr<std::string> PagePosition(const std::string& token,
                                         const std::string& query);
// The same where positions are whole numbers; 0 for the first page.
absl::StatusOr<std::uint64_t> NumericPosition(const std::string& token,
                                              const std::string& query);

}  // namespace firekeeper::server
