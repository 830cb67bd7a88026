// Windows and tracks as bytes and back.

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/signal_track.h"
#include "core/state_bytes.h"

namespace firekeeper::core {
namespace {

constexpr std::size_t kContributionBytes = 32;
constexpr std::size_t kRangeBytes = 24;
constexpr std::size_t kStepsBytes = 16;
// At least; its optional figures may be absent.
constexpr std::size_t kDigestBytes = 100;

void PutSize(std::size_t size, StateWriter* writer) {
  writer->Put(static_cast<std::uint64_t>(size));
}

void PutBits(const std::vector<bool>& bits, StateWriter* writer) {
  std::vector<std::uint8_t> bytes((bits.size() + 7) / 8);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) bytes[i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
  }
  writer->PutBytes(bytes.data(), bytes.size());
}

std::vector<bool> GetBits(std::size_t count, StateReader* reader) {
  const char* const bytes = reader->Next((count + 7) / 8);
  std::vector<bool> bits(count, false);
  if (bytes == nullptr) return bits;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned byte = static_cast<unsigned char>(bytes[i / 8]);
    bits[i] = ((byte >> (i % 8)) & 1U) != 0;
  }
  return bits;
}

void PutWindows(const std::map<std::int64_t, StepRange>& windows,
                StateWriter* writer) {
  PutSize(windows.size(), writer);
  for (const auto& [first, steps] : windows) writer->Put(steps);
}

std::map<std::int64_t, StepRange> GetWindows(StateReader* reader) {
  std::map<std::int64_t, StepRange> windows;
  for (std::size_t left = reader->GetSize(kStepsBytes);
       left > 0 && reader->ok(); --left) {
    const StepRange steps = reader->GetSteps();
    if (reader->ok()) windows.emplace(steps.first, steps);
  }
  return windows;
}

void PutRanges(const std::vector<RangeCoverage>& ranges, StateWriter* writer) {
  PutSize(ranges.size(), writer);
  for (const RangeCoverage& range : ranges) {
    writer->Put(static_cast<std::int64_t>(range.first));
    writer->Put(static_cast<std::int64_t>(range.count));
    writer->Put(range.shards_received);
    writer->Put(range.shards_expected);
  }
}

// Disjoint, ascending, together all `units`.
std::vector<RangeCoverage> GetRanges(Index units, StateReader* reader) {
  std::vector<RangeCoverage> ranges(reader->GetSize(kRangeBytes));
  Index next = 0;
  for (RangeCoverage& range : ranges) {
    range.first = reader->Get<std::int64_t>();
    range.count = reader->Get<std::int64_t>();
    reader->Get(&range.shards_received);
    reader->Get(&range.shards_expected);
    if (range.first != next || range.count <= 0 || range.count > units - next) {
      reader->Fail();
      return {};
    }
    next += range.count;
  }
  if (next != units) reader->Fail();
  return ranges;
}

template <typename Number>
void PutOptional(const std::optional<Number>& value, StateWriter* writer) {
  writer->Put(static_cast<std::uint8_t>(value.has_value() ? 1 : 0));
  if (value.has_value()) writer->Put(*value);
}

template <typename Number>
void GetOptional(std::optional<Number>* value, StateReader* reader) {
  value->reset();
  if (reader->GetBool()) *value = reader->Get<Number>();
}

void PutDigest(const SignalDigest& digest, StateWriter* writer) {
  writer->Put(digest.steps);
  for (const std::uint64_t count :
       {digest.unit_count, digest.units, digest.observations, digest.clusters,
        digest.total_observations, digest.non_finite, digest.units_never_fired,
        digest.units_always_positive, digest.units_all_zero,
        digest.units_constant}) {
    writer->Put(count);
  }
  PutOptional(digest.firing_ratio, writer);
  PutOptional(digest.zero_ratio, writer);
  writer->Put(static_cast<std::uint8_t>(digest.has_moments ? 1 : 0));
  for (const double value :
       {digest.mean, digest.mean_absolute, digest.root_mean_square,
        digest.standard_deviation, digest.min, digest.max,
        digest.mean_square_of_means, digest.mean_variance,
        digest.unit_spread}) {
    writer->Put(value);
  }
  PutOptional(digest.share_entropy, writer);
}

