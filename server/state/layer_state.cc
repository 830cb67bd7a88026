#include "server/state/layer_state.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/failpoint.h"

namespace firekeeper::server {
namespace {

bool Disjoint(const LayerShare& a, const LayerShare& b) {
  return a.first_unit + a.unit_count <= b.first_unit ||
         b.first_unit + b.unit_count <= a.first_unit;
}

bool SameRange(const LayerShare& a, const LayerShare& b) {
  return a.first_unit == b.first_unit && a.unit_count == b.unit_count;
}

std::string RangeText(const LayerShare& share) {
  return absl::StrCat("[", share.first_unit, ", ",
                      share.first_unit + share.unit_count, ")");
}

// What two shares of different sources say of the layer must fit together.
absl::Status CheckShares(const LayerShare& share, std::uint32_t other,
                         const LayerShare& held) {
  const std::string declared = absl::StrCat("; source ", other, " declared ");
  if (held.data_shards != share.data_shards) {
    return FieldError("data_shards", absl::StrCat(share.data_shards, declared,
                                                  held.data_shards));
  }
  if (held.cluster_split != share.cluster_split) {
    return FieldError("cluster_split",
                      absl::StrCat(share.cluster_split ? "true" : "false",
                                   declared, "the opposite"));
  }
  if (!Disjoint(share, held) && !SameRange(share, held)) {
    return FieldError("unit_range",
                      absl::StrCat("units ", RangeText(share), declared,
                                   "overlapping units ", RangeText(held)));
  }
  return absl::OkStatus();
}

}  // namespace

LayerState::LayerState(LayerSpec spec, const StateSettings& settings,
                       MemoryBudget& memory, const LayerPlace& place)
    : spec_(std::move(spec)),
      settings_(settings),
      memory_(memory),
      number_(place.layer),
      keeps_(place.journal.keeps()),
      rows_(place) {}

LayerState::~LayerState() { memory_.Give(charged_bytes_); }

core::FiringRule LayerState::RuleFor(core::Signal signal) const {
  return core::FiringRuleFor(signal, spec_.activation);
}

core::ColumnSet LayerState::ColumnsFor(core::Signal signal) const {
  return core::ColumnsFor(signal, RuleFor(signal).counts());
}

absl::Status LayerState::CheckShare(std::uint32_t attempt, std::uint32_t source,
                                    const LayerShare& share) const {
  const absl::MutexLock lock(&mutex_);
  if (attempt != attempt_) return absl::OkStatus();
  for (const auto& [other, held] : shares_) {
    if (other == source) {
      if (share == held) continue;
      return FieldError("unit_range",
                        "this source declared another share of the layer "
                        "before; begin a new attempt to change it");
    }
    if (absl::Status fits = CheckShares(share, other, held); !fits.ok()) {
      return fits;
    }
  }
  return absl::OkStatus();
}

void LayerState::Declare(std::uint32_t source, const LayerShare& share) {
  const absl::MutexLock lock(&mutex_);
  shares_[source] = share;
  for (auto& [key, track] : tracks_) {
    track.SetExpectedShards(Expected(key.second));
  }
}

std::optional<LayerShare> LayerState::ShareOf(std::uint32_t source) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = shares_.find(source);
  if (found == shares_.end()) return std::nullopt;
  return found->second;
}

// Declared unit ranges, and between them those that no source holds yet: they
// are expected too, and count as missing.
core::ExpectedShards LayerState::Expected(core::Signal signal) const {
  const core::Index width = spec_.Width(signal);
  std::map<core::Index, core::Index> ranges;  // first unit → count
  std::uint32_t shards = 1;
  for (const auto& [source, share] : shares_) {
    shards = std::max(shards, share.data_shards);
    if (signal != core::Signal::kInput) {
      ranges.emplace(share.first_unit, share.unit_count);
    }
  }
  if (signal == core::Signal::kInput) ranges.emplace(0, width);

  core::ExpectedShards expected;
  core::Index next = 0;
  const auto append = [&](core::Index end) {
    if (end > next) {
      expected.push_back({.first = next,
                          .count = end - next,
                          .shards_received = 0,
                          .shards_expected = shards});
    }
    next = std::max(next, end);
  };
  for (const auto& [first, count] : ranges) {
    append(first);
    append(first + count);
  }
  append(width);
  return expected;
}

