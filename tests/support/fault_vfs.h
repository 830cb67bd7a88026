// What SQLite reaches files by in tests: goes to the real ones, fails where it
// is told to, and knows what a loss of power would leave. SQLite never renames
// a file, so that is no operation here.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/simulated_disk.h"

struct sqlite3_vfs;

namespace firekeeper::testing {

enum class FileOperation : std::uint8_t {
  kRead,
  kWrite,
  kSync,
  kOpen,
  kTruncate,
  kDelete,
  kMapIndex,  // of the write-ahead log, in shared memory
};
inline constexpr std::size_t kFileOperations = 7;

enum class FileFault : std::uint8_t {
  kIoError,
  kNoSpace,
  kShortWrite,         // half of it, then there is no space
  kShortWriteIoError,  // half of it, then an I/O error
};

// Thread-safe. Nothing is synced for real: the machine stays up.
class FaultVfs {
 public:
  FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;
  // Outlives every connection that uses it.
  ~FaultVfs();

  // What SqliteSettings.vfs takes.
  [[nodiscard]] const std::string& name() const { return name_; }

  // From now on the `nth` operation of that kind fails, counted from 1, and if
  // `for_good` all that follow.
  void Fail(FileOperation operation, int nth, FileFault fault,
            bool for_good = false);
  void StopFailing();
  // Whether an operation has failed since Fail().
  [[nodiscard]] bool has_failed() const;

  // Counts the files of a folder as on the disk, synced. Call before they are
  // opened.
  void LoadDisk(const std::string& directory);
  // The power goes after that many further writes, syncs, truncations and
  // deletions: everything after them fails and leaves no trace.
  void CutPowerAfter(int changes);
  [[nodiscard]] bool is_power_off() const;
  // Changes so far, as CutPowerAfter() counts them.
  [[nodiscard]] int changes() const;
  // As SimulatedDisk::WriteTo(): what was on the disk when the power went, or
  // would be if it went now.
  void WriteDisk(const std::string& directory, SimulatedDisk::Loss loss,
                 std::uint32_t seed) const;

  // Files open for reading alone, as if their permissions said so.
  void ForbidWriting();

 private:
  friend struct FaultVfsCalls;

  // What the next operation comes to: SQLITE_OK or the code it fails with. The
  // part of a write that gets through in spite of a failure is `*written`.
  int Decide(FileOperation operation, int size = 0, int* written = nullptr);
  int CodeOf(FileOperation operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  const std::unique_ptr<sqlite3_vfs> vfs_;

  mutable absl::Mutex mutex_;
  std::array<int, kFileOperations> left_ ABSL_GUARDED_BY(mutex_) = {};
  FileFault fault_ ABSL_GUARDED_BY(mutex_) = {};
  bool for_good_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_failed_ ABSL_GUARDED_BY(mutex_) = false;
  int last_errno_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_read_only_ ABSL_GUARDED_BY(mutex_) = false;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
  int power_until_ ABSL_GUARDED_BY(mutex_);  // in changes
  SimulatedDisk disk_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::testing