SignalDigest GetDigest(StateReader* reader) {
  SignalDigest digest;
  digest.steps = reader->GetSteps();
  for (std::uint64_t* count :
       {&digest.unit_count, &digest.units, &digest.observations,
        &digest.clusters, &digest.total_observations, &digest.non_finite,
        &digest.units_never_fired, &digest.units_always_positive,
        &digest.units_all_zero, &digest.units_constant}) {
    reader->Get(count);
  }
  GetOptional(&digest.firing_ratio, reader);
  GetOptional(&digest.zero_ratio, reader);
  digest.has_moments = reader->GetBool();
  for (double* value : {&digest.mean, &digest.mean_absolute,
                        &digest.root_mean_square, &digest.standard_deviation,
                        &digest.min, &digest.max, &digest.mean_square_of_means,
                        &digest.mean_variance, &digest.unit_spread}) {
    reader->Get(value);
  }
  GetOptional(&digest.share_entropy, reader);
  return digest;
}

}  // namespace

void Window::Write(StateWriter* writer) const {
  writer->Put(steps_);
  writer->Put(merged_);
  PutSize(seen_.size(), writer);
  for (const auto& [place, filled] : seen_) {
    writer->Put(place.data_shard);
    writer->Put(static_cast<std::int64_t>(place.first_unit));
    writer->Put(place.step);
    writer->Put(place.part);
    writer->Put(filled.source);
    writer->Put(filled.fingerprint);
  }
  PutSize(step_clusters_.size(), writer);
  for (const auto& [step, cluster] : step_clusters_) {
    writer->Put(step);
    PutBits(cluster.observed, writer);
    PutBits(cluster.fired, writer);
  }
  // Last, and absent where it is empty, as in rows of before there was one.
  if (!sketch().empty()) writer->Put(sketch());
}

Window Window::Read(StateReader* reader, Index units,
                    const ColumnSet& columns) {
  const StepRange steps = reader->GetSteps();
  // A range that fits, so that the window itself is sound.
  Window window(reader->ok() ? steps : StepRange{.first = 0, .end = 1}, units,
                columns);
  window.merged_ = reader->GetSummary(units, columns);
  window.ReadContributions(reader);
  window.ReadStepClusters(reader);
  if (!reader->at_end()) window.merged_.sketch = reader->GetSketch();
  return window;
}

void Window::ReadContributions(StateReader* reader) {
  const Index units = merged_.unit_count();
  for (std::size_t left = reader->GetSize(kContributionBytes);
       left > 0 && reader->ok(); --left) {
    Place place{};
    reader->Get(&place.data_shard);
    place.first_unit = reader->Get<std::int64_t>();
    reader->Get(&place.step);
    reader->Get(&place.part);
    Filled filled{};
    reader->Get(&filled.source);
    reader->Get(&filled.fingerprint);
    if (place.first_unit < 0 || place.first_unit >= units ||
        !steps_.Contains(place.step)) {
      return reader->Fail();
    }
    seen_.emplace(place, filled);
    shards_[place.first_unit].insert(place.data_shard);
  }
}

void Window::ReadStepClusters(StateReader* reader) {
  const auto units = static_cast<std::size_t>(merged_.unit_count());
  for (std::size_t left = reader->GetSize(sizeof(std::int64_t));
       left > 0 && reader->ok(); --left) {
    const auto step = reader->Get<std::int64_t>();
    if (!steps_.Contains(step)) return reader->Fail();
    StepCluster& cluster = step_clusters_[step];
    cluster.observed = GetBits(units, reader);
    cluster.fired = GetBits(units, reader);
  }
}

void SignalTrack::WriteMarks(StateWriter* writer) const {
  for (const std::int64_t mark :
       {resume_step_, closed_before_, dropped_before_, baseline_first_step_}) {
    writer->Put(mark);
  }
  PutWindows(sampled_, writer);
  // Absent where there are none, as in rows of before there could be any.
  if (!lost_.empty()) PutWindows(lost_, writer);
}

absl::Status SignalTrack::ReadMarks(std::string_view bytes) {
  StateReader reader(bytes);
  for (std::int64_t* mark : {&resume_step_, &closed_before_, &dropped_before_,
                             &baseline_first_step_}) {
    reader.Get(mark);
    if (*mark < 0 || *mark > 2 * kMaxStep) reader.Fail();
  }
  sampled_ = GetWindows(&reader);
  if (!reader.at_end()) lost_ = GetWindows(&reader);
  return reader.Finish("marks of a signal");
}