core::TrackSettings LayerState::SettingsFor(TrackKey key) const {
  const auto& [phase, signal] = key;
  const bool trains = phase == core::Phase::kTrain;
  const auto health_signals = HealthSignals(spec_.activation.kind);
  return {.units = spec_.Width(signal),
          .columns = ColumnsFor(signal),
          .window_steps = trains ? settings_.window_steps : 1,
          .retained_windows = settings_.retained_windows,
          .keeps_evidence =
              trains && std::ranges::count(health_signals, signal) > 0,
          .signal = signal,
          .activation = spec_.activation,
          .health = settings_.health,
          .keeps_rows = trains && (signal == core::Signal::kWeight ||
                                   signal == core::Signal::kWeightUpdate)};
}

core::SignalTrack LayerState::MakeTrack(TrackKey key) const {
  const core::Signal signal = key.second;
  core::SignalTrack track(SettingsFor(key));
  track.SetRunUnits(run_units_);
  track.BeginAttempt(resume_step_);
  track.Close(closed_before_);
  track.SetExpectedShards(Expected(signal));
  return track;
}

absl::StatusOr<LayerState::Placed> LayerState::PlaceOf(
    const SnapshotPlace& place, const core::UnitSummary& summary) const {
  const auto share = shares_.find(place.source);
  if (place.attempt != attempt_ || share == shares_.end()) {
    return Refusal(absl::StatusCode::kAborted, "FENCED",
                   "a newer attempt of this run has begun");
  }
  const bool is_input = place.signal == core::Signal::kInput;
  const core::Index share_units =
      is_input ? spec_.Width(place.signal) : share->second.unit_count;
  if (summary.unit_count() != share_units) {
    return FieldError("unit_count", absl::StrCat(summary.unit_count(),
                                                 "; the source declared ",
                                                 share_units, " units"));
  }
  return Placed{
      .contribution = {.source = place.source,
                       .data_shard = share->second.data_shard,
                       .first_unit = is_input ? 0 : share->second.first_unit,
                       .step = place.step,
                       .part = place.part},
      .cluster_is_step =
          share->second.cluster_split || !summary.columns.clusters};
}

absl::StatusOr<MergeResult> LayerState::Merge(const SnapshotPlace& place,
                                              const core::UnitSummary& summary,
                                              absl::Time now) {
  absl::StatusOr<Placed> placed;
  {
    const absl::MutexLock lock(&mutex_);
    placed = PlaceOf(place, summary);
  }
  if (!placed.ok()) return placed.status();
  // The heavy part, with no lock held.
  placed->contribution.fingerprint = core::Fingerprint(summary);
  std::string row;
  if (keeps_) {
    row =
        EncodeJournal(place.attempt, placed->contribution,
                      placed->cluster_is_step, absl::ToUnixNanos(now), summary);
  }
  const absl::MutexLock lock(&mutex_);
  // A share never changes within an attempt.
  if (place.attempt != attempt_) return PlaceOf(place, summary).status();
  return MergeLocked({place.phase, place.signal}, *placed, summary,
                     std::move(row), now);
}

absl::StatusOr<MergeResult> LayerState::MergeLocked(
    TrackKey key, const Placed& placed, const core::UnitSummary& summary,
    std::string row, absl::Time now) {
  const core::Index width = spec_.Width(key.second);
  auto found = tracks_.find(key);
  const bool fresh = found == tracks_.end();
  std::size_t needed =
      core::Window::MemoryForContribution(width, !summary.sketch.empty());
  if (fresh) {
    needed += core::SignalTrack::RecordBytes(SettingsFor(key)) *
              static_cast<std::size_t>(width);
  }
  if (fresh || found->second.NeedsWindow(placed.contribution.step)) {
    needed += core::Window::MemoryFor(width, ColumnsFor(key.second));
  }
  if (absl::Status status = TakeMemory(needed); !status.ok()) return status;
  if (fresh) found = tracks_.emplace(key, MakeTrack(key)).first;
  core::SignalTrack& track = found->second;
  Failpoint("merge.begin");
  const auto outcome =
      track.Add(placed.contribution, summary, placed.cluster_is_step,
                absl::ToUnixNanos(now));
  MergeResult result;
  if (outcome.ok()) {
    Failpoint("merge.done");
    result.outcome = *outcome;
    if (*outcome == core::MergeOutcome::kMerged) {
      result.waiting_bytes =
          rows_.PutContribution(key, std::move(row),
                                core::WindowOf(placed.contribution.step,
                                               track.settings().window_steps)
                                    .first);
      Failpoint("merge.kept");
      rows_.PutChanges(key, track);
    }
  } else if (fresh) {
    tracks_.erase(found);
  }
  SettleMemory();
  if (!outcome.ok()) return outcome.status();
  return result;
}

