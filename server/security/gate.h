// The one gate that every gRPC handler and every HTTP request passes: from a
// bearer token to the tenant it belongs to.

#pragma once

#include <grpcpp/server_context.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firekeeper::server {

// The tenant of everyone where no tokens are used.
inline constexpr const char* kDefaultTenant = "default";

// Holds SHA-256 digests only, no token. Comparing takes the same time whatever
// the token and wherever it stands in the file.
//
// Thread-safe: immutable.
class Gate {
 public:
  // Open: everyone is kDefaultTenant.
  Gate() = default;
  // Lines of "TOKEN TENANT"; empty lines and lines that begin with # do not
  // count. Fails with kInvalidArgument, naming the line and never a token, for
  // another form, a tenant that is no name, a token that occurs twice, or no
  // token at all.
  static absl::StatusOr<Gate> Parse(const std::string& content);
  // The same from a file. Fails with kPermissionDenied where it cannot be
  // read, kInvalidArgument as Parse().
  static absl::StatusOr<Gate> FromFile(const std::string& path);

  [[nodiscard]] bool requires_token() const { return !entries_.empty(); }

  // `authorization` is the value of the header, empty where it is missing.
  // Fails with kUnauthenticated (reason TOKEN_MISSING or TOKEN_UNKNOWN).
  [[nodiscard]] absl::StatusOr<std::string> TenantOf(
      const std::string& authorization) const;
  // The same from the metadata of this call, which other calls on the
  // connection do not share.
  [[nodiscard]] absl::StatusOr<std::string> TenantOf(
      const grpc::ServerContextBase& context) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest token;
    std::string tenant;
  };

  static Digest DigestOf(const std::string& token);
  // Null where no entry has the digest.
  [[nodiscard]] const Entry* Find(const Digest& digest) const;

  std::vector<Entry> entries_;
};

// Whether others than the owner may read the file (false where it cannot be
// told). Worth a warning, not an error: secrets that Kubernetes mounts are
// readable by all.
[[nodiscard]] bool IsReadableByOthers(const std::string& path);

}  // namespace firekeeper::server
