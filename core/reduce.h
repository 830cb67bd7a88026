// From a tensor to its UnitSummary, in one fused pass over the bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/firing_rule.h"
#include "core/tensor_view.h"
#include "core/unit_summary.h"

namespace firekeeper::core {

struct ReduceOptions {
  FiringRule rule;
  ColumnSet columns;
  // Zeros of a snapshot whose largest |stored value| is below 1,000 times the
  // dtype's smallest normal may be underflow: they are then no observations
  // (STATISTICS.md 4.5), in every figure as if they were masked: they are not
  // in zeros, firings, min or max, and a cluster of nothing else is unobserved.
  // A snapshot of nothing but zeros is ambiguous for F16 only: the exponent
  // range of the others starts at 1e-38.
  bool zeros_may_be_underflow = true;
};

// Requires: view is valid. Fails with kInvalidArgument, naming the argument,
// if the mask has another length than the layout asks for or the scale is not
// finite and positive. clusters is absent from the result where the layout has
// no cluster axis, firings where the rule does not count, whatever
// options.columns says.
//
// A value is the product of a stored value and scale, rounded to double; where
// that underflows, positives and zeros still tell what was stored.
// closed_high counts the values > 0 at or above the high end of a band; other
// rules have none. Counts, min and max are exact. For dtypes shorter than F64
// partial sums are binary32: abs_sum and m2 agree with the reference to 1e-5
// relative (measured: a unit in thousands exceeds 2e-6, one whose first rows
// lie far off its mean; m2 at a mean of 1,000 deviations to 2e-7), mean to 1e-5
// of the mean |value|. Requires that subnormals are not flushed to zero. With
// the moments comes a sketch of a sample of the values (value_sample.h).
[[nodiscard]] absl::StatusOr<UnitSummary> Reduce(const TensorView& view,
                                                 const ReduceOptions& options);

// The same in plain Eigen and double, entry by entry: the definition that the
// kernel is tested against. Slow, and takes memory for every entry.
[[nodiscard]] absl::StatusOr<UnitSummary> ReduceReference(
    const TensorView& view, const ReduceOptions& options);

// Reduces a dense row-major tensor that arrives in pieces cut at any byte. The
// integers equal those of Reduce() on the whole. Keeps its memory from one
// tensor to the next: 72 to 140 bytes a unit and 107 KiB, allocated in Begin()
// only where a wider tensor comes than before, and a copy of the mask.
//
// Thread-compatible.
class Reducer {
 public:
  Reducer();
  ~Reducer();
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;
  Reducer(Reducer&&) noexcept;
  Reducer& operator=(Reducer&&) noexcept;

  // Drops what was there. `validity_mask` is copied. Fails with
  // kInvalidArgument, changing nothing, as Reduce() does, and if the cluster
  // axis is not axis 0 (a cluster must be finished before the next begins).
  absl::Status Begin(const TensorLayout& layout, const ReduceOptions& options,
                     std::span<const std::byte> validity_mask, double scale);
  // The next bytes. Fails with kInvalidArgument, changing nothing, if they
  // exceed the tensor. Requires: Begin() succeeded.
  absl::Status Add(std::span<const std::byte> bytes);
  // Fails with kFailedPrecondition if bytes are missing. The reducer is then
  // as before Begin().
  absl::StatusOr<UnitSummary> Finish();

  [[nodiscard]] bool in_progress() const;
  // Bytes added so far.
  [[nodiscard]] std::int64_t bytes_added() const;
  // Bytes of memory held.
  [[nodiscard]] std::size_t MemoryUsed() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The instruction set that the kernels run on here: "AVX3", "AVX2",
// "SSE4", or "SCALAR" where there is none of them.
[[nodiscard]] std::string_view KernelTarget();

}  // namespace firekeeper::core
