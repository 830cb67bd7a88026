#include "server/store/sqlite_store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/failpoint.h"
#include "server/store/sqlite_reader.h"
#include "server/store/sqlite_writer.h"

namespace firekeeper::server {
namespace {

// 0 where there is no such file.
std::uint64_t SizeOf(const std::string& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

// Names the file, and for a damaged one what to do. SQL that a sound database
// takes fails where its list of tables is damaged: kInternal here is no bug.
absl::Status OpenFailure(const absl::Status& status, const std::string& file) {
  if (!absl::IsDataLoss(status) && !absl::IsInternal(status)) {
    return {status.code(), absl::StrCat(file, ": ", status.message())};
  }
  return absl::DataLossError(absl::StrCat(
      file, " is damaged or cannot be read: ", status.message(),
      "; restore the data directory from a backup, or move it away to start "
      "with an empty one"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(
    const std::string& directory, const SqliteSettings& settings) {
  auto folder = DataDirectory::Open(directory);
  if (!folder.ok()) return folder.status();
  const std::string file = directory + "/firekeeper.db";
  auto writer = SqliteWriter::Open(file, settings);
  if (!writer.ok()) return OpenFailure(writer.status(), file);
  auto reader = SqliteReader::Open(file, settings);
  if (!reader.ok()) return OpenFailure(reader.status(), file);
  const auto quarantined = (*writer)->CountQuarantined();
  if (!quarantined.ok()) return OpenFailure(quarantined.status(), file);
  if (auto synced = folder->Sync(); !synced.ok()) return synced;
  std::unique_ptr<SqliteStore> store(new SqliteStore(
      *std::move(folder), file, *std::move(writer), *std::move(reader)));
  store->quarantined_rows_ = *quarantined;
  return store;
}

SqliteStore::SqliteStore(DataDirectory directory, std::string file,
                         std::unique_ptr<SqliteWriter> writer,
                         std::unique_ptr<SqliteReader> reader)
    : directory_(std::move(directory)),
      file_(std::move(file)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      bytes_used_(writer_->used_bytes()) {}

SqliteStore::~SqliteStore() = default;

absl::Status SqliteStore::Commit(const WriteBatch& batch) {
  const absl::MutexLock lock(&writer_mutex_);
  if (!failure_.ok()) return failure_;
  Failpoint("commit.begin");
  absl::Status status = writer_->Commit(batch);
  if (!status.ok()) {
    Remember(status);
    // Room in the log may be all that the next try needs.
    if (failure_.ok()) Remember(writer_->Checkpoint());
    return status;
  }
  bytes_written_ += batch.byte_size();
  Failpoint("commit.synced");
  ++commits_;
  // The batch is safe, whatever comes of this.
  Remember(writer_->TidyUp());
  bytes_used_ = writer_->used_bytes();
  return absl::OkStatus();
}

void SqliteStore::Remember(const absl::Status& status) {
  if (status.ok() || absl::IsResourceExhausted(status)) return;
  failure_ = status;
  writer_->Abandon();
}

absl::Status SqliteStore::Read(Table table, std::uint64_t run,
                               const std::string& begin, const std::string& end,
                               const Visitor& visit,
                               std::vector<std::string>* corrupt) {
  std::vector<std::string> unsound;
  absl::Status status;
  {
    const absl::MutexLock lock(&reader_mutex_);
    status = reader_->Read({.table = table, .run = run, .key = begin}, end,
                           visit, unsound);
  }
  if (unsound.empty()) return status;
  corrupt->insert(corrupt->end(), unsound.begin(), unsound.end());
  status.Update(SetAside(table, run, unsound));
  return status;
}

absl::Status SqliteStore::SetAside(Table table, std::uint64_t run,
                                   const std::vector<std::string>& keys) {
  const absl::MutexLock lock(&writer_mutex_);
  // They were read all the same; the next owner sets them aside.
  if (!failure_.ok()) return absl::OkStatus();
  const auto count = writer_->SetAside(table, run, keys);
  if (count.ok()) {
    quarantined_rows_ += *count;
    return absl::OkStatus();
  }
  Remember(count.status());
  if (absl::IsResourceExhausted(count.status()) ||
      absl::IsAborted(count.status())) {
    return absl::OkStatus();
  }
  return count.status();
}

absl::StatusOr<std::vector<std::uint64_t>> SqliteStore::Runs() {
  const absl::MutexLock lock(&reader_mutex_);
  return reader_->Runs();
}

StoreFigures SqliteStore::Figures() const {
  return {.bytes_on_disk = SizeOf(file_) + SizeOf(file_ + "-wal"),
          .bytes_used = bytes_used_,
          .bytes_written = bytes_written_,
          .commits = commits_,
          .quarantined_rows = quarantined_rows_};
}

}  // namespace firekeeper::server
