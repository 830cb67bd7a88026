#include "server/ingest/tensor_intake.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

// Bytes of reducer memory a unit takes (reduce.h).
constexpr std::size_t kReducerBytesPerUnit = 128;
constexpr std::chrono::milliseconds kRetryDelay{1'000};

bool IsLastChunk(const v1::Tensor& tensor) {
  return tensor.chunk_index() + 1 >= std::max(tensor.chunk_count(), 1U);
}

std::span<const std::byte> BytesOf(const std::string& data) {
  return std::as_bytes(std::span(data.data(), data.size()));
}

// What the chunks of a tensor have in common.
v1::Snapshot HeaderOf(const v1::Snapshot& snapshot) {
  v1::Snapshot header;
  header.set_layer(snapshot.layer());
  header.set_signal(snapshot.signal());
  header.set_phase(snapshot.phase());
  header.set_step(snapshot.step());
  header.set_part(snapshot.part());
  v1::Tensor* tensor = header.mutable_tensor();
  tensor->set_data_type(snapshot.tensor().data_type());
  *tensor->mutable_shape() = snapshot.tensor().shape();
  tensor->set_unit_axis(snapshot.tensor().unit_axis());
  tensor->set_chunk_count(snapshot.tensor().chunk_count());
  return header;
}

bool SameHeader(const v1::Snapshot& a, const v1::Snapshot& b) {
  return a.layer() == b.layer() && a.signal() == b.signal() &&
         a.phase() == b.phase() && a.step() == b.step() &&
         a.part() == b.part() &&
         a.tensor().data_type() == b.tensor().data_type() &&
         a.tensor().unit_axis() == b.tensor().unit_axis() &&
         a.tensor().chunk_count() == b.tensor().chunk_count() &&
         std::ranges::equal(a.tensor().shape(), b.tensor().shape());
}

}  // namespace

TensorIntake::TensorIntake(const Limits& limits, MemoryBudget& memory)
    : limits_(limits), memory_(memory) {}

TensorIntake::~TensorIntake() { memory_.Give(taken_bytes_); }

absl::Status TensorIntake::CheckNext(const v1::Snapshot& snapshot) const {
  if (!first_) return absl::OkStatus();
  const v1::Tensor& tensor = snapshot.tensor();
  if (!snapshot.has_tensor() || !SameHeader(snapshot, *first_)) {
    return FieldError("tensor",
                      "another snapshot came before the last chunk of the one "
                      "in flight");
  }
  if (tensor.chunk_index() != next_chunk_) {
    return FieldError("tensor.chunk_index",
                      absl::StrCat(tensor.chunk_index(), "; chunk ",
                                   next_chunk_, " is next"));
  }
  if (tensor.byte_offset() !=
      static_cast<std::uint64_t>(reducer_.bytes_added())) {
    return FieldError(
        "tensor.byte_offset",
        absl::StrCat(tensor.byte_offset(), "; the last chunk ended at ",
                     reducer_.bytes_added()));
  }
  if (!tensor.validity_mask().empty()) {
    return FieldError("tensor.validity_mask", "allowed in chunk 0 only");
  }
  return absl::OkStatus();
}

absl::Status TensorIntake::Begin(const v1::Snapshot& snapshot,
                                 core::Index width,
                                 const core::ReduceOptions& options) {
  const v1::Tensor& tensor = snapshot.tensor();
  const auto layout = DecodeTensorLayout(
      tensor, static_cast<core::Signal>(snapshot.signal()), width, limits_);
  if (!layout.ok()) return WithFieldPrefix(layout.status(), "tensor.");
  if (tensor.chunk_index() != 0) {
    return FieldError(
        "tensor.chunk_index",
        absl::StrCat(tensor.chunk_index(), "; a tensor begins with chunk 0"));
  }
  const std::size_t needed =
      kReducerBytesPerUnit * static_cast<std::size_t>(width);
  if (needed > taken_bytes_) {
    if (!memory_.TryTake(needed - taken_bytes_)) {
      return Overloaded("the server's memory for reductions is used up",
                        kRetryDelay);
    }
    taken_bytes_ = needed;
  }
  const absl::Status begun = reducer_.Begin(
      *layout, options, BytesOf(tensor.validity_mask()), TensorScale(tensor));
  if (!begun.ok()) {
    return FieldError("tensor.validity_mask", std::string(begun.message()));
  }
  if (!IsLastChunk(tensor)) first_ = HeaderOf(snapshot);
  next_chunk_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<core::UnitSummary>> TensorIntake::Fold(
    const v1::Snapshot& snapshot, core::Index width,
    const core::ReduceOptions& options) {
  const absl::Status begun =
      first_ ? CheckNext(snapshot) : Begin(snapshot, width, options);
  if (!begun.ok()) return begun;
  const v1::Tensor& tensor = snapshot.tensor();
  const absl::Status added = reducer_.Add(BytesOf(tensor.data()));
  if (!added.ok()) {
    return FieldError("tensor.data", std::string(added.message()));
  }
  ++next_chunk_;
  if (!IsLastChunk(tensor)) return std::nullopt;
  first_.reset();
  auto summary = reducer_.Finish();
  if (!summary.ok()) {
    return FieldError("tensor.data", std::string(summary.status().message()));
  }
  return *std::move(summary);
}

}  // namespace firekeeper::server
