// The connection of the embedded engine that changes things: its transactions,
// and the fence that keeps a second owner out of them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_store.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Thread-compatible.
class SqliteWriter {
 public:
  // Opens or makes the database, brings its schema up to date and takes
  // ownership: who had it before commits nothing any more.
  static absl::StatusOr<std::unique_ptr<SqliteWriter>> Open(
      const std::string& file, const SqliteSettings& settings);
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;
  // Leaves an empty write-ahead log, or the files as they are after Abandon().
  ~SqliteWriter();

  // As Store::Commit().
  absl::Status Commit(const WriteBatch& batch);
  // Copies those of the rows whose check fails here too into the quarantine.
  // Returns how many. Fails like Commit(), changing nothing.
  absl::StatusOr<std::uint64_t> SetAside(Table table, std::uint64_t run,
                                         const std::vector<std::string>& keys);
  // What may wait until a commit is done: copies the write-ahead log into the
  // database and gives free pages back, where there is enough of either. A full
  // disk is no failure.
  absl::Status TidyUp();
  // Of pages that are not free, as of the last TidyUp() or the start.
  [[nodiscard]] std::uint64_t used_bytes() const {
    return (all_pages_ - free_pages_) * page_bytes_;
  }
  // Copies the log, enough of it or not: that may free space in it.
  absl::Status Checkpoint();
  // Nobody knows what is on the disk: touch it no more.
  void Abandon();

  absl::StatusOr<std::uint64_t> CountQuarantined();

 private:
  struct TableStatements {
    SqliteStatement get;
    SqliteStatement put;
    SqliteStatement erase_from;
    SqliteStatement erase_range;
    SqliteStatement erase_run;
  };

  SqliteWriter(SqliteConnection connection, SqliteSettings settings);

  absl::Status Configure();
  absl::Status Begin();
  absl::Status TakeOwnership();
  absl::Status PrepareStatements();
  absl::Status PrepareTable(Table table);

  // Runs `change` between BEGIN and COMMIT; all of it is undone where it or the
  // transaction fails.
  absl::Status Transact(absl::FunctionRef<absl::Status()> change);
  absl::Status TransactAsOwner(absl::FunctionRef<absl::Status()> change);
  absl::Status CheckOwner();
  absl::Status Apply(const Mutation& mutation);
  absl::Status EraseRun(std::uint64_t run);
  // Whether the row was moved.
  absl::StatusOr<bool> SetAside(const RowKey& at);
  absl::Status CountPages();
  absl::Status GiveBackFreePages();
  // Gives back what stayed free for long enough.
  absl::Status NoteFreePages(std::uint64_t excess);
  TableStatements& StatementsOf(Table table);

  SqliteConnection connection_;
  const SqliteSettings settings_;
  std::uint64_t epoch_ = 0;
  std::uint64_t nonce_ = 0;

  SqliteStatement begin_;
  SqliteStatement commit_;
  SqliteStatement rollback_;
  SqliteStatement owner_;
  SqliteStatement quarantine_;
  std::vector<TableStatements> tables_;  // in the order of kTables

  std::uint64_t page_bytes_ = 0;
  std::uint64_t log_pages_ = 0;      // in the write-ahead log, by its last hook
  std::uint64_t checkpoint_at_ = 0;  // pages in the log
  std::uint64_t all_pages_ = 0;
  std::uint64_t free_pages_ = 0;
  // Free pages beyond what is spared: the fewest since `watched_since_`, and
  // how many of them are to be given back.
  std::uint64_t least_excess_ = 0;
  absl::Time watched_since_ = absl::InfinitePast();
  std::uint64_t excess_pages_ = 0;
  bool abandoned_ = false;
};

}  // namespace firekeeper::server
