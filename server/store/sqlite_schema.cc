#include "server/store/sqlite_schema.h"

#include <charconv>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

// A row of a run table is found by (run, key) and often read in ranges. The
// tables of small rows are their own index; the others hold rows of pages and
// more, which an index would not gain from carrying.
constexpr const char* kFirst = R"(-- tables of version 1
CREATE TABLE owners (
  partition BIGINT NOT NULL PRIMARY KEY,
  epoch BIGINT NOT NULL,
  nonce BIGINT NOT NULL
);
CREATE TABLE quarantine (
  table_number BIGINT NOT NULL,
  run BIGINT NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  reason TEXT NOT NULL,
  unix_seconds BIGINT NOT NULL
);
CREATE TABLE runs (run BIGINT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE marks (run BIGINT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE scalars (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE tracks (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE units (run BIGINT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (run, key));
CREATE TABLE windows (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key));
CREATE TABLE archives (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key));
CREATE TABLE journal (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key));
CREATE TABLE events (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE assessments (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
)";

constexpr const char* kSecond = R"(-- tables that version 2 adds
CREATE TABLE event_units (run BIGINT NOT NULL, key BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (run, key));
)";

constexpr const char* kThird = R"(-- what version 3 adds
CREATE INDEX quarantine_places ON quarantine (table_number, run, key);
)";

constexpr std::array kSteps = {kFirst, kSecond, kThird};

// 0 where nothing has been made yet.
absl::StatusOr<std::size_t> VersionOf(const SqliteConnection& connection) {
  const auto text =
      connection.Ask("SELECT value FROM meta WHERE name = 'schema_version'");
  if (!text.ok()) return text.status();
  if (text->empty()) return std::size_t{0};
  std::size_t version = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, version);
  if (error == std::errc() && stop == end) return version;
  return absl::DataLossError("the schema version is no number");
}

absl::Status SetVersion(const SqliteConnection& connection,
                        std::size_t version) {
  auto set = connection.Prepare(
      "INSERT INTO meta (name, value) VALUES ('schema_version', ?1) "
      "ON CONFLICT (name) DO UPDATE SET value = excluded.value");
  if (!set.ok()) return set.status();
  return connection.Check(set->Run(std::uint64_t{version}),
                          "set the schema version");
}

}  // namespace

std::string NameOf(Table table) {
  switch (table) {
    case Table::kRun:
      return "runs";
    case Table::kMark:
      return "marks";
    case Table::kScalar:
      return "scalars";
    case Table::kTrack:
      return "tracks";
    case Table::kUnits:
      return "units";
    case Table::kWindow:
      return "windows";
    case Table::kArchive:
      return "archives";
    case Table::kJournal:
      return "journal";
    case Table::kEvent:
      return "events";
    case Table::kAssessment:
      return "assessments";
    case Table::kEventUnits:
      return "event_units";
  }
  return "";
}

std::span<const char* const> SchemaSteps() { return kSteps; }

absl::Status Migrate(const SqliteConnection& connection,
                     std::span<const char* const> steps) {
  auto made = connection.Execute(
      "CREATE TABLE IF NOT EXISTS meta ("
      "name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)");
  if (!made.ok()) return made;
  const auto version = VersionOf(connection);
  if (!version.ok()) return version.status();
  if (*version > steps.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the database has schema version ", *version,
        "; this release knows versions up to ", steps.size(),
        ": start the newer release, or restore a backup of the older one"));
  }
  if (*version == steps.size()) return absl::OkStatus();
  for (const char* const step : steps.subspan(*version)) {
    if (auto status = connection.Execute(step); !status.ok()) return status;
  }
  return SetVersion(connection, steps.size());
}

}  // namespace firekeeper::server
