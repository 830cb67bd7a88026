#include "server/security/gate.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

constexpr const char* kScheme = "bearer ";
constexpr std::size_t kSchemeLength = std::char_traits<char>::length(kScheme);

absl::Status Unauthenticated(const std::string& reason,
                             const std::string& message) {
  return Refusal(absl::StatusCode::kUnauthenticated, reason, message);
}

absl::Status LineError(int line, const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", message));
}

}  // namespace

absl::StatusOr<Gate> Gate::Parse(const std::string& content) {
  Gate gate;
  std::istringstream lines(content);
  std::string text;
  for (int line = 1; std::getline(lines, text); ++line) {
    std::istringstream words(text);
    std::string token;
    std::string tenant;
    std::string rest;
    if (!(words >> token) || token.front() == '#') continue;
    if (!(words >> tenant) || (words >> rest)) {
      return LineError(line, "must be a token and a tenant");
    }
    if (!CheckName("tenant", tenant, Limits()).ok()) {
      return LineError(line, "the tenant does not match the name pattern");
    }
    const Digest digest = DigestOf(token);
    if (gate.Find(digest) != nullptr) {
      return LineError(line, "the token stands in an earlier line");
    }
    gate.entries_.push_back({digest, tenant});
  }
  if (gate.entries_.empty()) {
    return absl::InvalidArgumentError("it holds no token");
  }
  return gate;
}

absl::StatusOr<Gate> Gate::FromFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot read token file ", path));
  }
  auto gate = Parse(content);
  if (!gate.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "token file ", path, ": ", std::string(gate.status().message())));
  }
  return gate;
}

absl::StatusOr<std::string> Gate::TenantOf(
    const std::string& authorization) const {
  if (!requires_token()) return std::string(kDefaultTenant);
  if (authorization.empty()) {
    return Unauthenticated(
        "TOKEN_MISSING",
        "this server needs a token: send \"authorization: Bearer TOKEN\"");
  }
  if (absl::AsciiStrToLower(authorization.substr(0, kSchemeLength)) !=
      kScheme) {
    return Unauthenticated("TOKEN_MISSING",
                           "authorization must have the form \"Bearer TOKEN\"");
  }
  const Entry* entry = Find(DigestOf(authorization.substr(kSchemeLength)));
  if (entry == nullptr) {
    return Unauthenticated("TOKEN_UNKNOWN",
                           "the token is not known to this server");
  }
  return entry->tenant;
}

absl::StatusOr<std::string> Gate::TenantOf(
    const grpc::ServerContextBase& context) const {
  const auto [first, last] =
      context.client_metadata().equal_range("authorization");
  if (first == last) return TenantOf(std::string());
  if (std::distance(first, last) > 1) {
    // Which of them counts would be a guess, and proxies guess differently.
    return Unauthenticated("TOKEN_MISSING",
                           "authorization was sent more than once");
  }
  return TenantOf(std::string(first->second.data(), first->second.size()));
}

Gate::Digest Gate::DigestOf(const std::string& token) {
  Digest digest{};
  EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(),
             nullptr);
  return digest;
}

const Gate::Entry* Gate::Find(const Digest& digest) const {
  const Entry* found = nullptr;
  // No early return: how long this takes must not tell where a token stands.
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.token.data(), digest.data(), digest.size()) == 0) {
      found = &entry;
    }
  }
  return found;
}

bool IsReadableByOthers(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  return (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace firekeeper::server