absl::Status LayerState::TakeMemory(std::size_t bytes) {
  if (!memory_.TryTake(bytes)) {
    return LimitError(
        "state", absl::StrCat(bytes, " bytes more would pass the server's ",
                              "limit of ", memory_.limit(), " bytes of state"));
  }
  charged_bytes_ += bytes;
  return absl::OkStatus();
}

void LayerState::SettleMemory() {
  std::size_t held = 0;
  for (const auto& [key, track] : tracks_) {
    held += track.WindowBytes() +
            core::SignalTrack::RecordBytes(track.settings()) *
                static_cast<std::size_t>(track.settings().units);
  }
  if (held > charged_bytes_) {
    // A few bytes a window, where more sources are expected than before. They
    // are held already, so nothing is refused for them.
    if (memory_.TryTake(held - charged_bytes_)) charged_bytes_ = held;
    return;
  }
  memory_.Give(charged_bytes_ - held);
  charged_bytes_ = held;
}

void LayerState::SetRunUnits(std::uint64_t run_units) {
  const absl::MutexLock lock(&mutex_);
  run_units_ = run_units;
  for (auto& [key, track] : tracks_) track.SetRunUnits(run_units);
}

void LayerState::BeginAttempt(std::uint32_t attempt, std::int64_t resume_step,
                              WriteBatch* batch) {
  const absl::MutexLock lock(&mutex_);
  attempt_ = attempt;
  resume_step_ = resume_step;
  closed_before_ = std::min(closed_before_, resume_step);
  shares_.clear();
  for (auto& [key, track] : tracks_) {
    track.BeginAttempt(resume_step);
    rows_.PutAttempt(key, track, batch);
  }
  SettleMemory();
}

void LayerState::Retire() {
  const absl::MutexLock lock(&mutex_);
  // No handle has this number.
  attempt_ = std::numeric_limits<std::uint32_t>::max();
  shares_.clear();
}

void LayerState::SetClosedBefore(std::int64_t step) {
  const absl::MutexLock lock(&mutex_);
  closed_before_ = step;
}

bool LayerState::CloseWindows(std::uint32_t attempt, std::int64_t before,
                              absl::Time now) {
  const std::int64_t opened_before =
      absl::ToUnixNanos(now - absl::FromChrono(settings_.window_age));
  const absl::MutexLock lock(&mutex_);
  if (attempt != attempt_) return false;
  closed_before_ = std::max(closed_before_, before);
  std::size_t closed = 0;
  for (auto& [key, track] : tracks_) {
    closed += track.Close(before, opened_before);
    Failpoint("window.closed");
    rows_.PutChanges(key, track);
  }
  SettleMemory();
  return closed > 0;
}

absl::Status LayerState::NoteSampled(std::uint32_t attempt,
                                     const std::vector<std::int64_t>& steps) {
  const absl::MutexLock lock(&mutex_);
  if (attempt != attempt_) return absl::OkStatus();
  std::size_t needed = 0;
  for (const auto& [key, track] : tracks_) {
    if (key.first != core::Phase::kTrain) continue;
    needed += steps.size() * track.SampledWindowBytes();
  }
  if (absl::Status status = TakeMemory(needed); !status.ok()) return status;
  for (auto& [key, track] : tracks_) {
    if (key.first != core::Phase::kTrain) continue;
    for (const std::int64_t step : steps) track.NoteSampled(step);
    rows_.PutChanges(key, track);
  }
  SettleMemory();
  return absl::OkStatus();
}

}  // namespace firekeeper::server
