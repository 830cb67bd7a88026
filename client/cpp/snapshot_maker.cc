#include "client/cpp/snapshot_maker.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/summary_encoding.h"
#include "client/cpp/tensor_encoding.h"
#include "core/reduce.h"
#include "core/window_plan.h"

namespace firekeeper::client {

namespace {

// What one message carries (DESIGN: 1 MiB messages are the optimum). A mask is
// not chunked, hence its share.
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 20;
constexpr std::size_t kMaskBytes = std::size_t{1} << 19;

std::size_t IndexOf(core::Signal signal) {
  return static_cast<std::size_t>(signal) - 1;
}

absl::Status CheckView(const core::TensorView& view) {
  const auto rows = static_cast<std::uint64_t>(view.layout.row_count());
  if (!view.validity_mask.empty() &&
      view.validity_mask.size() != (rows + 7) / 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("validity_mask has ", view.validity_mask.size(),
                     " bytes; ", rows, " rows need ", (rows + 7) / 8));
  }
  if (!std::isfinite(view.scale) || view.scale <= 0.0) {
    return absl::InvalidArgumentError("scale must be finite and positive");
  }
  if (view.data == nullptr && view.layout.element_count() > 0) {
    return absl::InvalidArgumentError("tensor has no data");
  }
  return absl::OkStatus();
}

// A cluster must not be cut: only a tensor whose slowest axis is the cluster
// axis can be chunked.
bool CanTravelWhole(const core::TensorView& view, bool with_cluster_axis) {
  if (view.validity_mask.size() > kMaskBytes) return false;
  if (view.layout.byte_size() <= kChunkBytes) return true;
  return !with_cluster_axis || view.layout.cluster_axis().value_or(0) == 0;
}

std::shared_ptr<v1::Snapshot> NewSnapshot(const std::string& layer,
                                          const SnapshotKey& key) {
  auto snapshot = std::make_shared<v1::Snapshot>();
  snapshot->set_layer(layer);
  snapshot->set_signal(static_cast<v1::Signal>(key.signal));
  snapshot->set_phase(static_cast<v1::Phase>(key.phase));
  snapshot->set_step(key.step);
  snapshot->set_part(key.part);
  return snapshot;
}

// Requires: the weight has 2 axes.
std::uint64_t FeaturesOf(const core::AffineLayer& layer) {
  const core::TensorLayout& weight = layer.weight.layout;
  return static_cast<std::uint64_t>(weight.shape()[1 - weight.unit_axis()]);
}

std::uint64_t SamplesOf(const core::TensorView& view) {
  return static_cast<std::uint64_t>(view.layout.row_count());
}

}  // namespace

SnapshotMaker::SnapshotMaker(const WatcherOptions& options)
    : send_mode_(options.send_mode), resume_step_(options.resume_step) {
  for (const LayerSpec& layer : options.layers) {
    layers_.emplace(layer.name, PlanFor(layer));
  }
}

SnapshotMaker::LayerPlan SnapshotMaker::PlanFor(const LayerSpec& layer) {
  LayerPlan plan;
  plan.cluster_split = layer.cluster_split;
  for (std::size_t i = 0; i < kSignals; ++i) {
    const auto signal = static_cast<core::Signal>(i + 1);
    plan.widths[i] =
        layer.unit_range ? layer.unit_range->count : layer.unit_count;
    if (signal == core::Signal::kInput) {
      plan.widths[i] =
          layer.input_unit_count > 0 ? layer.input_unit_count : layer.fan_in;
    }
    plan.rules[i] = core::FiringRuleFor(signal, layer.activation);
    plan.columns[i] = core::ColumnsFor(signal, plan.rules[i].counts());
    if (layer.cluster_split) plan.columns[i].clusters = false;
  }
  plan.fan_in = layer.fan_in;
  plan.proofs_hold =
      core::ProofsHold(plan.rules[IndexOf(core::Signal::kPreActivation)],
                       layer.norm_before, layer.residual);
  return plan;
}

