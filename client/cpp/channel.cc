#include "client/cpp/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace firekeeper::client {

namespace {

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // A peer that vanished without a word is noticed within 40 s. Silence is
  // broken by our own Progress before, so a server at rest is not pinged.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // The Watcher backs off itself; the channel's own pause (up to two minutes)
  // would come on top of it.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // Also the time that one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
  // Channels of one process must not wait for each other's pauses.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

absl::Status ReadFile(const std::string& path, std::string* contents) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (file) bytes << file.rdbuf();
  *contents = bytes.str();
  // Empty would mean "the system's certificates" to gRPC.
  if (!contents->empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(path, " cannot be read, or is empty"));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const TlsOptions& tls) {
  if (!tls.required()) return grpc::InsecureChannelCredentials();
  if (tls.client_cert_file.empty() != tls.client_key_file.empty()) {
    return absl::InvalidArgumentError(
        "tls: client_cert_file and client_key_file go together");
  }
  grpc::SslCredentialsOptions options;
  absl::Status status = ReadFile(tls.ca_cert_file, &options.pem_root_certs);
  status.Update(ReadFile(tls.client_cert_file, &options.pem_cert_chain));
  status.Update(ReadFile(tls.client_key_file, &options.pem_private_key));
  if (!status.ok()) return status;
  return grpc::SslCredentials(options);
}

}  // namespace

absl::StatusOr<ChannelFactory> MakeChannelFactory(
    const ConnectionOptions& options) {
  // gRPC would abort the process on a header with other characters.
  if (!std::all_of(options.token.begin(), options.token.end(),
                   [](char c) { return c > ' ' && c <= '~'; })) {
    return absl::InvalidArgumentError(
        "token: must be printable ASCII without blanks");
  }
  auto credentials = MakeCredentials(options.tls);
  if (!credentials.ok()) return credentials.status();
  return [endpoint = options.endpoint, credentials = *credentials] {
    return grpc::CreateCustomChannel(endpoint, credentials, Arguments());
  };
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const ConnectionOptions& options) {
  const auto factory = MakeChannelFactory(options);
  if (!factory.ok()) return factory.status();
  return (*factory)();
}

void Authorize(const ConnectionOptions& options, grpc::ClientContext* context) {
  if (options.token.empty()) return;
  context->AddMetadata("authorization", "Bearer " + options.token);
}

}  // namespace firekeeper::client
