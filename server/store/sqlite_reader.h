// The connection of the embedded engine that only reads: it sees what was
// committed last and never waits for a commit.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_store.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Thread-compatible.
class SqliteReader {
 public:
  // Opens a database that a SqliteWriter has open.
  static absl::StatusOr<std::unique_ptr<SqliteReader>> Open(
      const std::string& file, const SqliteSettings& settings);

  // As Store::Read(), but leaves rows whose check fails where they are and
  // appends their keys to `unsound`.
  absl::Status Read(const RowKey& begin, const std::string& end,
                    const Store::Visitor& visit,
                    std::vector<std::string>& unsound);
  absl::StatusOr<std::vector<std::uint64_t>> Runs();

 private:
  struct TableStatements {
    SqliteStatement read_from;
    SqliteStatement read_range;
  };

  explicit SqliteReader(SqliteConnection connection);

  absl::Status Prepare();
  absl::Status Visit(SqliteCursor& cursor, const RowKey& begin,
                     const Store::Visitor& visit,
                     std::vector<std::string>& unsound);

  SqliteConnection connection_;
  SqliteStatement runs_;
  std::vector<TableStatements> tables_;  // in the order of kTables
};

}  // namespace firekeeper::server
