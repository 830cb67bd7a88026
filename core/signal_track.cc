#include "core/signal_track.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {
namespace {

// The node of a map, beside what it holds.
constexpr std::size_t kNodeBytes = 64;

// Digests are kept of every window below this step, where most units die, and
// of so many later ones.
constexpr std::int64_t kDenseDigestSteps = 2048;
constexpr std::size_t kMaxLaterDigests = 128;
constexpr std::size_t kDigestBytes = kNodeBytes + sizeof(SignalDigest);

std::size_t BytesOf(const UnitCounts& counts) {
  return counts.is_uniform()
             ? 0
             : sizeof(std::uint64_t) *
                   static_cast<std::size_t>(counts.unit_count());
}

std::size_t BytesOf(const WindowEvidence& evidence) {
  return kNodeBytes + sizeof evidence + BytesOf(evidence.observations) +
         BytesOf(evidence.clusters) +
         evidence.coverage.size() * sizeof(RangeCoverage);
}

template <typename Map>
void EraseReaching(std::int64_t step, Map* windows, auto end_of) {
  for (auto it = windows->begin(); it != windows->end();) {
    it = end_of(it->second) > step ? windows->erase(it) : std::next(it);
  }
}

bool EarlierWindow(const WindowEvidence& a, const WindowEvidence& b) {
  return a.steps.first < b.steps.first;
}

}  // namespace

SignalTrack::SignalTrack(const TrackSettings& settings)
    : settings_(settings),
      expected_{{.first = 0,
                 .count = settings.units,
                 .shards_received = 0,
                 .shards_expected = 1}},
      digests_(kDenseDigestSteps, kMaxLaterDigests),
      last_firing_step_(StepArray::Constant(
          settings.columns.firings ? settings.units : 0, kNeverFired)),
      first_seen_step_(StepArray::Constant(settings.units, kNeverSeen)),
      book_(KeepsEvidence() ? settings.units : 0, settings.window_steps,
            settings.health),
      archived_firings_(
          CountArray::Zero(KeepsEvidence() ? settings.units : 0)) {
  if (settings.keeps_rows) rows_.emplace(settings.units, settings.signal);
}

std::size_t SignalTrack::RecordBytes(const TrackSettings& settings) {
  std::size_t bytes = sizeof(std::int64_t);
  if (settings.columns.firings) bytes += sizeof(std::int64_t);
  if (settings.columns.firings && settings.keeps_evidence) {
    bytes += LifeBook::kUnitBytes + sizeof(std::uint64_t);
  }
  if (settings.keeps_rows) bytes += RowRecord::kUnitBytes;
  return bytes;
}

bool SignalTrack::NeedsWindow(std::int64_t step) const {
  return !windows_.contains(WindowOf(step, settings_.window_steps).first);
}

absl::StatusOr<MergeOutcome> SignalTrack::Add(const Contribution& contribution,
                                              const UnitSummary& summary,
                                              bool cluster_is_step,
                                              std::int64_t now_nanos) {
  if (contribution.step < resume_step_) {
    return absl::OutOfRangeError(
        absl::StrCat("step ", contribution.step, " precedes step ",
                     resume_step_, ", at which the attempt resumed"));
  }
  const StepRange range = WindowOf(contribution.step, settings_.window_steps);
  const auto found = windows_.find(range.first);
  if (found == windows_.end()) {
    return AddFirst(range, contribution, summary, cluster_is_step, now_nanos);
  }
  Window& window = found->second.window;
  const std::size_t bytes_before = window.MemoryUsed();
  auto outcome = window.Add(contribution, summary, cluster_is_step);
  if (outcome.ok() && *outcome == MergeOutcome::kMerged) {
    if (!found->second.open) ++found->second.revision;
    found->second.digest.reset();
    window_bytes_ += window.MemoryUsed() - bytes_before;
    NoteLife(contribution.first_unit, summary);
  }
  return outcome;
}

// The first contribution to a window that is not there.
absl::StatusOr<MergeOutcome> SignalTrack::AddFirst(
    const StepRange& range, const Contribution& contribution,
    const UnitSummary& summary, bool cluster_is_step, std::int64_t now_nanos) {
  if (range.end <= dropped_before_) {
    return absl::OutOfRangeError(absl::StrCat(
        "step ", contribution.step, " came too late: windows that end by ",
        dropped_before_, " are final"));
  }
  TrackedWindow fresh{
      .window = Window(range, settings_.units, settings_.columns),
      .open = range.end > closed_before_,
      .opened_nanos = now_nanos};
  // Into the map only once it merged: a refusal changes nothing.
  auto outcome = fresh.window.Add(contribution, summary, cluster_is_step);
  if (!outcome.ok()) return outcome;
  if (!fresh.open) fresh.revision = 1;
  window_bytes_ += fresh.window.MemoryUsed();
  windows_.emplace(range.first, std::move(fresh));
  NoteLife(contribution.first_unit, summary);
  DropOldWindows();
  return outcome;
}

void SignalTrack::NoteLife(Index first_unit, const UnitSummary& summary) {
  const Index units = summary.unit_count();
  auto seen = first_seen_step_.segment(first_unit, units);
  seen = seen.min(summary.first_seen_step);
  if (settings_.columns.firings) {
    auto fired = last_firing_step_.segment(first_unit, units);
    fired = fired.max(summary.last_firing_step);
  }
  ++version_;
}

