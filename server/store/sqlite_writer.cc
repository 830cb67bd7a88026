#include "server/store/sqlite_writer.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/failpoint.h"
#include "server/store/row_frame.h"
#include "server/store/sqlite_schema.h"

namespace firekeeper::server {
namespace {

// Several servers will each own a partition; one server owns it all.
constexpr std::uint64_t kPartition = 0;
// How many pages are given back at a time: what a commit has to wait for.
constexpr std::uint64_t kPagesAtATime = 1024;

std::uint64_t RandomNumber() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

absl::StatusOr<std::uint64_t> NumberOf(const SqliteConnection& connection,
                                       const std::string& sql) {
  const auto text = connection.Ask(sql);
  if (!text.ok()) return text.status();
  std::uint64_t number = 0;
  const char* const end = text->data() + text->size();
  if (std::from_chars(text->data(), end, number).ptr == end) return number;
  return absl::DataLossError("no number for " + sql);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteWriter>> SqliteWriter::Open(
    const std::string& file, const SqliteSettings& settings) {
  auto connection = SqliteConnection::Open(
      file, settings.vfs, SqliteConnection::Access::kReadWrite);
  if (!connection.ok()) return connection.status();
  std::unique_ptr<SqliteWriter> writer(
      new SqliteWriter(*std::move(connection), settings));
  if (auto status = writer->Begin(); !status.ok()) {
    writer->Abandon();
    return status;
  }
  return writer;
}

SqliteWriter::SqliteWriter(SqliteConnection connection, SqliteSettings settings)
    : connection_(std::move(connection)), settings_(std::move(settings)) {}

SqliteWriter::~SqliteWriter() {
  if (abandoned_) return;
  // Best effort, and without waiting for anybody: what is left in the log is
  // found at the next start.
  sqlite3_busy_timeout(connection_.handle(), 0);
  sqlite3_wal_checkpoint_v2(connection_.handle(), "main",
                            SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

absl::Status SqliteWriter::Begin() {
  if (auto status = Configure(); !status.ok()) return status;
  for (auto [statement, sql] :
       {std::pair(&begin_, "BEGIN IMMEDIATE"), std::pair(&commit_, "COMMIT"),
        std::pair(&rollback_, "ROLLBACK")}) {
    auto prepared = connection_.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  auto owned = Transact([this] {
    if (auto status = Migrate(connection_, SchemaSteps()); !status.ok()) {
      return status;
    }
    return TakeOwnership();
  });
  if (!owned.ok()) return owned;
  if (auto status = PrepareStatements(); !status.ok()) return status;
  // A log that is lost then takes what came after this start, not the tables.
  auto copied = Checkpoint();
  return absl::IsResourceExhausted(copied) ? absl::OkStatus() : copied;
}

absl::Status SqliteWriter::Configure() {
  sqlite3* const handle = connection_.handle();
  if (sqlite3_db_readonly(handle, "main") == 1) {
    return absl::PermissionDeniedError(
        absl::StrCat(sqlite3_db_filename(handle, "main"), " is read-only"));
  }
  sqlite3_busy_timeout(handle,
                       static_cast<int>(settings_.busy_timeout.count()));
  // auto_vacuum counts before the first table only. Debian's SQLite overwrites
  // what is erased with zeros, at the price of a write a page: FAST does so
  // where it is free. Nothing may go to temporary files.
  auto status = connection_.Execute(
      "PRAGMA auto_vacuum = INCREMENTAL;"
      "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;"
      "PRAGMA secure_delete = FAST; PRAGMA cell_size_check = ON;"
      "PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;"
      "PRAGMA journal_size_limit = 67108864");
  if (!status.ok()) return status;
  const auto mode = connection_.Ask("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat("the file system gives no write-ahead log, but ", *mode));
  }
  status = connection_.Execute("PRAGMA synchronous = FULL");
  if (!status.ok()) return status;
  const auto page_bytes = NumberOf(connection_, "PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  page_bytes_ = *page_bytes;
  status = CountPages();
  if (!status.ok()) return status;
  checkpoint_at_ = settings_.checkpoint_bytes / page_bytes_;
  // Stands in for SQLite's own hook, which swallows what a checkpoint says.
  sqlite3_wal_hook(
      handle,
      [](void* writer, sqlite3*, const char*, int pages) {
        static_cast<SqliteWriter*>(writer)->log_pages_ =
            static_cast<std::uint64_t>(pages);
        return SQLITE_OK;
      },
      this);
  return absl::OkStatus();
}

absl::Status SqliteWriter::TakeOwnership() {
  nonce_ = RandomNumber();
  auto take = connection_.Prepare(
      "INSERT INTO owners (partition, epoch, nonce) VALUES (?1, 1, ?2) "
      "ON CONFLICT (partition) DO UPDATE "
      "SET epoch = owners.epoch + 1, nonce = excluded.nonce");
  if (!take.ok()) return take.status();
  auto status =
      connection_.Check(take->Run(kPartition, nonce_), "take ownership");
  if (!status.ok()) return status;
  auto owner = connection_.Prepare(
      "SELECT epoch, nonce FROM owners WHERE partition = ?1");
  if (!owner.ok()) return owner.status();
  owner_ = *std::move(owner);
  SqliteCursor cursor(owner_, kPartition);
  if (!cursor.Next()) return connection_.Failure(cursor.code(), "read owner");
  epoch_ = static_cast<std::uint64_t>(cursor.Number(0));
  return absl::OkStatus();
}

absl::Status SqliteWriter::PrepareStatements() {
  // Whoever reads the row again finds it there.
  auto quarantine = connection_.Prepare(
      "INSERT INTO quarantine "
      "(table_number, run, key, value, reason, unix_seconds) "
      "SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM "
      "quarantine "
      "WHERE table_number = ?1 AND run = ?2 AND key = ?3 AND value = ?4)");
  if (!quarantine.ok()) return quarantine.status();
  quarantine_ = *std::move(quarantine);
  tables_.reserve(kTables.size());
  for (const Table table : kTables) {
    if (auto status = PrepareTable(table); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::PrepareTable(Table table) {
  const std::string name = NameOf(table);
  const std::string erase = "DELETE FROM " + name + " WHERE run = ?1";
  TableStatements& statements = tables_.emplace_back();
  const auto prepare = [this](SqliteStatement& to, const std::string& sql) {
    auto prepared = connection_.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    to = *std::move(prepared);
    return absl::OkStatus();
  };
  absl::Status status;
  status.Update(prepare(statements.get, "SELECT value FROM " + name +
                                            " WHERE run = ?1 AND key = ?2"));
  status.Update(prepare(
      statements.put,
      "INSERT INTO " + name + " (run, key, value) VALUES (?1, ?2, ?3) " +
          "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value"));
  status.Update(prepare(statements.erase_from, erase + " AND key >= ?2"));
  status.Update(
      prepare(statements.erase_range, erase + " AND key >= ?2 AND key < ?3"));
  status.Update(prepare(statements.erase_run, erase));
  return status;
}

absl::Status SqliteWriter::Commit(const WriteBatch& batch) {
  return TransactAsOwner([&] {
    Failpoint("commit.fenced");
    for (const Mutation& mutation : batch.mutations()) {
      Failpoint("commit.upsert");
      if (auto status = Apply(mutation); !status.ok()) return status;
    }
    Failpoint("commit.upserted");
    return absl::OkStatus();
  });
}

absl::Status SqliteWriter::Transact(absl::FunctionRef<absl::Status()> change) {
  auto status = connection_.Check(begin_.Run(), "begin a transaction");
  if (!status.ok()) return status;
  status = change();
  if (status.ok()) status = connection_.Check(commit_.Run(), "commit");
  // SQLite has undone some failures by itself.
  if (status.ok() || sqlite3_get_autocommit(connection_.handle()) != 0) {
    return status;
  }
  auto undone = connection_.Check(rollback_.Run(), "roll back");
  if (undone.ok()) return status;
  return absl::DataLossError(
      absl::StrCat(undone.message(), "; before that: ", status.message()));
}

absl::Status SqliteWriter::TransactAsOwner(
    absl::FunctionRef<absl::Status()> change) {
  return Transact([&] {
    if (auto status = CheckOwner(); !status.ok()) return status;
    return change();
  });
}

absl::Status SqliteWriter::CheckOwner() {
  SqliteCursor cursor(owner_, kPartition);
  if (!cursor.Next() && cursor.code() != SQLITE_OK) {
    return connection_.Failure(cursor.code(), "read the owner");
  }
  const auto epoch = static_cast<std::uint64_t>(cursor.Number(0));
  const auto nonce = static_cast<std::uint64_t>(cursor.Number(1));
  if (epoch == epoch_ && nonce == nonce_) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("the store was taken over in epoch ", epoch,
                   "; this server opened it in epoch ", epoch_));
}

absl::Status SqliteWriter::Apply(const Mutation& mutation) {
  const auto& [table, run, key] = mutation.at;
  if (mutation.kind == Mutation::Kind::kEraseRun) return EraseRun(run);
  TableStatements& statements = StatementsOf(table);
  int code = SQLITE_OK;
  if (mutation.kind == Mutation::Kind::kPut) {
    const std::string row =
        FrameRow({.table = table, .run = run, .key = key}, mutation.value);
    code =
        statements.put.Run(run, std::string_view(key), std::string_view(row));
  } else if (mutation.end.empty()) {
    code = statements.erase_from.Run(run, std::string_view(key));
  } else {
    code = statements.erase_range.Run(run, std::string_view(key),
                                      std::string_view(mutation.end));
  }
  return connection_.Check(code, "write to " + NameOf(table));
}

absl::Status SqliteWriter::EraseRun(std::uint64_t run) {
  for (TableStatements& statements : tables_) {
    auto status =
        connection_.Check(statements.erase_run.Run(run), "erase a run");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> SqliteWriter::SetAside(
    Table table, std::uint64_t run, const std::vector<std::string>& keys) {
  std::uint64_t count = 0;
  auto status = TransactAsOwner([&]() -> absl::Status {
    for (const std::string& key : keys) {
      const auto copied = SetAside({.table = table, .run = run, .key = key});
      if (!copied.ok()) return copied.status();
      if (*copied) ++count;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return count;
}

absl::StatusOr<bool> SqliteWriter::SetAside(const RowKey& at) {
  TableStatements& statements = StatementsOf(at.table);
  const std::string_view key = at.key;
  std::string stored;
  {
    SqliteCursor cursor(statements.get, at.run, key);
    if (!cursor.Next()) {
      auto status = connection_.Check(cursor.code(), "read a row again");
      if (!status.ok()) return status;
      return false;  // gone by now
    }
    stored = cursor.Bytes(0);
  }
  const auto row =
      UnframeRow({.table = at.table, .run = at.run, .key = key}, stored);
  if (row.ok()) return false;  // put anew by now
  const int code =
      quarantine_.Run(std::uint64_t{static_cast<std::uint8_t>(at.table)},
                      at.run, key, std::string_view(stored),
                      SqlText{std::string_view(row.status().message().data(),
                                               row.status().message().size())},
                      std::int64_t{absl::ToUnixSeconds(absl::Now())});
  auto status = connection_.Check(code, "set a row aside");
  if (!status.ok()) return status;
  return sqlite3_changes(connection_.handle()) > 0;
}

absl::Status SqliteWriter::TidyUp() {
  absl::Status status = CountPages();
  if (status.ok()) status = GiveBackFreePages();
  if (log_pages_ < checkpoint_at_) {
    // The log has started anew since the last checkpoint.
    checkpoint_at_ = settings_.checkpoint_bytes / page_bytes_;
  }
  if (status.ok() && log_pages_ >= checkpoint_at_) status = Checkpoint();
  if (absl::IsResourceExhausted(status)) return absl::OkStatus();
  return status;
}

absl::Status SqliteWriter::Checkpoint() {
  const int code =
      sqlite3_wal_checkpoint_v2(connection_.handle(), "main",
                                SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // A reader may hold the log's start back: the next try is a log further.
  checkpoint_at_ = log_pages_ + settings_.checkpoint_bytes / page_bytes_;
  if ((code & 0xFF) == SQLITE_BUSY) return absl::OkStatus();
  return connection_.Check(code, "copy the log into the database");
}

absl::Status SqliteWriter::CountPages() {
  const auto free = NumberOf(connection_, "PRAGMA freelist_count");
  if (!free.ok()) return free.status();
  const auto all = NumberOf(connection_, "PRAGMA page_count");
  if (!all.ok()) return all.status();
  free_pages_ = *free;
  all_pages_ = *all;
  return absl::OkStatus();
}

absl::Status SqliteWriter::GiveBackFreePages() {
  const std::uint64_t spare =
      std::max(settings_.spare_bytes / page_bytes_, all_pages_ / 4);
  return NoteFreePages(free_pages_ - std::min(free_pages_, spare));
}

// What is erased at a steady rate is used again: only what nobody used for a
// while goes back, or the file would shrink and grow all the time.
absl::Status SqliteWriter::NoteFreePages(std::uint64_t excess) {
  const absl::Time now = absl::Now();
  if (excess == 0 || watched_since_ == absl::InfinitePast()) {
    watched_since_ = excess == 0 ? absl::InfinitePast() : now;
    least_excess_ = excess;
  }
  least_excess_ = std::min(least_excess_, excess);
  excess_pages_ = std::min(excess_pages_, excess);
  if (excess > 0 &&
      now - watched_since_ >= absl::FromChrono(settings_.spare_time)) {
    excess_pages_ = least_excess_;
    watched_since_ = now;
    least_excess_ = excess;
  }
  const std::uint64_t pages = std::min(excess_pages_, kPagesAtATime);
  if (pages == 0) return absl::OkStatus();
  excess_pages_ -= pages;
  return connection_.Execute(
      absl::StrCat("PRAGMA incremental_vacuum(", pages, ")"));
}

void SqliteWriter::Abandon() {
  abandoned_ = true;
  sqlite3_db_config(connection_.handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                    nullptr);
}

absl::StatusOr<std::uint64_t> SqliteWriter::CountQuarantined() {
  return NumberOf(connection_, "SELECT count(*) FROM quarantine");
}

SqliteWriter::TableStatements& SqliteWriter::StatementsOf(Table table) {
  const auto index = static_cast<std::size_t>(table) - 1;
  assert(index < tables_.size());
  return tables_[index];
}

}  // namespace firekeeper::server
