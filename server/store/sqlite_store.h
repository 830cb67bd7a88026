// The embedded engine: one SQLite file with a write-ahead log in a folder that
// one process at a time has.

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/store/data_directory.h"
#include "server/store/store.h"

namespace firekeeper::server {

class SqliteReader;
class SqliteWriter;

struct SqliteSettings {
  // The write-ahead log is copied into the database beyond this size.
  std::size_t checkpoint_bytes = std::size_t{16} << 20;
  // Free pages stay in the file up to this size, or to a quarter of it, and
  // those that were used within this time.
  std::size_t spare_bytes = std::size_t{32} << 20;
  std::chrono::milliseconds spare_time{60'000};
  // How long to wait for a lock of another process, a backup for example.
  std::chrono::milliseconds busy_timeout{10'000};
  // What SQLite reaches files by, as registered with it; empty: its default.
  std::string vfs;
};

// Thread-safe. Reads run one at a time and wait for no commit. A visitor must
// not read from the same store.
class SqliteStore : public Store {
 public:
  // Opens the database in `directory`, which is made where it is missing (its
  // parent is not), and takes it over from whoever opened it before. Fails with
  // kFailedPrecondition where another server has the directory or a newer
  // release has written the database, kPermissionDenied where it may not be
  // written, kResourceExhausted where the disk is full, kDataLoss where the
  // file is damaged.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(
      const std::string& directory, const SqliteSettings& settings);
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  ~SqliteStore() override;

  // After a failure with anything but kResourceExhausted every further commit
  // fails like it.
  absl::Status Commit(const WriteBatch& batch) override;
  absl::Status Read(Table table, std::uint64_t run, const std::string& begin,
                    const std::string& end, const Visitor& visit,
                    std::vector<std::string>* corrupt) override;
  absl::StatusOr<std::vector<std::uint64_t>> Runs() override;
  [[nodiscard]] StoreFigures Figures() const override;

 private:
  SqliteStore(DataDirectory directory, std::string file,
              std::unique_ptr<SqliteWriter> writer,
              std::unique_ptr<SqliteReader> reader);

  absl::Status SetAside(Table table, std::uint64_t run,
                        const std::vector<std::string>& keys);
  // Keeps a failure that no commit may follow.
  void Remember(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);

  const DataDirectory directory_;
  const std::string file_;

  // Neither is taken while the other is held.
  absl::Mutex writer_mutex_;
  absl::Mutex reader_mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(writer_mutex_);
  // Declared before the reader, so that it closes last.
  const std::unique_ptr<SqliteWriter> writer_ ABSL_PT_GUARDED_BY(writer_mutex_);
  const std::unique_ptr<SqliteReader> reader_ ABSL_PT_GUARDED_BY(reader_mutex_);

  std::atomic<std::uint64_t> bytes_used_ = 0;
  std::atomic<std::uint64_t> bytes_written_ = 0;
  std::atomic<std::uint64_t> commits_ = 0;
  std::atomic<std::uint64_t> quarantined_rows_ = 0;
};

}  // namespace firekeeper::server