absl::Status SnapshotMaker::CheckKey(const SnapshotKey& key) const {
  if (IndexOf(key.signal) >= kSignals) {
    return absl::InvalidArgumentError("unknown signal");
  }
  if (key.phase < core::Phase::kTrain || key.phase > core::Phase::kProbe) {
    return absl::InvalidArgumentError("unknown phase");
  }
  if (key.step < resume_step_ || key.step > core::kMaxStep) {
    return absl::InvalidArgumentError(absl::StrCat(
        "step ", key.step, " is not in [", resume_step_, ", 2^53]"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SnapshotMaker::Target> SnapshotMaker::TargetOf(
    const SnapshotKey& key, const core::TensorView& view) const {
  if (absl::Status status = CheckKey(key); !status.ok()) return status;
  const auto layer = layers_.find(key.layer);
  if (layer == layers_.end()) {
    return absl::InvalidArgumentError("layer was not declared");
  }
  const LayerPlan& plan = layer->second;
  const std::size_t signal = IndexOf(key.signal);
  const auto units = static_cast<std::uint64_t>(view.layout.unit_count());
  if (units != plan.widths[signal]) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor has ", units, " units; ", layer->first,
                     " declared ", plan.widths[signal]));
  }
  if (absl::Status status = CheckView(view); !status.ok()) return status;
  return Target{.layer = layer->first, .plan = plan, .signal = signal};
}

absl::StatusOr<core::UnitSummary> SnapshotMaker::Reduce(
    const Target& target, const core::TensorView& view) {
  return core::Reduce(view, {.rule = target.plan.rules[target.signal],
                             .columns = target.plan.columns[target.signal]});
}

absl::StatusOr<MadeSnapshot> SnapshotMaker::Make(
    const SnapshotKey& key, const core::TensorView& view) const {
  const auto target = TargetOf(key, view);
  if (!target.ok()) return target.status();
  auto snapshot = NewSnapshot(target->layer, key);
  const bool with_cluster_axis = !target->plan.cluster_split;
  if (send_mode_ == SendMode::kTensor &&
      CanTravelWhole(view, with_cluster_axis)) {
    *snapshot->mutable_tensor() = EncodeTensor(view, with_cluster_axis);
  } else {
    const auto summary = Reduce(*target, view);
    if (!summary.ok()) return summary.status();
    *snapshot->mutable_summary() = EncodeSummary(*summary);
  }
  return MadeSnapshot{.snapshot = std::move(snapshot),
                      .samples = SamplesOf(view)};
}

absl::StatusOr<MadeSnapshot> SnapshotMaker::MakeWeight(
    const SnapshotKey& key, const core::AffineLayer& layer) const {
  if (key.signal != core::Signal::kWeight) {
    return absl::InvalidArgumentError("signal must be WEIGHT");
  }
  const auto target = TargetOf(key, layer.weight);
  if (!target.ok()) return target.status();
  if (absl::Status status = CheckView(layer.input); !status.ok()) {
    return status;
  }
  if (layer.bias) {
    if (absl::Status status = CheckView(*layer.bias); !status.ok()) {
      return status;
    }
  }
  auto summary = Reduce(*target, layer.weight);
  if (!summary.ok()) return summary.status();
  // A kernel sees patches; of a row that is cut over processes no part proves
  // anything.
  const bool whole_rows =
      layer.weight.layout.rank() == 2 &&
      (target->plan.fan_in == 0 || target->plan.fan_in == FeaturesOf(layer));
  if (target->plan.proofs_hold && whole_rows) {
    if (absl::Status status = core::ProveUnits(layer, &*summary);
        !status.ok()) {
      return status;
    }
  }
  auto snapshot = NewSnapshot(target->layer, key);
  *snapshot->mutable_summary() = EncodeSummary(*summary);
  return MadeSnapshot{.snapshot = std::move(snapshot),
                      .samples = SamplesOf(layer.weight)};
}

}  // namespace firekeeper::client