void SignalTrack::WriteUnits(StateWriter* writer) const {
  writer->Put(last_firing_step_);
  writer->Put(first_seen_step_);
  writer->Put(archived_firings_);
  book_.Write(writer);
  writer->Put(static_cast<std::uint8_t>(rows_.has_value() ? 1 : 0));
  if (rows_) rows_->Write(writer);
  digests_.Write(writer, PutDigest);
}

absl::Status SignalTrack::ReadUnits(std::string_view bytes) {
  StateReader reader(bytes);
  last_firing_step_ = reader.GetStepArray(last_firing_step_.size());
  first_seen_step_ = reader.GetStepArray(first_seen_step_.size());
  archived_firings_ = reader.GetCounts(archived_firings_.size());
  book_.Read(&reader);
  if (reader.GetBool() != rows_.has_value()) reader.Fail();
  if (rows_ && reader.ok()) rows_->Read(&reader, settings_.columns);
  digests_.Read(&reader, kDigestBytes, GetDigest);
  return reader.Finish("figures of units");
}

void SignalTrack::WriteWindow(const TrackedWindow& tracked,
                              StateWriter* writer) {
  writer->Put(static_cast<std::uint8_t>(tracked.open ? 1 : 0));
  writer->Put(tracked.revision);
  writer->Put(tracked.opened_nanos);
  writer->Put(static_cast<std::uint8_t>(tracked.expected ? 1 : 0));
  if (tracked.expected) PutRanges(*tracked.expected, writer);
  tracked.window.Write(writer);
}

absl::Status SignalTrack::ReadWindow(std::string_view bytes) {
  StateReader reader(bytes);
  const bool open = reader.GetBool();
  const auto revision = reader.Get<std::uint64_t>();
  const auto opened_nanos = reader.Get<std::int64_t>();
  std::shared_ptr<const ExpectedShards> expected;
  if (reader.GetBool()) {
    expected = std::make_shared<const ExpectedShards>(
        GetRanges(settings_.units, &reader));
  }
  Window window = Window::Read(&reader, settings_.units, settings_.columns);
  if (absl::Status read = reader.Finish("window"); !read.ok()) return read;
  if (WindowOf(window.steps().first, settings_.window_steps) !=
      window.steps()) {
    return absl::DataLossError("window: is not one of these window-steps");
  }
  NoteLife(0, window.merged());
  const std::int64_t first = window.steps().first;
  windows_.insert_or_assign(first,
                            TrackedWindow{.window = std::move(window),
                                          .open = open,
                                          .revision = revision,
                                          .opened_nanos = opened_nanos,
                                          .expected = std::move(expected)});
  return absl::OkStatus();
}

void SignalTrack::WriteEvidence(const WindowEvidence& line,
                                StateWriter* writer) {
  writer->Put(line.steps);
  writer->Put(line.observations);
  // A signal without clusters has none.
  writer->Put(static_cast<std::int64_t>(line.clusters.unit_count()));
  writer->Put(line.clusters);
  PutRanges(line.coverage, writer);
}

absl::Status SignalTrack::ReadEvidence(std::string_view bytes) {
  StateReader reader(bytes);
  WindowEvidence line;
  line.steps = reader.GetSteps();
  line.observations = reader.GetUnitCounts(settings_.units);
  const auto clusters = reader.Get<std::int64_t>();
  if (clusters != 0 && clusters != settings_.units) reader.Fail();
  line.clusters = reader.GetUnitCounts(reader.ok() ? clusters : 0);
  line.coverage = GetRanges(settings_.units, &reader);
  if (absl::Status read = reader.Finish("line of the archive"); !read.ok()) {
    return read;
  }
  Archive(std::move(line));
  return absl::OkStatus();
}

void SignalTrack::NoteLost(std::int64_t first_step) {
  const StepRange steps = WindowOf(first_step, settings_.window_steps);
  windows_.erase(steps.first);
  sampled_.emplace(steps.first, steps);
  if (steps.end > dropped_before_) lost_.emplace(steps.first, steps);
}

void SignalTrack::Restored() {
  window_bytes_ = CountBytes();
  ++version_;
}

}  // namespace firekeeper::core
