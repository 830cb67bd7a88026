// From the wire to plain values. All distrust of the sender is here: every
// function checks before it allocates and fails with FieldError or LimitError
// (errors.h), naming the field relative to the message it was given.

#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/firing_rule.h"
#include "core/quantile_sketch.h"
#include "core/tensor_view.h"
#include "core/unit_summary.h"
#include "firekeeper/v1/ingest.pb.h"
#include "server/state/layer_spec.h"
#include "server/state/limits.h"
#include "server/state/run.h"

namespace firekeeper::server {

// The pattern of names, as published in ServerLimits.
inline constexpr const char* kNamePattern =
    "^[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]{0,254}$";

// Fails where `name` does not match kNamePattern, or holds ".." or "//".
absl::Status CheckName(const std::string& field, absl::string_view name,
                       const Limits& limits);

// Everything of Open but the run id, which CheckName() covers.
absl::StatusOr<OpenRequest> DecodeOpen(const v1::Open& open,
                                       const Limits& limits);

// Layer name, signal, phase and step; not the payload.
absl::Status CheckSnapshotKey(const v1::Snapshot& snapshot,
                              const Limits& limits);

// Shape, axes, dtype, scale, chunk numbers and, for an unchunked tensor, the
// exact length of data; `width` is the number of units the source declared for
// the signal.
absl::StatusOr<core::TensorLayout> DecodeTensorLayout(const v1::Tensor& tensor,
                                                      core::Signal signal,
                                                      core::Index width,
                                                      const Limits& limits);
// scale / loss_scale, 1 where neither is set. Requires: DecodeTensorLayout()
// accepted the tensor.
double TensorScale(const v1::Tensor& tensor);

// Columns must be `columns`, but clusters are absent where cluster_is_step.
// Counts must be plausible: k, positives and zeros at most n; kc at most nc and
// k; nc at most n; reals finite where n > 0; m2 and abs_sum not negative; min
// at most max. A sketch holds no more values than there are observations.
absl::StatusOr<core::UnitSummary> DecodeSummary(const v1::UnitSummary& summary,
                                                const core::ColumnSet& columns,
                                                core::Index width,
                                                const Limits& limits);

// `most` values at most.
absl::StatusOr<core::QuantileSketch> DecodeSketch(
    const v1::QuantileSketch& sketch, std::uint64_t most);

absl::Status CheckGap(const v1::Gap& gap);
absl::Status CheckProgress(const v1::Progress& progress, const Limits& limits);

}  // namespace firekeeper::server
