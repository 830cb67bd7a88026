// Whatever the rows of a store hold, decoding refuses it or gives a value that
// encodes to what decodes to the same value. Input: which row, then its bytes.

#include <google/protobuf/stubs/logging.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/layer_alarm.h"
#include "core/signal_track.h"
#include "core/state_bytes.h"
#include "server/state/event_log.h"
#include "server/state/rows/event_rows.h"
#include "server/state/rows/run_rows.h"
#include "server/state/rows/track_rows.h"
#include "server/state/run_assessment.h"
#include "server/store/row_frame.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/row_kinds.h"

namespace firekeeper::server {
namespace {

using testing::Choices;
using testing::Require;
using testing::RowKind;

void RequireRefusal(const absl::Status& status) {
  Require(status.code() == absl::StatusCode::kDataLoss,
          "what does not decode is lost data");
  Require(status.message().size() <= 1'024, "messages are bounded");
}

// A record of its own type: `encode` must not depend on anything but it.
template <typename Decode, typename Encode>
void CheckRecord(std::string_view bytes, const Decode& decode,
                 const Encode& encode) {
  const auto record = decode(bytes);
  if (!record.ok()) return RequireRefusal(record.status());
  const std::string written = encode(*record);
  const auto again = decode(written);
  Require(again.ok(), "what was encoded decodes");
  Require(encode(*again) == written, "it decodes to the same record");
}

void CheckRun(std::string_view bytes) {
  auto record = DecodeRun(bytes);
  if (!record.ok()) return RequireRefusal(record.status());
  const auto again = DecodeRun(Encode(*record));
  Require(again.ok(), "what was encoded decodes");
  Require(again->labels == record->labels, "it decodes to the same labels");
  // Protobuf writes the entries of a map in any order.
  record->labels.clear();
  CheckRecord(Encode(*record), DecodeRun,
              [](const RunRecord& run) { return Encode(run); });
}

core::TrackSettings SettingsFrom(Choices& choices) {
  constexpr std::array kSignals{
      core::Signal::kActivation, core::Signal::kPreActivation,
      core::Signal::kOutputGradient, core::Signal::kWeight,
      core::Signal::kWeightUpdate};
  core::TrackSettings settings;
  settings.signal = kSignals.at(static_cast<std::size_t>(choices.Below(5)));
  settings.units = 1 + choices.Below(9);
  settings.columns = core::ColumnsFor(settings.signal, choices.Coin());
  settings.window_steps = std::int64_t{1} << choices.Below(8);
  settings.retained_windows = static_cast<std::size_t>(choices.Below(4));
  settings.keeps_evidence = choices.Coin();
  settings.keeps_rows = settings.signal == core::Signal::kWeight ||
                        settings.signal == core::Signal::kWeightUpdate;
  return settings;
}

using TrackReader = absl::Status (core::SignalTrack::*)(std::string_view);
using TrackWriter = void (core::SignalTrack::*)(core::StateWriter*) const;

void CheckTrack(const core::TrackSettings& settings, std::string_view bytes,
                TrackReader read, TrackWriter write) {
  core::SignalTrack track(settings);
  if (const absl::Status done = (track.*read)(bytes); !done.ok()) {
    return RequireRefusal(done);
  }
  core::StateWriter written;
  (track.*write)(&written);
  core::SignalTrack again(settings);
  Require((again.*read)(written.bytes()).ok(), "what was encoded decodes");
  core::StateWriter twice;
  (again.*write)(&twice);
  Require(twice.bytes() == written.bytes(), "it decodes to the same figures");
  // What is read is looked at.
  track.Restored();
  (void)track.Digests();
  (void)track.RowsKeptThrough();
}

void CheckEvidence(const core::TrackSettings& settings,
                   std::string_view bytes) {
  core::SignalTrack track(settings);
  if (const absl::Status done = track.ReadEvidence(bytes); !done.ok()) {
    return RequireRefusal(done);
  }
  core::StateWriter written;
  core::SignalTrack::WriteEvidence(track.archive().front(), &written);
  core::SignalTrack again(settings);
  Require(again.ReadEvidence(written.bytes()).ok(), "what was encoded decodes");
  core::StateWriter twice;
  core::SignalTrack::WriteEvidence(again.archive().front(), &twice);
  Require(twice.bytes() == written.bytes(), "it decodes to the same line");
}

std::string BytesOf(const core::UnitSummary& summary) {
  core::StateWriter writer;
  writer.Put(summary);
  return writer.Take();
}

// The contributions of a window are written in any order.
void CheckWindow(const core::TrackSettings& settings, std::string_view bytes) {
  core::SignalTrack track(settings);
  if (const absl::Status done = track.ReadWindow(bytes); !done.ok()) {
    return RequireRefusal(done);
  }
  const auto& tracked = track.windows().begin()->second;
  core::StateWriter written;
  core::SignalTrack::WriteWindow(tracked, &written);
  core::SignalTrack second(settings);
  Require(second.ReadWindow(written.bytes()).ok(), "what was encoded decodes");
  const auto& again = second.windows().begin()->second;
  Require(again.open == tracked.open && again.revision == tracked.revision &&
              again.opened_nanos == tracked.opened_nanos &&
              again.window.steps() == tracked.window.steps() &&
              again.window.contribution_count() ==
                  tracked.window.contribution_count() &&
              again.window.MemoryUsed() == tracked.window.MemoryUsed(),
          "it decodes to a window of the same contributions");
  Require(BytesOf(again.window.Summary()) == BytesOf(tracked.window.Summary()),
          "it decodes to the same statistics");
  for (core::Index unit = 0; unit < settings.units; ++unit) {
    Require(again.window.ShardsReceived(unit) ==
                tracked.window.ShardsReceived(unit),
            "it decodes to the same shards");
  }
  core::StateWriter twice;
  core::SignalTrack::WriteWindow(again, &twice);
  Require(twice.bytes().size() == written.bytes().size(),
          "it has the same length");
  track.Restored();
  (void)track.Digests();
}

void CheckJournal(const core::TrackSettings& settings, std::string_view bytes) {
  CheckRecord(
      bytes,
      [&](std::string_view row) {
        return DecodeJournal(row, settings.units, settings.columns);
      },
      [](const JournalRow& row) {
        return EncodeJournal(row.attempt, row.contribution, row.cluster_is_step,
                             row.arrived_nanos, row.summary);
      });
}

void CheckAssessment(std::string_view bytes) {
  EventLog log(16);
  RunAssessment assessment(core::AlarmSettings(), log);
  if (const absl::Status done = assessment.Restore(bytes); !done.ok()) {
    return RequireRefusal(done);
  }
  const std::string written = assessment.Encode();
  RunAssessment again(core::AlarmSettings(), log);
  Require(again.Restore(written).ok(), "what was encoded decodes");
  Require(again.Encode() == written, "it decodes to the same alarms");
}

void CheckFrame(Choices& choices) {
  const RowPlace place{
      .table = static_cast<Table>(1 + choices.Below(10)),
      .run = static_cast<std::uint64_t>(choices.Below(256)),
      .key = choices.Bytes(static_cast<std::size_t>(choices.Below(24)))};
  const auto flipped = static_cast<std::size_t>(choices.Number() % 4'096);
  const std::string stored(choices.Bytes(4'096));
  if (const auto row = UnframeRow(place, stored); row.ok()) {
    Require(FrameRow(place, row->payload, row->version) == stored,
            "a row is what was framed");
  } else {
    RequireRefusal(row.status());
  }
  std::string framed = FrameRow(place, stored);
  const auto row = UnframeRow(place, framed);
  Require(row.ok() && row->payload == stored, "a framed row comes back");
  char& byte = framed[flipped / 8 % framed.size()];
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^
                           (1U << (flipped % 8)));
  Require(!UnframeRow(place, framed).ok(), "a flipped bit is seen");
}

void CheckKeys(std::string_view key) {
  if (const auto parts = ParseRunKey(key); !parts.ok()) {
    RequireRefusal(parts.status());
  }
  const auto place = ParseTrackKey(key);
  const auto first = FirstStepOf(key);
  const auto number = NumberOf(key);
  if (!place.ok()) return RequireRefusal(place.status());
  if (!first.ok()) return RequireRefusal(first.status());
  if (!number.ok()) return RequireRefusal(number.status());
  Require(JournalKey(place->layer, place->track, *first, *number) == key,
          "a key says where its row belongs");
  Require(key < EndOfTrack(place->layer, place->track) &&
              key >= TrackKeyOf(place->layer, place->track),
          "a track is a range of keys");
}

void CheckTrackRow(RowKind kind, Choices& choices) {
  const core::TrackSettings settings = SettingsFrom(choices);
  const std::string_view bytes = choices.Bytes(SIZE_MAX);
  switch (kind) {
    case RowKind::kMarks:
      return CheckTrack(settings, bytes, &core::SignalTrack::ReadMarks,
                        &core::SignalTrack::WriteMarks);
    case RowKind::kUnits:
      return CheckTrack(settings, bytes, &core::SignalTrack::ReadUnits,
                        &core::SignalTrack::WriteUnits);
    case RowKind::kWindow:
      return CheckWindow(settings, bytes);
    case RowKind::kEvidence:
      return CheckEvidence(settings, bytes);
    default:
      return CheckJournal(settings, bytes);
  }
}

void CheckRunRow(RowKind kind, std::string_view bytes) {
  const auto encode = [](const auto& record) { return Encode(record); };
  switch (kind) {
    case RowKind::kRun:
      return CheckRun(bytes);
    case RowKind::kLayer:
      return CheckRecord(bytes, DecodeLayer, encode);
    case RowKind::kSource:
      return CheckRecord(bytes, DecodeSource, encode);
    case RowKind::kShares:
      return CheckRecord(bytes, DecodeShares, encode);
    case RowKind::kCounters:
      return CheckRecord(bytes, DecodeCounters, encode);
    case RowKind::kScalar:
      return CheckRecord(bytes, DecodeScalar, encode);
    case RowKind::kEvent:
      return CheckRecord(bytes, DecodeEvent, EncodeEvent);
    case RowKind::kAssessment:
      return CheckAssessment(bytes);
    default:
      return CheckKeys(bytes);
  }
}

void Check(Choices& choices) {
  const auto kind = static_cast<RowKind>(choices.Below(testing::kRowKindCount));
  if (kind == RowKind::kFrame) return CheckFrame(choices);
  if (kind <= RowKind::kJournal) return CheckTrackRow(kind, choices);
  CheckRunRow(kind, choices.Bytes(SIZE_MAX));
}

}  // namespace
}  // namespace firekeeper::server

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  // A line for every input that is no message, otherwise.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  firekeeper::server::Check(choices);
  return 0;
}
