// Everything that the diagnosis knows of a run. Plain values, filled by whoever
// holds the windows; nothing here looks at a clock.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/health.h"
#include "core/signal.h"
#include "core/signal_digest.h"
#include "core/unit_summary.h"

namespace firekeeper::core {

// A number of the training loop over time: (step, value), ascending. Values
// may be NaN or infinite: that is what some causes look for.
struct ScalarSeries {
  std::vector<std::pair<std::int64_t, double>> points;
};

// Names of the scalars that are read.
inline constexpr const char* kLossScalar = "loss";
inline constexpr const char* kLearningRateScalar = "learning_rate";
inline constexpr const char* kGradientNormScalar = "gradient_norm";
inline constexpr const char* kLossScaleScalar = "loss_scale";

// `units` units that are DEAD now died in (after, by]: they last fired at step
// `after`, and their certificate was complete at step `by`. Units that never
// fired have after = kNeverFired.
struct DeathGroup {
  std::int64_t after = kNeverFired;
  std::int64_t by = 0;
  std::uint64_t units = 1;
};

inline constexpr std::size_t kStateSlots = 16;

// Windows of phase TRAIN, ascending; the first of a run that was seen from its
// start is [0, 1): the state before the first update.
using DigestSeries = std::vector<SignalDigest>;

struct LayerFacts {
  std::string name;
  ActivationSpec activation;
  std::uint64_t unit_count = 0;
  std::uint64_t fan_in = 0;  // 0: not known
  std::uint32_t order = 0;
  std::vector<std::string> inputs;  // empty: reads the data
  bool norm_before = false;
  bool residual = false;
  bool is_output = false;

  // A signal without an entry, or with an empty one, was not streamed.
  std::map<Signal, DigestSeries> train;
  // ACTIVATION of phases BIRTH and PROBE: their newest window.
  std::optional<SignalDigest> birth_activation;
  std::optional<SignalDigest> probe_activation;

  // Units by state, indexed by HealthState. All 0: not observed.
  std::array<std::uint64_t, kStateSlots> units_by_state{};
  // Of the units that are DEAD now, in any order.
  std::vector<DeathGroup> deaths;
  // Since the run began; a unit that died twice counts twice.
  std::uint64_t total_deaths = 0;
  std::uint64_t total_revivals = 0;

  [[nodiscard]] std::uint64_t UnitsIn(HealthState state) const {
    return units_by_state[static_cast<std::size_t>(state)];
  }
  // With a certificate, whenever they died.
  [[nodiscard]] std::uint64_t DeadUnits() const {
    return UnitsIn(HealthState::kDead) + UnitsIn(HealthState::kBornDead);
  }
};

struct RunFacts {
  std::vector<LayerFacts> layers;  // in forward order
  std::map<std::string, ScalarSeries> scalars;
  // The newest step that anything is known of; -1 where nothing is.
  std::int64_t last_step = -1;
};

}  // namespace firekeeper::core
