#include "server/store/sqlite_connection.h"

#include <bit>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

bool IsNoSpace(int error) { return error == ENOSPC || error == EDQUOT; }

bool IsForbidden(int error) {
  return error == EACCES || error == EPERM || error == EROFS;
}

absl::StatusCode CodeOfIoError(int code, int error) {
  // After a failed sync nobody knows what is on the disk, space or not.
  if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
    return absl::StatusCode::kDataLoss;
  }
  return IsNoSpace(error) ? absl::StatusCode::kResourceExhausted
                          : absl::StatusCode::kDataLoss;
}

absl::StatusCode CodeOfOpenError(int error) {
  if (IsForbidden(error)) return absl::StatusCode::kPermissionDenied;
  if (IsNoSpace(error)) return absl::StatusCode::kResourceExhausted;
  return error == EIO ? absl::StatusCode::kDataLoss
                      : absl::StatusCode::kFailedPrecondition;
}

// `error` is the errno behind the extended result `code`.
absl::StatusCode CodeOf(int code, int error) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_IOERR:
      return CodeOfIoError(code, error);
    case SQLITE_CANTOPEN:
      return CodeOfOpenError(error);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_TOOBIG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

void SqliteStatement::BindOne(int index, std::int64_t value) {
  Keep(sqlite3_bind_int64(statement_.get(), index, value));
}

void SqliteStatement::BindOne(int index, std::uint64_t value) {
  BindOne(index, std::bit_cast<std::int64_t>(value));
}

void SqliteStatement::BindOne(int index, std::string_view bytes) {
  // SQLite takes a null pointer for NULL, not for no bytes.
  Keep(sqlite3_bind_blob64(statement_.get(), index,
                           bytes.empty() ? "" : bytes.data(), bytes.size(),
                           SQLITE_STATIC));
}

void SqliteStatement::BindOne(int index, SqlText text) {
  Keep(sqlite3_bind_text64(statement_.get(), index,
                           text.text.empty() ? "" : text.text.data(),
                           text.text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void SqliteStatement::Keep(int code) {
  if (code_ == SQLITE_OK) code_ = code;
}

int SqliteStatement::Step() {
  return code_ == SQLITE_OK ? sqlite3_step(statement_.get()) : code_;
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_.get());
  // Nothing bound outlives the run that it was bound for.
  sqlite3_clear_bindings(statement_.get());
}

bool SqliteCursor::Next() {
  const int code = statement_.Step();
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) code_ = code;
  return false;
}

std::int64_t SqliteCursor::Number(int column) {
  return sqlite3_column_int64(statement_.statement_.get(), column);
}

std::string_view SqliteCursor::Bytes(int column) {
  sqlite3_stmt* const statement = statement_.statement_.get();
  const void* const bytes = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

absl::StatusOr<SqliteConnection> SqliteConnection::Open(const std::string& file,
                                                        const std::string& vfs,
                                                        Access access) {
  const int flags = access == Access::kReadOnly
                        ? SQLITE_OPEN_READONLY
                        : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &opened,
                      flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                      vfs.empty() ? nullptr : vfs.c_str());
  SqliteConnection connection(opened);
  if (opened == nullptr) return absl::InternalError("no memory for SQLite");
  if (auto status = connection.Check(code, "open " + file); !status.ok()) {
    return status;
  }
  return connection;
}

absl::Status SqliteConnection::Execute(const std::string& sql) const {
  return Check(sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr),
               "run " + sql.substr(0, sql.find('\n')));
}

absl::StatusOr<SqliteStatement> SqliteConnection::Prepare(
    const std::string& sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(handle(), sql.c_str(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Failure(code, "prepare " + sql);
  return SqliteStatement(statement);
}

absl::StatusOr<std::string> SqliteConnection::Ask(
    const std::string& sql) const {
  auto statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  SqliteCursor cursor(*statement);
  if (cursor.Next()) return std::string(cursor.Bytes(0));
  if (auto status = Check(cursor.code(), "ask " + sql); !status.ok()) {
    return status;
  }
  return std::string();
}

absl::Status SqliteConnection::Failure(int code,
                                       const std::string& doing) const {
  const int error = sqlite3_system_errno(handle());
  return {CodeOf(code, error),
          absl::StrCat("cannot ", doing, ": ", sqlite3_errmsg(handle()),
                       " (SQLite code ", code, ", errno ", error, ")")};
}

absl::Status SqliteConnection::Check(int code, const std::string& doing) const {
  return code == SQLITE_OK ? absl::OkStatus() : Failure(code, doing);
}

}  // namespace firekeeper::server
