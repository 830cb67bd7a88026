#include "server/state/rows/track_rows.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/state_bytes.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kTrackBytes = 6;
constexpr std::size_t kWindowBytes = kTrackBytes + 8;
constexpr std::size_t kJournalBytes = kWindowBytes + 8;

// Most significant byte first: the order of bytes is that of numbers.
void PutKey(std::uint64_t number, std::size_t bytes, std::string* key) {
  for (std::size_t i = bytes; i-- > 0;) {
    key->push_back(static_cast<char>((number >> (8 * i)) & 0xFFU));
  }
}

std::uint64_t GetKey(std::string_view key, std::size_t begin,
                     std::size_t bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = begin; i < begin + bytes; ++i) {
    number = (number << 8) | static_cast<unsigned char>(key[i]);
  }
  return number;
}

absl::Status WrongKey(std::string_view key) {
  return absl::DataLossError(
      absl::StrCat("key of a signal has ", key.size(), " bytes"));
}

}  // namespace

std::string TrackKeyOf(std::uint32_t layer, TrackKey track) {
  std::string key;
  PutKey(layer, sizeof layer, &key);
  PutKey(static_cast<std::uint8_t>(track.first), 1, &key);
  PutKey(static_cast<std::uint8_t>(track.second), 1, &key);
  return key;
}

std::string EndOfTrack(std::uint32_t layer, TrackKey track) {
  // No step reaches this.
  return TrackKeyOf(layer, track) + std::string(kJournalBytes, '\xFF');
}

std::string WindowKey(std::uint32_t layer, TrackKey track,
                      std::int64_t first_step) {
  std::string key = TrackKeyOf(layer, track);
  PutKey(static_cast<std::uint64_t>(first_step), 8, &key);
  return key;
}

std::string JournalKey(std::uint32_t layer, TrackKey track,
                       std::int64_t first_step, std::uint64_t number) {
  std::string key = WindowKey(layer, track, first_step);
  PutKey(number, 8, &key);
  return key;
}

absl::StatusOr<TrackPlace> ParseTrackKey(std::string_view key) {
  if (key.size() < kTrackBytes) return WrongKey(key);
  const auto phase = static_cast<std::uint8_t>(key[4]);
  const auto signal = static_cast<std::uint8_t>(key[5]);
  if (phase < static_cast<int>(core::Phase::kTrain) ||
      phase > static_cast<int>(core::Phase::kProbe) ||
      signal < static_cast<int>(core::Signal::kActivation) ||
      signal > static_cast<int>(core::Signal::kTarget)) {
    return absl::DataLossError(
        absl::StrCat("key of a signal: phase ", phase, ", signal ", signal));
  }
  return TrackPlace{.layer = static_cast<std::uint32_t>(GetKey(key, 0, 4)),
                    .track = {static_cast<core::Phase>(phase),
                              static_cast<core::Signal>(signal)}};
}

absl::StatusOr<std::int64_t> FirstStepOf(std::string_view key) {
  if (key.size() < kWindowBytes) return WrongKey(key);
  const std::uint64_t first = GetKey(key, kTrackBytes, 8);
  if (first > static_cast<std::uint64_t>(core::kMaxStep)) return WrongKey(key);
  return static_cast<std::int64_t>(first);
}

absl::StatusOr<std::uint64_t> NumberOf(std::string_view journal_key) {
  if (journal_key.size() != kJournalBytes) return WrongKey(journal_key);
  return GetKey(journal_key, kWindowBytes, 8);
}

std::string EncodeJournal(std::uint32_t attempt,
                          const core::Contribution& contribution,
                          bool cluster_is_step, std::int64_t arrived_nanos,
                          const core::UnitSummary& summary) {
  core::StateWriter writer;
  writer.Put(attempt);
  writer.Put(contribution.source);
  writer.Put(contribution.data_shard);
  writer.Put(static_cast<std::int64_t>(contribution.first_unit));
  writer.Put(contribution.step);
  writer.Put(contribution.part);
  writer.Put(contribution.fingerprint);
  writer.Put(static_cast<std::uint8_t>(cluster_is_step ? 1 : 0));
  writer.Put(arrived_nanos);
  writer.Put(static_cast<std::int64_t>(summary.unit_count()));
  writer.Put(static_cast<std::uint8_t>(summary.columns.clusters ? 1 : 0));
  writer.Put(summary);
  // Last, and absent where it is empty, as in rows of before there was one.
  if (!summary.sketch.empty()) writer.Put(summary.sketch);
  return writer.Take();
}

absl::StatusOr<JournalRow> DecodeJournal(std::string_view bytes,
                                         core::Index most_units,
                                         const core::ColumnSet& columns) {
  core::StateReader reader(bytes);
  JournalRow row;
  reader.Get(&row.attempt);
  reader.Get(&row.contribution.source);
  reader.Get(&row.contribution.data_shard);
  row.contribution.first_unit = reader.Get<std::int64_t>();
  reader.Get(&row.contribution.step);
  reader.Get(&row.contribution.part);
  reader.Get(&row.contribution.fingerprint);
  row.cluster_is_step = reader.GetBool();
  reader.Get(&row.arrived_nanos);
  const auto units = reader.Get<std::int64_t>();
  core::ColumnSet held = columns;
  held.clusters = reader.GetBool() && columns.clusters;
  const core::Index first = row.contribution.first_unit;
  if (first < 0 || units < 0 || units > most_units ||
      first > most_units - units || row.contribution.step < 0 ||
      row.contribution.step > core::kMaxStep) {
    reader.Fail();
  }
  if (reader.ok()) row.summary = reader.GetSummary(units, held);
  if (!reader.at_end()) row.summary.sketch = reader.GetSketch();
  if (absl::Status read = reader.Finish("contribution"); !read.ok()) {
    return read;
  }
  return row;
}

}  // namespace firekeeper::server
