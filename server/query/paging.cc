#include "server/query/paging.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kDefaultPageSize = 100;
// Version of the form, so that a later one can tell.
constexpr char kVersion = '1';
constexpr std::size_t kHeaderLength = 17;  // version and 16 hex digits

// FNV-1a (Fowler, Noll and Vo): equal on every server and after a restart.
std::uint64_t Fingerprint(const std::string& text) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  }
  return hash;
}

std::string Header(const std::string& query) {
  return absl::StrFormat("%c%016x", kVersion, Fingerprint(query));
}

absl::Status Malformed() {
  return FieldError("page_token",
                    "not a next_page_token of a list of this server");
}

}  // namespace

absl::StatusOr<std::size_t> PageSize(std::int32_t requested, std::size_t max) {
  if (requested < 0) {
    return FieldError("page_size",
                      absl::StrCat(requested, "; it must not be negative"));
  }
  const std::size_t wanted =
      requested == 0 ? kDefaultPageSize : static_cast<std::size_t>(requested);
  return std::min(wanted, max);
}

std::string PageToken(const std::string& query, const std::string& position) {
  return absl::WebSafeBase64Escape(absl::StrCat(Header(query), position));
}

absl::StatusOr<std::string> PagePosition(const std::string& token,
                                         const std::string& query) {
  if (token.empty()) return std::string();
  std::string content;
  if (!absl::WebSafeBase64Unescape(token, &content) ||
      content.size() < kHeaderLength || content.front() != kVersion) {
    return Malformed();
  }
  if (content.substr(0, kHeaderLength) != Header(query)) {
    return FieldError("page_token",
                      "made for another list: it continues only the request "
                      "that it came from");
  }
  return content.substr(kHeaderLength);
}

absl::StatusOr<std::uint64_t> NumericPosition(const std::string& token,
                                              const std::string& query) {
  const auto position = PagePosition(token, query);
  if (!position.ok()) return position.status();
  if (position->empty()) return std::uint64_t{0};
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(*position, &number)) return Malformed();
  return number;
}

}  // namespace firekeeper::server
