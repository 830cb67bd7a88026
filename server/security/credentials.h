// Certificates and keys, read once at the start.

#pragma once

#include <grpcpp/security/server_credentials.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace firekeeper::server {

// PEM texts. Empty cert: no TLS. Empty client_ca: clients need no certificate.
struct TlsMaterial {
  std::string cert;
  std::string key;
  std::string client_ca;

  [[nodiscard]] bool enabled() const { return !cert.empty(); }
};

// Reads the files; an empty path gives an empty text. Fails with
// kPermissionDenied, naming the path, where one cannot be read, and with
// kInvalidArgument where one holds no PEM of the right kind or the key does
// not belong to the certificate.
absl::StatusOr<TlsMaterial> ReadTlsMaterial(const std::string& cert_path,
                                            const std::string& key_path,
                                            const std::string& client_ca_path);

// TLS, mutual where there is a client_ca; plaintext where TLS is off.
[[nodiscard]] std::shared_ptr<grpc::ServerCredentials> GrpcCredentials(
    const TlsMaterial& material);

// The same for HTTP: TLS 1.2 or newer. Null where TLS is off. Fails with
// kInvalidArgument where OpenSSL does not take the material.
absl::StatusOr<std::shared_ptr<SSL_CTX>> HttpCredentials(
    const TlsMaterial& material);

}  // namespace firekeeper::server
