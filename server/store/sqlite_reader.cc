#include "server/store/sqlite_reader.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/row_frame.h"
#include "server/store/sqlite_schema.h"

namespace firekeeper::server {

absl::StatusOr<std::unique_ptr<SqliteReader>> SqliteReader::Open(
    const std::string& file, const SqliteSettings& settings) {
  // SQLite must be able to write to the log's index in shared memory.
  auto connection = SqliteConnection::Open(
      file, settings.vfs, SqliteConnection::Access::kReadWrite);
  if (!connection.ok()) return connection.status();
  std::unique_ptr<SqliteReader> reader(
      new SqliteReader(*std::move(connection)));
  sqlite3* const handle = reader->connection_.handle();
  sqlite3_busy_timeout(handle, static_cast<int>(settings.busy_timeout.count()));
  // The writer closes last and looks after the log.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  auto status = reader->connection_.Execute(
      "PRAGMA query_only = ON; PRAGMA cache_size = -4096;"
      "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
      "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
  if (status.ok()) status = reader->Prepare();
  if (!status.ok()) return status;
  return reader;
}

SqliteReader::SqliteReader(SqliteConnection connection)
    : connection_(std::move(connection)) {}

absl::Status SqliteReader::Prepare() {
  auto runs =
      connection_.Prepare("SELECT DISTINCT run FROM " + NameOf(Table::kRun));
  if (!runs.ok()) return runs.status();
  runs_ = *std::move(runs);
  tables_.reserve(kTables.size());
  for (const Table table : kTables) {
    const std::string rows = "SELECT key, value FROM " + NameOf(table) +
                             " WHERE run = ?1 AND key >= ?2";
    auto from = connection_.Prepare(rows + " ORDER BY key");
    auto range = connection_.Prepare(rows + " AND key < ?3 ORDER BY key");
    if (!from.ok()) return from.status();
    if (!range.ok()) return range.status();
    tables_.push_back(
        {.read_from = *std::move(from), .read_range = *std::move(range)});
  }
  return absl::OkStatus();
}

absl::Status SqliteReader::Read(const RowKey& begin, const std::string& end,
                                const Store::Visitor& visit,
                                std::vector<std::string>& unsound) {
  const auto index = static_cast<std::size_t>(begin.table) - 1;
  assert(index < tables_.size());
  TableStatements& statements = tables_[index];
  const std::string_view key = begin.key;
  if (end.empty()) {
    SqliteCursor cursor(statements.read_from, begin.run, key);
    return Visit(cursor, begin, visit, unsound);
  }
  SqliteCursor cursor(statements.read_range, begin.run, key,
                      std::string_view(end));
  return Visit(cursor, begin, visit, unsound);
}

absl::Status SqliteReader::Visit(SqliteCursor& cursor, const RowKey& begin,
                                 const Store::Visitor& visit,
                                 std::vector<std::string>& unsound) {
  std::optional<std::string> last;
  while (cursor.Next()) {
    const std::string_view key = cursor.Bytes(0);
    const auto row = UnframeRow(
        {.table = begin.table, .run = begin.run, .key = key}, cursor.Bytes(1));
    if (!row.ok()) {
      unsound.emplace_back(key);
      continue;
    }
    // Each row may be sound where the tree that leads to them is not.
    if (last.has_value() && *last >= key) {
      return absl::DataLossError(
          absl::StrCat("rows of ", NameOf(begin.table), " are out of order"));
    }
    last = key;
    visit({.key = key, .value = row->payload, .version = row->version});
  }
  return connection_.Check(cursor.code(), "read " + NameOf(begin.table));
}

absl::StatusOr<std::vector<std::uint64_t>> SqliteReader::Runs() {
  std::vector<std::uint64_t> runs;
  SqliteCursor cursor(runs_);
  while (cursor.Next()) {
    runs.push_back(static_cast<std::uint64_t>(cursor.Number(0)));
  }
  auto status = connection_.Check(cursor.code(), "list runs");
  if (!status.ok()) return status;
  // SQLite's numbers have a sign.
  std::ranges::sort(runs);
  return runs;
}

}  // namespace firekeeper::server
