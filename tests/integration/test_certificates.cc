#include "tests/integration/test_certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace firekeeper::testing {
namespace {

struct Freer {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const {
    X509_EXTENSION_free(extension);
  }
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Key = std::unique_ptr<EVP_PKEY, Freer>;
using Certificate = std::unique_ptr<X509, Freer>;
using File = std::unique_ptr<std::FILE, Freer>;

Key NewKey() { return Key(EVP_EC_gen("P-256")); }

void AddExtension(X509* certificate, X509* issuer, int kind,
                  const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freer> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  X509_add_ext(certificate, extension.get(), -1);
}

// Signed by the issuer; by itself where there is none.
Certificate NewCertificate(const char* name, EVP_PKEY* key, X509* issuer,
                           EVP_PKEY* issuer_key) {
  constexpr int kHour = 3'600;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);  // counts from zero: version 3
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()),
                   issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kHour);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kHour);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's API
  const auto* text = reinterpret_cast<const unsigned char*>(name);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509* signer = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  AddExtension(certificate.get(), signer, NID_basic_constraints,
               issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  AddExtension(certificate.get(), signer, NID_subject_alt_name, "IP:127.0.0.1");
  X509_sign(certificate.get(), issuer == nullptr ? key : issuer_key,
            EVP_sha256());
  return certificate;
}

void Write(const std::string& path, X509* certificate) {
  const File file(std::fopen(path.c_str(), "w"));
  PEM_write_X509(file.get(), certificate);
}

void Write(const std::string& path, EVP_PKEY* key) {
  const File file(std::fopen(path.c_str(), "w"));
  PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TestCertificates::TestCertificates()
    : folder_(
          std::filesystem::path(::testing::TempDir()) /
          (std::string("certificates_") +
           ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
  std::filesystem::create_directories(folder_);
  const Key ca_key = NewKey();
  const Certificate authority =
      NewCertificate("test authority", ca_key.get(), nullptr, nullptr);
  Write(ca(), authority.get());
  const Key server = NewKey();
  Write(server_key(), server.get());
  Write(server_cert(), NewCertificate("test server", server.get(),
                                      authority.get(), ca_key.get())
                           .get());
  const Key client = NewKey();
  Write(client_key(), client.get());
  Write(client_cert(), NewCertificate("test client", client.get(),
                                      authority.get(), ca_key.get())
                           .get());
  Write(other_key(), NewKey().get());
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::shared_ptr<grpc::ChannelCredentials> TestCertificates::ClientCredentials(
    bool with_client) const {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = Read(ca());
  if (with_client) {
    options.pem_private_key = Read(client_key());
    options.pem_cert_chain = Read(client_cert());
  }
  return grpc::SslCredentials(options);
}

}  // namespace firekeeper::testing
