#include "core/reduce.h"

#include <cassert>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/dense_walk.h"
#include "core/kernels/plane_kernel.h"
#include "core/strided_walk.h"
#include "core/unit_accumulator.h"
#include "core/validity.h"
#include "core/value_sample.h"

namespace firekeeper::core {

absl::StatusOr<UnitSummary> Reduce(const TensorView& view,
                                   const ReduceOptions& options) {
  const TensorLayout& layout = view.layout;
  if (absl::Status status =
          CheckMaskAndScale(layout, view.validity_mask, view.scale);
      !status.ok()) {
    return status;
  }
  UnitAccumulator accumulator;
  if (view.is_dense && IsClusterSlowest(layout)) {
    DenseWalk walk(layout, view.validity_mask);
    accumulator.Begin(layout.dtype(), layout.unit_count(), options, view.scale,
                      walk.clusters());
    walk.Add({view.data, static_cast<std::size_t>(layout.byte_size())},
             accumulator);
  } else {
    accumulator.Begin(layout.dtype(), layout.unit_count(), options, view.scale,
                      StridedClusters(layout));
    WalkStrided(view, accumulator);
  }
  UnitSummary summary = accumulator.Finish();
  if (options.columns.moments) {
    ValueSample sample;
    sample.Begin(layout, view.validity_mask, view.scale);
    sample.Take(view);
    summary.sketch = sample.Finish(accumulator.zeros_counted());
  }
  return summary;
}

class Reducer::Impl {
 public:
  absl::Status Begin(const TensorLayout& layout, const ReduceOptions& options,
                     std::span<const std::byte> mask, double scale) {
    if (absl::Status status = CheckMaskAndScale(layout, mask, scale);
        !status.ok()) {
      return status;
    }
    if (!IsClusterSlowest(layout)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cluster_axis must be 0 in a tensor that comes in "
                       "pieces; got ",
                       *layout.cluster_axis()));
    }
    mask_.assign(mask.begin(), mask.end());
    byte_size_ = layout.byte_size();
    walk_.emplace(layout, mask_);
    accumulator_.Begin(layout.dtype(), layout.unit_count(), options, scale,
                       walk_->clusters());
    samples_ = options.columns.moments;
    if (samples_) sample_.Begin(layout, mask_, scale);
    return absl::OkStatus();
  }

  absl::Status Add(std::span<const std::byte> bytes) {
    assert(walk_.has_value());
    const std::int64_t missing = byte_size_ - walk_->bytes_added();
    if (bytes.size() > static_cast<std::size_t>(missing)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data has ", bytes.size(), " bytes; the tensor misses ", missing));
    }
    walk_->Add(bytes, accumulator_);
    if (samples_) sample_.Add(bytes);
    return absl::OkStatus();
  }

  absl::StatusOr<UnitSummary> Finish() {
    if (!walk_.has_value()) {
      return absl::FailedPreconditionError("no tensor was begun");
    }
    const std::int64_t missing = byte_size_ - walk_->bytes_added();
    walk_.reset();
    if (missing > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("the tensor misses ", missing, " bytes"));
    }
    UnitSummary summary = accumulator_.Finish();
    if (samples_) summary.sketch = sample_.Finish(accumulator_.zeros_counted());
    return summary;
  }

  [[nodiscard]] bool in_progress() const { return walk_.has_value(); }
  [[nodiscard]] std::int64_t bytes_added() const {
    return walk_.has_value() ? walk_->bytes_added() : 0;
  }
  [[nodiscard]] std::size_t MemoryUsed() const {
    return sizeof(*this) + accumulator_.MemoryUsed() + sample_.MemoryUsed() +
           mask_.capacity();
  }

 private:
  UnitAccumulator accumulator_;
  std::vector<std::byte> mask_;
  std::int64_t byte_size_ = 0;
  std::optional<DenseWalk> walk_;  // in progress; reads mask_
  bool samples_ = false;
  ValueSample sample_;  // reads mask_
};

Reducer::Reducer() : impl_(std::make_unique<Impl>()) {}
Reducer::~Reducer() = default;
Reducer::Reducer(Reducer&&) noexcept = default;
Reducer& Reducer::operator=(Reducer&&) noexcept = default;

absl::Status Reducer::Begin(const TensorLayout& layout,
                            const ReduceOptions& options,
                            std::span<const std::byte> validity_mask,
                            double scale) {
  return impl_->Begin(layout, options, validity_mask, scale);
}

absl::Status Reducer::Add(std::span<const std::byte> bytes) {
  return impl_->Add(bytes);
}

absl::StatusOr<UnitSummary> Reducer::Finish() { return impl_->Finish(); }

bool Reducer::in_progress() const { return impl_->in_progress(); }

std::int64_t Reducer::bytes_added() const { return impl_->bytes_added(); }

std::size_t Reducer::MemoryUsed() const { return impl_->MemoryUsed(); }

std::string_view KernelTarget() { return kernels::Target(); }

}  // namespace firekeeper::core
