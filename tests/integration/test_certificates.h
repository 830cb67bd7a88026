// A certificate authority, a server and a client, made anew in a folder of
// their own: a test with certificates of fixed dates would fail one day.

#pragma once

#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <memory>
#include <string>

namespace firekeeper::testing {

// The server is 127.0.0.1. Everything is valid for an hour.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  // Paths of PEM files.
  [[nodiscard]] std::string ca() const { return Path("ca.pem"); }
  [[nodiscard]] std::string server_cert() const { return Path("server.pem"); }
  [[nodiscard]] std::string server_key() const { return Path("server.key"); }
  [[nodiscard]] std::string client_cert() const { return Path("client.pem"); }
  [[nodiscard]] std::string client_key() const { return Path("client.key"); }
  // Belongs to no certificate.
  [[nodiscard]] std::string other_key() const { return Path("other.key"); }

  // Trusts the authority; shows the client's certificate where `with_client`.
  [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> ClientCredentials(
      bool with_client) const;

 private:
  [[nodiscard]] std::string Path(const char* name) const {
    return (folder_ / name).string();
  }

  std::filesystem::path folder_;
};

}  // namespace firekeeper::testing
