// What a session decided to send, as a plan: making the message copies payload,
// which must not happen under the lock that training threads wait for.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

// Whole snapshots with consecutive numbers.
struct BatchPlan {
  std::uint64_t first_seq = 0;
  std::vector<std::shared_ptr<const v1::Snapshot>> snapshots;
  // Upper bound of the message's serialized size.
  std::size_t wire_bytes = 0;
};

// One piece of a tensor: data bytes [offset, offset + length).
struct ChunkPlan {
  std::uint64_t seq = 0;
  std::shared_ptr<const v1::Snapshot> snapshot;
  std::uint32_t index = 0;
  std::uint32_t count = 0;
  std::size_t offset = 0;
  std::size_t length = 0;
};

// Anything else is small and travels as it is.
using Outgoing = std::variant<BatchPlan, ChunkPlan, v1::StreamRequest>;

// Fills `request`, whose memory is kept from one message to the next.
void BuildRequest(const Outgoing& outgoing, v1::StreamRequest* request);

// Upper bound of the serialized size of a batch, or of a chunk of `data_bytes`
// of `snapshot`.
[[nodiscard]] std::size_t BatchWireBytes(std::size_t snapshot_wire_bytes,
                                         std::size_t snapshot_count);
[[nodiscard]] std::size_t ChunkWireBytes(const v1::Snapshot& snapshot,
                                         std::size_t data_bytes);

}  // namespace firekeeper::client
