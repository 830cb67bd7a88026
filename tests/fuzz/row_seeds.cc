#include "tests/fuzz/row_seeds.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "core/signal_track.h"
#include "core/state_bytes.h"
#include "server/state/event_log.h"
#include "server/state/rows/event_rows.h"
#include "server/state/rows/run_rows.h"
#include "server/state/rows/track_rows.h"
#include "server/state/run_assessment.h"
#include "tests/fuzz/row_kinds.h"
#include "tests/support/state_builders.h"

namespace firekeeper::testing {
namespace {

using core::SignalTrack;
using core::StateWriter;
using Seeds = std::map<std::string, std::string>;

constexpr std::uint32_t kSources = 2;
constexpr core::Index kUnits = 3;

std::string BytesOf(const auto& write) {
  StateWriter writer;
  write(&writer);
  return writer.Take();
}

// The choices by which fuzz_rows makes the same settings: an activation, three
// units, windows of four steps, two of them retained.
std::string TrackChoices(RowKind kind, bool is_weight) {
  return {static_cast<char>(kind),
          is_weight ? '\3' : '\0',
          '\2',
          '\1',
          '\2',
          '\2',
          '\1'};
}

core::TrackSettings SettingsOf(core::Signal signal) {
  core::TrackSettings settings;
  settings.signal = signal;
  settings.units = kUnits;
  settings.columns = core::ColumnsFor(signal, true);
  settings.window_steps = 4;
  settings.retained_windows = 2;
  settings.keeps_rows = signal == core::Signal::kWeight;
  return settings;
}

// Some windows archived, some closed, some open.
SignalTrack TrackOf(core::Signal signal) {
  SignalTrack track(SettingsOf(signal));
  track.SetExpectedShards(
      {{.first = 0, .count = kUnits, .shards_expected = kSources}});
  for (std::int64_t step = 0; step < 30; ++step) {
    for (std::uint32_t source = 0; source < kSources; ++source) {
      core::Contribution key{
          .source = source, .data_shard = source, .step = step};
      const core::UnitSummary summary =
          RandomSummary(kUnits, key, track.settings().columns);
      key.fingerprint = core::Fingerprint(summary);
      (void)track.Add(key, summary, source == 1, step);
    }
    track.NoteSampled(step + 4);
  }
  track.Close(20, std::numeric_limits<std::int64_t>::min());
  return track;
}

void AddTrackSeeds(core::Signal signal, Seeds* seeds) {
  const bool is_weight = signal == core::Signal::kWeight;
  const std::string name = is_weight ? "weight_" : "activation_";
  const SignalTrack track = TrackOf(signal);
  const auto add = [&](const std::string& row, RowKind kind,
                       const auto& write) {
    (*seeds)[name + row] = TrackChoices(kind, is_weight) + BytesOf(write);
  };
  add("marks", RowKind::kMarks,
      [&](StateWriter* writer) { track.WriteMarks(writer); });
  add("units", RowKind::kUnits,
      [&](StateWriter* writer) { track.WriteUnits(writer); });
  for (const auto& entry : track.windows()) {
    add("window_" + std::to_string(entry.first), RowKind::kWindow,
        [&](StateWriter* writer) {
          SignalTrack::WriteWindow(entry.second, writer);
        });
  }
  for (const core::WindowEvidence& line : track.archive()) {
    add("evidence_" + std::to_string(line.steps.first), RowKind::kEvidence,
        [&](StateWriter* writer) { SignalTrack::WriteEvidence(line, writer); });
  }
  const core::Contribution key{.step = 3};
  (*seeds)[name + "journal"] =
      TrackChoices(RowKind::kJournal, is_weight) +
      server::EncodeJournal(
          1, key, false, 1'000,
          RandomSummary(kUnits, key, track.settings().columns));
}

server::RunRecord RunOf() {
  server::RunRecord run;
  run.tenant = "tenant";
  run.run_id = "run";
  run.first_seen = absl::FromUnixSeconds(1'000);
  run.labels = {{"model", "mlp"}, {"seed", "1"}};
  run.attempts.push_back({.launch_token = "token",
                          .source_count = 2,
                          .started = run.first_seen,
                          .sources_opened = 2});
  return run;
}

void AddRunSeeds(Seeds* seeds) {
  const auto add = [&](const char* name, RowKind kind,
                       const std::string& bytes) {
    (*seeds)[name] = std::string(1, static_cast<char>(kind)) + bytes;
  };
  server::LayerSpec layer;
  layer.name = "fc1";
  layer.unit_count = kUnits;
  layer.inputs = {"input"};
  server::RunEvent event{.event_id = 1,
                         .kind = core::EventKind::kUnitsDied,
                         .severity = core::EventSeverity::kInfo,
                         .layer = "fc1",
                         .step = 3,
                         .time = absl::FromUnixSeconds(1'000),
                         .message = "2 units died",
                         .unit_count = 2};
  server::EventLog log(16);
  server::RunAssessment assessment(core::AlarmSettings(), log);
  server::RunLook look;
  look.layers.push_back({.name = "fc1", .situation = {.step = 3, .units = 4}});
  assessment.Take(look);
  add("run", RowKind::kRun, Encode(RunOf()));
  add("layer", RowKind::kLayer, Encode(layer));
  add("source", RowKind::kSource,
      Encode(server::SourceRecord{.attempt = 1, .accepted_seq = 5}));
  add("shares", RowKind::kShares,
      Encode(server::SharesRecord{
          .attempt = 1, .shares = {{0, {.first_unit = 0, .unit_count = 3}}}}));
  add("counters", RowKind::kCounters,
      Encode(server::CountersRecord{.last_seen = absl::FromUnixSeconds(1'000),
                                    .last_step = 4}));
  add("scalar", RowKind::kScalar,
      Encode(server::ScalarRecord{
          .step = 4, .value = 0.5, .history = {{1, 2.0}, {4, 0.5}}}));
  add("event", RowKind::kEvent, EncodeEvent(event));
  add("assessment", RowKind::kAssessment, assessment.Encode());
  add("key", RowKind::kKey,
      server::JournalKey(1, {core::Phase::kTrain, core::Signal::kActivation}, 4,
                         7));
  add("frame", RowKind::kFrame, std::string(64, 'x'));
}

}  // namespace

std::map<std::string, std::string> RowSeeds() {
  Seeds seeds;
  AddTrackSeeds(core::Signal::kActivation, &seeds);
  AddTrackSeeds(core::Signal::kWeight, &seeds);
  AddRunSeeds(&seeds);
  return seeds;
}

}  // namespace firekeeper::testing
