#include "client/cpp/outgoing.h"

namespace firekeeper::client {

namespace {

// Tag and length of a nested message, of any length that gRPC can carry.
constexpr std::size_t kFrameBytes = 6;
// The oneof's and the batch's own frames and first_seq.
constexpr std::size_t kEnvelopeBytes = 2 * kFrameBytes + 11;
// chunk_index, chunk_count and byte_offset with their tags, and data's frame.
constexpr std::size_t kChunkFieldBytes = 6 + 6 + 11 + kFrameBytes;

void Build(const BatchPlan& plan, v1::StreamRequest* request) {
  v1::Batch& batch = *request->mutable_batch();
  batch.Clear();
  batch.set_first_seq(plan.first_seq);
  for (const auto& snapshot : plan.snapshots) {
    *batch.add_snapshots() = *snapshot;
  }
}

void Build(const ChunkPlan& plan, v1::StreamRequest* request) {
  v1::Batch& batch = *request->mutable_batch();
  batch.Clear();
  batch.set_first_seq(plan.seq);
  const v1::Snapshot& whole = *plan.snapshot;
  v1::Snapshot& piece = *batch.add_snapshots();
  piece.set_layer(whole.layer());
  piece.set_signal(whole.signal());
  piece.set_phase(whole.phase());
  piece.set_step(whole.step());
  piece.set_part(whole.part());
  const v1::Tensor& from = whole.tensor();
  v1::Tensor& to = *piece.mutable_tensor();
  to.set_data_type(from.data_type());
  *to.mutable_shape() = from.shape();
  to.set_unit_axis(from.unit_axis());
  if (from.has_cluster_axis()) to.set_cluster_axis(from.cluster_axis());
  to.set_data(from.data().data() + plan.offset, plan.length);
  if (plan.index == 0) to.set_validity_mask(from.validity_mask());
  to.set_scale(from.scale());
  to.set_loss_scale(from.loss_scale());
  to.set_chunk_index(plan.index);
  to.set_chunk_count(plan.count);
  to.set_byte_offset(plan.offset);
}

void Build(const v1::StreamRequest& message, v1::StreamRequest* request) {
  *request = message;
}

}  // namespace

void BuildRequest(const Outgoing& outgoing, v1::StreamRequest* request) {
  std::visit([request](const auto& plan) { Build(plan, request); }, outgoing);
}

std::size_t BatchWireBytes(std::size_t snapshot_wire_bytes,
                           std::size_t snapshot_count) {
  return kEnvelopeBytes + snapshot_count * kFrameBytes + snapshot_wire_bytes;
}

std::size_t ChunkWireBytes(const v1::Snapshot& snapshot,
                           std::size_t data_bytes) {
  // Everything but the data is in the header, the mask with every chunk: a
  // bound is enough.
  const std::size_t header =
      snapshot.ByteSizeLong() - snapshot.tensor().data().size();
  return BatchWireBytes(header + data_bytes + kChunkFieldBytes, 1);
}

}  // namespace firekeeper::client
