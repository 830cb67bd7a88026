// What queries and /metrics read: plain copies of the state at one moment, so
// that no lock is held while they are turned into protos or text.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "core/diagnosis/finding.h"
#include "core/health.h"
#include "core/layer_alarm.h"
#include "core/share_difference.h"
#include "core/signal.h"
#include "core/signal_digest.h"
#include "server/state/layer_spec.h"

namespace firekeeper::server {

enum class RunState : std::uint8_t { kActive = 1, kSilent, kEnded };

struct RunCounters {
  std::uint64_t accepted = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t conflicting = 0;
  std::uint64_t copies = 0;
  std::uint64_t rejected = 0;
  std::uint64_t gap = 0;
  std::uint64_t fenced = 0;
  std::uint64_t payload_bytes = 0;
};

struct AttemptView {
  std::uint32_t number = 0;
  std::int64_t resume_step = 0;
  std::uint32_t source_count = 0;
  std::uint32_t sources_opened = 0;
  std::uint32_t sources_connected = 0;
  absl::Time started;
  bool superseded = false;
  core::Share dead = {};  // when it was superseded
};

struct FindingView {
  core::Cause cause{};
  double score = 0.0;
};

// A run as its last look found it, few figures.
struct RunGlance {
  core::Share dead;  // of the units whose health was observable
  // Of those, UNOBSERVED, UNKNOWN and NON_FINITE.
  std::uint64_t unsaid_units = 0;
  // SILENT and DEAD_ON_SET.
  std::uint64_t open_units = 0;
  std::string worst_layer;
  double worst_dead_share = 0.0;
  std::uint32_t collapsed_layers = 0;
  std::uint32_t non_finite_layers = 0;
};

struct RunView {
  std::string tenant;
  std::string run_id;
  RunState state = RunState::kActive;
  std::map<std::string, std::string> labels;
  std::string remedy_of;
  std::vector<AttemptView> attempts;
  absl::Time first_seen;
  absl::Time last_seen;
  absl::Time ended = absl::InfiniteFuture();
  std::int64_t last_step = -1;
  std::uint64_t layer_count = 0;
  std::uint64_t unit_count = 0;
  std::map<std::string, double> scalars;
  RunCounters counters;
  // Reported and not cleared.
  std::vector<FindingView> findings;
  // Of the last assessment; infinitely long ago before the first.
  RunGlance glance;
  absl::Time assessed = absl::InfinitePast();
};

// One window of one signal, its units taken together.
struct SignalView {
  core::Signal signal{};
  core::Phase phase{};
  bool open = false;
  std::uint64_t revision = 0;
  core::SignalDigest digest;
  core::RangeCoverage coverage;  // of the worst unit range
};

using core::kHealthStateCount;

struct LayerView {
  LayerSpec spec;
  bool observable = false;
  core::Signal health_signal{};
  std::string reason;  // why not observable
  // Indexed by HealthState: units whose first state it is, and units of which
  // it holds.
  std::array<std::uint64_t, kHealthStateCount> units_by_state{};
  std::array<std::uint64_t, kHealthStateCount> units_that_hold{};
  core::LayerLife life;
  // The most that `life` ever said: late data and a resumed attempt can take a
  // death back, a counter of /metrics must not.
  std::uint64_t deaths_total = 0;
  std::uint64_t revivals_total = 0;
  bool collapsed = false;
  std::uint64_t proven_units = 0;
  core::CertificateSettings certificate_settings;
  core::CertificateTotals certificate;
  core::RangeCoverage coverage;
  std::int64_t horizon_first_step = -1;
  std::int64_t evaluated_through_step = -1;
  // The earliest certified death: in (after, by].
  std::optional<std::int64_t> first_death_after_step;
  std::optional<std::int64_t> first_death_by_step;
  std::vector<SignalView> signals;
};

// A layer as it was when its run was last looked at.
struct LayerPage {
  LayerView view;
  core::LayerAlarms alarms;
  // See core::LayerCapacity.
  std::optional<double> expected_born_dead;
};
using LayerPages = std::vector<LayerPage>;

struct RunPage {
  RunView view;
  // In forward order; never null.
  std::shared_ptr<const LayerPages> layers;
};

struct UnitView {
  std::uint64_t unit = 0;
  core::UnitHealth health;
  std::string reason;
  std::int64_t last_firing_step = -1;  // core::kNeverFired
  std::int64_t first_seen_step = -1;   // -1: never
  std::uint64_t horizon_observations = 0;
  std::uint64_t horizon_clusters = 0;
  std::uint64_t horizon_firings = 0;
  std::uint64_t horizon_non_finite = 0;
  core::RangeCoverage coverage;  // of its range, in the newest closed window
  // What DEAD rules out for this unit.
  double p0 = 0.0;
  double pc0 = 0.0;
  bool permanent = false;
};

// What is true of a run and no single layer can tell.
struct RunFacts {
  std::uint64_t units = 0;  // M before rounding
  // Every unit of some layer that no residual connection passes is dead: all
  // weight gradients are exactly zero.
  bool collapsed = false;
};

// What a list of units is sorted by; equals stay in order of unit.
enum class UnitOrder : std::uint8_t {
  kUnit = 1,
  kState,
  kFiringRate,  // over the horizon; unobserved units first
  kLastFiringStep,
  kSilentObservations,
  kDeaths,
};

struct UnitSort {
  UnitOrder order = UnitOrder::kUnit;
  bool descending = false;

  [[nodiscard]] bool is_by_unit() const {
    return order == UnitOrder::kUnit && !descending;
  }
};

// The units of a layer in buckets of consecutive ones; the last may be smaller.
struct UnitStripView {
  std::uint64_t unit_count = 0;
  std::uint64_t units_per_bucket = 1;
  // By state, units per bucket whose first state it is; without the states
  // that no unit has. Empty: health is not observable.
  std::map<core::HealthState, std::vector<std::uint32_t>> rows;
};

enum class UnitFigure : std::uint8_t { kFiringRate = 1, kDormancyScore };

struct HistogramBin {
  double lower = 0.0;  // exclusive
  double upper = 0.0;  // inclusive
  std::uint64_t units = 0;
};

struct UnitHistogramView {
  std::vector<HistogramBin> bins;
  std::uint64_t zero_units = 0;     // exactly 0: in no bin
  std::uint64_t unknown_units = 0;  // in no bin
};

// Values that share a sign and lie within one factor of each other.
struct ValueBin {
  double lower = 0.0;
  double upper = 0.0;
  std::uint64_t values = 0;
};

struct DistributionView {
  core::StepRange steps;
  bool open = false;
  std::uint64_t values = 0;  // in the sketch
  std::uint64_t observations = 0;
  std::uint64_t zero_values = 0;  // exactly 0: in no bin
  std::vector<ValueBin> bins;     // ascending, none empty
  // By level, ascending.
  std::vector<std::pair<double, double>> quantiles;
};

struct UnitPage {
  std::vector<UnitView> units;
  std::uint64_t total = 0;  // that match, on all pages
  core::CertificateSettings certificate_settings;
  core::CertificateTotals certificate;
  std::int64_t horizon_first_step = -1;
  std::int64_t evaluated_through_step = -1;
};

}  // namespace firekeeper::server