void SignalTrack::BeginAttempt(std::int64_t resume_step) {
  EraseReaching(resume_step, &windows_, [](const TrackedWindow& tracked) {
    return tracked.window.steps().end;
  });
  std::erase_if(archive_, [resume_step](const WindowEvidence& evidence) {
    return evidence.steps.end > resume_step;
  });
  EraseReaching(resume_step, &sampled_,
                [](const StepRange& steps) { return steps.end; });
  EraseReaching(resume_step, &lost_,
                [](const StepRange& steps) { return steps.end; });
  digests_.EraseFrom(WindowOf(resume_step, settings_.window_steps).first);
  const auto expected = std::make_shared<const ExpectedShards>(expected_);
  for (auto& [first, tracked] : windows_) {
    tracked.open = false;
    if (!tracked.expected) tracked.expected = expected;
  }
  // What nobody received before is settled with what was expected then.
  ArchiveSampledBefore(resume_step);
  if (KeepsEvidence()) ResumeLives(resume_step);
  if (rows_) rows_->Resume(resume_step);
  // Where the last firing lies beyond the resume step, an earlier one is not
  // known any more: the unit is taken to have lived until then.
  last_firing_step_ = last_firing_step_.min(resume_step - 1);
  first_seen_step_ =
      (first_seen_step_ >= resume_step).select(kNeverSeen, first_seen_step_);
  resume_step_ = resume_step;
  closed_before_ = std::min(closed_before_, resume_step);
  dropped_before_ = std::min(dropped_before_, resume_step);
  DropOldWindows();
  window_bytes_ = CountBytes();
  ++version_;
}

void SignalTrack::NoteSampled(std::int64_t step) {
  if (!KeepsEvidence() || step < resume_step_) return;
  const StepRange range = WindowOf(step, settings_.window_steps);
  if (range.end <= dropped_before_) return;
  if (!sampled_.emplace(range.first, range).second) return;
  window_bytes_ += SampledWindowBytes();
  ++version_;
}

std::size_t SignalTrack::SampledWindowBytes() const {
  return kNodeBytes + sizeof(WindowEvidence) +
         expected_.size() * sizeof(RangeCoverage);
}

std::size_t SignalTrack::Close(std::int64_t before,
                               std::int64_t opened_before_nanos) {
  std::size_t closed = 0;
  for (auto& [first, tracked] : windows_) {
    const bool due = tracked.window.steps().end <= before ||
                     tracked.opened_nanos < opened_before_nanos;
    if (!tracked.open || !due) continue;
    tracked.open = false;
    ++closed;
  }
  if (closed > 0 || before > closed_before_) ++version_;
  closed_before_ = std::max(closed_before_, before);
  DropOldWindows();
  return closed;
}

void SignalTrack::DropOldWindows() {
  auto closed = static_cast<std::size_t>(
      std::count_if(windows_.begin(), windows_.end(),
                    [](const auto& entry) { return !entry.second.open; }));
  // An open window holds back all after it, so that windows become final in
  // order of step.
  for (auto it = windows_.begin();
       it != windows_.end() && closed > settings_.retained_windows &&
       !it->second.open;
       --closed) {
    const Window& window = it->second.window;
    ArchiveSampledBefore(window.steps().first);
    window_bytes_ -= digests_.size() * kDigestBytes;
    digests_.Insert(it->first, DigestOf(it->second));
    window_bytes_ += digests_.size() * kDigestBytes;
    if (KeepsEvidence()) {
      Archive(EvidenceOf(it->second));
      FoldLives(archive_, window.steps().end);
      archived_firings_ += window.merged().firings;
    }
    if (rows_) FoldRows(window);
    dropped_before_ = std::max(dropped_before_, window.steps().end);
    window_bytes_ -=
        window.MemoryUsed() + sampled_.erase(it->first) * SampledWindowBytes();
    it = windows_.erase(it);
  }
  std::erase_if(lost_, [this](const auto& entry) {
    return entry.second.end <= dropped_before_;
  });
}

void SignalTrack::Archive(WindowEvidence evidence) {
  window_bytes_ += BytesOf(evidence);
  // Nearly always at the end.
  archive_.insert(std::ranges::upper_bound(archive_, evidence, EarlierWindow),
                  std::move(evidence));
}

// Sampled windows that end by `end` and never received anything become final.
void SignalTrack::ArchiveSampledBefore(std::int64_t end) {
  for (auto it = sampled_.begin();
       it != sampled_.end() && it->second.end <= end;) {
    WindowEvidence nothing = NothingReceived(it->second);
    if (!windows_.contains(it->first) &&
        !std::ranges::binary_search(archive_, nothing, EarlierWindow)) {
      Archive(std::move(nothing));
      dropped_before_ = std::max(dropped_before_, it->second.end);
    }
    window_bytes_ -= SampledWindowBytes();
    it = sampled_.erase(it);
  }
}

void SignalTrack::SetExpectedShards(ExpectedShards expected) {
  const std::size_t sampled_bytes = sampled_.size() * SampledWindowBytes();
  expected_ = std::move(expected);
  window_bytes_ += sampled_.size() * SampledWindowBytes() - sampled_bytes;
  ++version_;
}

std::size_t SignalTrack::CountBytes() const {
  std::size_t bytes =
      sampled_.size() * SampledWindowBytes() + digests_.size() * kDigestBytes;
  if (rows_) bytes += rows_->FirstRowBytes();
  for (const auto& [first, tracked] : windows_) {
    bytes += tracked.window.MemoryUsed();
  }
  for (const WindowEvidence& evidence : archive_) bytes += BytesOf(evidence);
  return bytes;
}

}  // namespace firekeeper::core
