// From an observed tensor to what travels: the work that Observe() does on the
// calling thread, without a lock.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/watcher.h"
#include "core/firing_rule.h"
#include "core/interval_proof.h"
#include "core/unit_summary.h"
#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

struct MadeSnapshot {
  std::shared_ptr<const v1::Snapshot> snapshot;
  // (cluster, position) pairs: observations of one unit.
  std::uint64_t samples = 0;
};

// Thread-safe: immutable.
class SnapshotMaker {
 public:
  // Requires: CheckOptions() accepted the options.
  explicit SnapshotMaker(const WatcherOptions& options);

  // Fails with kInvalidArgument, saying what was wrong, for a key or tensor
  // that the server would refuse.
  [[nodiscard]] absl::StatusOr<MadeSnapshot> Make(
      const SnapshotKey& key, const core::TensorView& view) const;
  // The WEIGHT of a layer, with proofs of the units that its inputs cannot make
  // fire, where there can be any. Fails likewise, and where the shapes of what
  // can be proven do not fit each other.
  [[nodiscard]] absl::StatusOr<MadeSnapshot> MakeWeight(
      const SnapshotKey& key, const core::AffineLayer& layer) const;

 private:
  static constexpr std::size_t kSignals = 9;

  struct LayerPlan {
    // By Signal - 1. Width 0: not declared.
    std::array<std::uint64_t, kSignals> widths{};
    std::array<core::FiringRule, kSignals> rules;
    std::array<core::ColumnSet, kSignals> columns;
    bool cluster_split = false;
    std::uint64_t fan_in = 0;  // 0: not known
    bool proofs_hold = false;  // core::ProofsHold()
  };
  // Where a snapshot goes, checked.
  struct Target {
    const std::string& layer;
    const LayerPlan& plan;
    std::size_t signal;  // Signal - 1
  };

  static LayerPlan PlanFor(const LayerSpec& layer);
  [[nodiscard]] absl::Status CheckKey(const SnapshotKey& key) const;
  [[nodiscard]] absl::StatusOr<Target> TargetOf(
      const SnapshotKey& key, const core::TensorView& view) const;
  static absl::StatusOr<core::UnitSummary> Reduce(const Target& target,
                                                  const core::TensorView& view);

  const SendMode send_mode_;
  const std::int64_t resume_step_;
  std::map<std::string, LayerPlan, std::less<>> layers_;
};

}  // namespace firekeeper::client
