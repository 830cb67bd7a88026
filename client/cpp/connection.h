// Where the server is and how to be let in.

#pragma once

#include <string>

namespace firekeeper::client {

// TLS towards the server. Files are PEM and read once, when a client starts.
struct TlsOptions {
  // Plaintext while false. Naming any file below also switches TLS on.
  bool enabled = false;
  // Certificates to trust. Empty: the system's.
  std::string ca_cert_file{};
  // Our own certificate and key, for servers that ask for one. Both or neither.
  std::string client_cert_file{};
  std::string client_key_file{};

  [[nodiscard]] bool required() const {
    return enabled || !ca_cert_file.empty() || !client_cert_file.empty() ||
           !client_key_file.empty();
  }
};

struct ConnectionOptions {
  // "host:port", or any other target that gRPC understands ("unix:/path",
  // "dns:///name:port").
  std::string endpoint = "127.0.0.1:50061";
  TlsOptions tls{};
  // Sent with every call as "authorization: Bearer <token>"; never logged.
  // Without TLS anyone on the way can read it.
  std::string token{};
};

}  // namespace firekeeper::client
