// SQLite's C calls with owners and statuses. For the engine's own files only.

#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firekeeper::server {

// Text, where SQLite would otherwise take a view for bytes.
struct SqlText {
  std::string_view text;
};

// A prepared statement, kept and run again and again. Thread-compatible.
class SqliteStatement {
 public:
  explicit SqliteStatement(sqlite3_stmt* statement = nullptr)
      : statement_(statement) {}

  // Runs a statement that gives no rows. SQLITE_OK or what went wrong.
  template <typename... Values>
  int Run(const Values&... values) {
    Bind(values...);
    const int code = Step();
    Reset();
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
  }

 private:
  friend class SqliteCursor;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };

  template <typename... Values>
  void Bind(const Values&... values) {
    code_ = SQLITE_OK;
    int index = 0;
    (BindOne(++index, values), ...);
  }
  void BindOne(int index, std::int64_t value);
  void BindOne(int index, std::uint64_t value);
  void BindOne(int index, std::string_view bytes);
  void BindOne(int index, SqlText text);
  int Step();
  void Reset();
  void Keep(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int code_ = SQLITE_OK;  // of the first bind that failed
};

// The rows of one run of a statement; the run ends with the cursor. What was
// bound lives as long.
class SqliteCursor {
 public:
  template <typename... Values>
  explicit SqliteCursor(SqliteStatement& statement, const Values&... values)
      : statement_(statement) {
    statement_.Bind(values...);
  }
  ~SqliteCursor() { statement_.Reset(); }
  SqliteCursor(const SqliteCursor&) = delete;
  SqliteCursor& operator=(const SqliteCursor&) = delete;

  // Goes to the next row; false at the end and after a failure.
  bool Next();
  // SQLITE_OK, or why Next() failed.
  [[nodiscard]] int code() const { return code_; }

  [[nodiscard]] std::int64_t Number(int column);
  // Valid until Next().
  [[nodiscard]] std::string_view Bytes(int column);

 private:
  SqliteStatement& statement_;
  int code_ = SQLITE_OK;
};

// Thread-compatible.
class SqliteConnection {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // Opens `file`; kReadWrite makes it where it is missing. `vfs` empty: the
  // default one.
  static absl::StatusOr<SqliteConnection> Open(const std::string& file,
                                               const std::string& vfs,
                                               Access access);

  // Runs any number of statements and drops their rows.
  absl::Status Execute(const std::string& sql) const;
  absl::StatusOr<SqliteStatement> Prepare(const std::string& sql) const;
  // The first column of the first row, as text; empty where there is no row.
  absl::StatusOr<std::string> Ask(const std::string& sql) const;

  // What a failed call means, code by code: kResourceExhausted (no space),
  // kPermissionDenied, kDataLoss (I/O, or not what SQLite wrote), kUnavailable
  // (another process has a lock), kInternal.
  [[nodiscard]] absl::Status Failure(int code, const std::string& doing) const;
  // OK for SQLITE_OK, else Failure().
  [[nodiscard]] absl::Status Check(int code, const std::string& doing) const;

  [[nodiscard]] sqlite3* handle() const { return connection_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  };

  explicit SqliteConnection(sqlite3* connection) : connection_(connection) {}

  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace firekeeper::server
