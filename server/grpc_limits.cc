#include "server/grpc_limits.h"

#include <grpcpp/resource_quota.h>

#include <chrono>

#include "server/ingest/limits_codec.h"

namespace firekeeper::server {
namespace {

int Milliseconds(std::chrono::seconds duration) {
  return static_cast<int>(std::chrono::milliseconds(duration).count());
}

}  // namespace

void SetGrpcLimits(const Options& options, grpc::ServerBuilder* builder) {
  grpc::ResourceQuota quota("firekeeperd");
  quota.Resize(options.grpc_memory_bytes).SetMaxThreads(16);
  builder->SetResourceQuota(quota);
  builder->SetMaxReceiveMessageSize(
      static_cast<int>(options.limits.max_message_bytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              static_cast<int>(kMaxStreamsPerConnection));
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              Milliseconds(options.handshake_timeout));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE,
                              options.bdp_probe ? 1 : 0);
  // A message that says it is compressed is refused, not inflated.
  builder->SetDefaultCompressionAlgorithm(GRPC_COMPRESS_NONE);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
}

}  // namespace firekeeper::server
