#include "server/security/credentials.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

template <typename Held, void (*Free)(Held*)>
struct Freer {
  void operator()(Held* held) const { Free(held); }
};
using Certificate = std::unique_ptr<X509, Freer<X509, X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
struct BioFreer {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioFreer>;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || content.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot read ", path, ", or it is empty"));
  }
  return content;
}

Bio Reader(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Never prompts for a passphrase: a server has nobody to ask.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*rwflag*/,
                 void* /*user*/) {
  return -1;
}

Certificate FirstCertificate(const std::string& pem) {
  return Certificate(
      PEM_read_bio_X509(Reader(pem).get(), nullptr, &NoPassphrase, nullptr));
}

PrivateKey FirstKey(const std::string& pem) {
  return PrivateKey(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr,
                                            &NoPassphrase, nullptr));
}

bool UseCertificateChain(SSL_CTX* context, const std::string& pem) {
  const Bio reader = Reader(pem);
  bool is_first = true;
  for (;;) {
    Certificate next(
        PEM_read_bio_X509(reader.get(), nullptr, &NoPassphrase, nullptr));
    // The end of the text is an error of the reader, too.
    if (!next) break;
    if (is_first && SSL_CTX_use_certificate(context, next.get()) != 1) {
      return false;
    }
    if (!is_first && SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return false;
    }
    is_first = false;
  }
  ERR_clear_error();
  return !is_first;
}

// Clients must show a certificate that one of `pem` signed, where there is any.
bool RequireClients(SSL_CTX* context, const std::string& pem) {
  if (pem.empty()) return true;
  const Bio reader = Reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (;;) {
    const Certificate next(
        PEM_read_bio_X509(reader.get(), nullptr, &NoPassphrase, nullptr));
    if (!next) break;
    if (X509_STORE_add_cert(store, next.get()) != 1) return false;
    if (SSL_CTX_add_client_CA(context, next.get()) != 1) return false;
  }
  ERR_clear_error();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  // Sessions are not resumed: a resumed one would skip the certificate.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  return true;
}

absl::Status Malformed(const std::string& path, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " holds no PEM ", wanted));
}

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsMaterial(const std::string& cert_path,
                                            const std::string& key_path,
                                            const std::string& client_ca_path) {
  auto cert = ReadFile(cert_path);
  if (!cert.ok()) return cert.status();
  auto key = ReadFile(key_path);
  if (!key.ok()) return key.status();
  auto client_ca = ReadFile(client_ca_path);
  if (!client_ca.ok()) return client_ca.status();
  // gRPC would take anything here and then fail every handshake in silence.
  if (!cert->empty()) {
    const Certificate certificate = FirstCertificate(*cert);
    if (!certificate) return Malformed(cert_path, "certificate");
    const PrivateKey private_key = FirstKey(*key);
    if (!private_key) return Malformed(key_path, "key without a passphrase");
    if (X509_check_private_key(certificate.get(), private_key.get()) != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("the key in ", key_path,
                       " does not belong to the certificate in ", cert_path));
    }
  }
  if (!client_ca->empty() && !FirstCertificate(*client_ca)) {
    return Malformed(client_ca_path, "certificate");
  }
  return TlsMaterial{.cert = *cert, .key = *key, .client_ca = *client_ca};
}

std::shared_ptr<grpc::ServerCredentials> GrpcCredentials(
    const TlsMaterial& material) {
  if (!material.enabled()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      material.client_ca.empty()
          ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
          : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = material.client_ca;
  options.pem_key_cert_pairs.push_back({material.key, material.cert});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> HttpCredentials(
    const TlsMaterial& material) {
  if (!material.enabled()) return std::shared_ptr<SSL_CTX>();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()),
                                         &SSL_CTX_free);
  if (!context ||
      SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      !UseCertificateChain(context.get(), material.cert) ||
      SSL_CTX_use_PrivateKey(context.get(), FirstKey(material.key).get()) !=
          1 ||
      !RequireClients(context.get(), material.client_ca)) {
    return absl::InvalidArgumentError(
        "the certificate, the key or the client CA cannot be used for HTTP");
  }
  return context;
}

}  // namespace firekeeper::server
