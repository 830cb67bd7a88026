#include "server/state/recovery.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/failpoint.h"
#include "server/state/rows/event_rows.h"
#include "server/state/rows/run_rows.h"

namespace firekeeper::server {
namespace {

// Rows of one table and run as they come, and the keys of damaged ones.
struct Rows {
  std::map<std::string, std::string> sound;
  std::vector<std::string> corrupt;
};

absl::StatusOr<Rows> ReadRows(Store& store, Table table, std::uint64_t run,
                              const std::string& begin,
                              const std::string& end) {
  Rows rows;
  const absl::Status read = store.Read(
      table, run, begin, end,
      [&rows](const RowView& row) { rows.sound.emplace(row.key, row.value); },
      &rows.corrupt);
  if (!read.ok()) return absl::UnavailableError(read.message());
  return rows;
}

// Damaged rows whose loss nobody needs to know of at the next start.
void EraseCorrupt(Table table, std::uint64_t run, const Rows& rows,
                  WriteBatch* batch) {
  for (const std::string& key : rows.corrupt) {
    batch->EraseRange(table, run, key, key + std::string(1, '\0'));
  }
}

RunKey KeyOf(const StoredRun& stored) {
  return {.tenant = stored.run.tenant, .run_id = stored.run.run_id};
}

bool IsExpired(const StoredRun& stored, const StateSettings& settings,
               absl::Time now) {
  const bool ended = stored.run.ended != absl::InfiniteFuture();
  const absl::Time since = ended ? stored.run.ended : stored.counters.last_seen;
  const auto ttl = ended ? settings.ended_run_ttl : settings.silent_run_ttl;
  return now - since > absl::FromChrono(ttl);
}

// Puts a decoded row where it belongs; a row that cannot be decoded counts as
// corrupt.
template <typename Record, typename Place>
void Take(absl::StatusOr<Record> record, RecoveryReport* report,
          const Place& place) {
  if (record.ok()) {
    place(*std::move(record));
  } else {
    ++report->corrupt_rows;
  }
}

// Without this row nothing else of the run can be told.
absl::Status TakeHeader(const Rows& rows, StoredRun* stored) {
  const auto header = rows.sound.find(RunHeaderKey());
  if (header == rows.sound.end()) {
    return absl::DataLossError("the row of the run is damaged");
  }
  auto record = DecodeRun(header->second);
  if (!record.ok()) return record.status();
  stored->run = *std::move(record);
  return absl::OkStatus();
}

// The number of the layer that the key is of; the number is taken, whatever the
// row says.
std::optional<std::uint32_t> LayerOf(const std::string& key,
                                     StoredRun* stored) {
  const auto parts = ParseRunKey(key);
  if (!parts.ok() || key != LayerKey(parts->number)) return std::nullopt;
  stored->next_layer = std::max(stored->next_layer, parts->number + 1);
  return parts->number;
}

void TakeLayers(const Rows& rows, StoredRun* stored, RecoveryReport* report) {
  for (const std::string& key : rows.corrupt) LayerOf(key, stored);
  for (const auto& [key, value] : rows.sound) {
    const auto number = LayerOf(key, stored);
    if (!number) continue;
    Take(DecodeLayer(value), report, [&](LayerSpec spec) {
      stored->layers.emplace(*number, std::move(spec));
    });
  }
}

void TakeMarks(const Rows& rows, StoredRun* stored, RecoveryReport* report) {
  for (const auto& [key, value] : rows.sound) {
    const auto parts = ParseRunKey(key);
    if (!parts.ok()) continue;
    const std::uint32_t number = parts->number;
    if (key == CountersKey()) {
      Take(DecodeCounters(value), report,
           [&](const CountersRecord& record) { stored->counters = record; });
    } else if (key == SourceKey(number)) {
      Take(DecodeSource(value), report, [&](const SourceRecord& record) {
        stored->sources.emplace(number, record);
      });
    } else if (key == SharesKey(number)) {
      Take(DecodeShares(value), report, [&](SharesRecord record) {
        stored->shares.emplace(number, std::move(record));
      });
    }
  }
}

}  // namespace

absl::StatusOr<StoredRun> RunReader::ReadRun(std::uint64_t number) {
  StoredRun stored;
  std::map<Table, Rows> tables;
  WriteBatch erased;
  for (const Table table : {Table::kRun, Table::kMark, Table::kScalar,
                            Table::kEvent, Table::kAssessment}) {
    auto rows = ReadRows(store_, table, number, {}, {});
    if (!rows.ok()) return rows.status();
    report_.corrupt_rows += rows->corrupt.size();
    // What a run or a layer is cannot be told from anything else.
    if (table != Table::kRun) EraseCorrupt(table, number, *rows, &erased);
    tables.emplace(table, *std::move(rows));
  }
  if (!erased.empty()) registry_.journal().Add(std::move(erased));
  if (absl::Status header = TakeHeader(tables[Table::kRun], &stored);
      !header.ok()) {
    return header;
  }
  TakeLayers(tables[Table::kRun], &stored, &report_);
  TakeMarks(tables[Table::kMark], &stored, &report_);
  for (const auto& row : tables[Table::kScalar].sound) {
    Take(DecodeScalar(row.second), &report_, [&](ScalarRecord record) {
      stored.scalars.emplace(row.first, std::move(record));
    });
  }
  for (const auto& [key, value] : tables[Table::kEvent].sound) {
    Take(DecodeEvent(value), &report_,
         [&](RunEvent event) { stored.events.push_back(std::move(event)); });
  }
  for (const auto& [key, value] : tables[Table::kAssessment].sound) {
    stored.assessment = value;
  }
  return stored;
}

absl::Status RunReader::ReadTracks(std::uint64_t number, const Run& run) {
  LayersByNumber layers;
  for (const auto& layer : run.Layers()) layers.emplace(layer->number(), layer);
  const auto marks = ReadRows(store_, Table::kTrack, number, {}, {});
  if (!marks.ok()) return marks.status();
  std::map<std::string, std::optional<std::string>> tracks(marks->sound.begin(),
                                                           marks->sound.end());
  for (const std::string& key : marks->corrupt) {
    tracks.emplace(key, std::nullopt);
  }
  for (const auto& [key, value] : tracks) {
    if (absl::Status read = ReadTrack(number, key, value, layers); !read.ok()) {
      return read;
    }
  }
  report_.corrupt_rows += marks->corrupt.size();
  return absl::OkStatus();
}

absl::Status RunReader::ReadTrack(std::uint64_t number, const std::string& key,
                                  const std::optional<std::string>& marks,
                                  const LayersByNumber& layers) {
  const auto place = ParseTrackKey(key);
  const auto layer = place.ok() ? layers.find(place->layer) : layers.end();
  // Its declaration is damaged.
  if (layer == layers.end()) return absl::OkStatus();
  TrackRows rows;
  rows.marks = marks;
  for (const Table table :
       {Table::kUnits, Table::kArchive, Table::kWindow, Table::kJournal}) {
    auto read = ReadRows(store_, table, number, key,
                         EndOfTrack(place->layer, place->track));
    if (!read.ok()) return read.status();
    report_.corrupt_rows += read->corrupt.size();
    switch (table) {
      case Table::kUnits:
        if (!read->sound.empty()) {
          rows.units = std::move(read->sound.begin()->second);
        }
        rows.is_damaged = rows.is_damaged || !read->corrupt.empty();
        break;
      case Table::kArchive:
        rows.archive = std::move(read->sound);
        rows.is_damaged = rows.is_damaged || !read->corrupt.empty();
        break;
      case Table::kWindow:
        rows.windows = std::move(read->sound);
        rows.damaged_windows = std::move(read->corrupt);
        break;
      default:
        rows.journal = std::move(read->sound);
        std::ranges::move(read->corrupt,
                          std::back_inserter(rows.damaged_windows));
        break;
    }
  }
  const TrackRestored restored =
      layer->second->RestoreTrack(place->track, rows);
  report_.windows += restored.windows;
  report_.contributions += restored.contributions;
  report_.corrupt_rows += restored.corrupt_rows;
  registry_.journal().SkipNumbers(restored.last_number);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Run>> RunReader::Build(std::uint64_t number,
                                                      const StoredRun& stored) {
  auto run = registry_.MakeRun(KeyOf(stored), number);
  if (!run->Restore(stored, registry_.Now()).ok()) ++report_.corrupt_rows;
  if (absl::Status tracks = ReadTracks(number, *run); !tracks.ok()) {
    return tracks;
  }
  ++report_.runs;
  Failpoint("recover.run");
  return run;
}

absl::StatusOr<std::shared_ptr<Run>> RunReader::Read(std::uint64_t number) {
  const auto stored = ReadRun(number);
  if (!stored.ok()) return stored.status();
  return Build(number, *stored);
}

absl::Status RunReader::ReadAll(std::vector<std::shared_ptr<Run>>* runs,
                                StoredRuns* stored) {
  const auto numbers = store_.Runs();
  if (!numbers.ok()) return numbers.status();
  for (const std::uint64_t number : *numbers) {
    const auto record = ReadRun(number);
    if (absl::IsDataLoss(record.status())) {
      ++report_.lost_runs;
      continue;
    }
    if (!record.ok()) return record.status();
    if (runs->size() >= registry_.limits().max_runs ||
        IsExpired(*record, registry_.settings(), registry_.Now())) {
      stored->emplace(KeyOf(*record),
                      StoredPlace{.number = number,
                                  .last_seen = record->counters.last_seen});
      ++report_.stored_runs;
      continue;
    }
    auto run = Build(number, *record);
    if (!run.ok()) return run.status();
    runs->push_back(*std::move(run));
  }
  return absl::OkStatus();
}

absl::StatusOr<RecoveryReport> Recover(Store& store, Registry& registry) {
  Failpoint("recover.begin");
  RunReader reader(store, registry);
  std::vector<std::shared_ptr<Run>> runs;
  StoredRuns stored;
  if (absl::Status read = reader.ReadAll(&runs, &stored); !read.ok()) {
    return read;
  }
  Failpoint("recover.read");
  registry.ReadFrom(&store);
  registry.Restore(runs, std::move(stored),
                   [&store, &registry](std::uint64_t number) {
                     return RunReader(store, registry).Read(number);
                   });
  return reader.report();
}

}  // namespace firekeeper::server
