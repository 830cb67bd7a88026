#include "tests/support/fault_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <string_view>

namespace firekeeper::testing {
namespace {

// A file of ours, and behind it in the same memory the real one.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* vfs;
  const char* path;   // SQLite keeps it until the file is closed
  bool syncs_folder;  // its first sync makes names survive, too
};

// SQLite asks for memory that suits any type behind a file.
constexpr std::size_t kRealOffset =
    (sizeof(FaultFile) + alignof(std::max_align_t) - 1) /
    alignof(std::max_align_t) * alignof(std::max_align_t);

FaultFile* FileOf(sqlite3_file* file) {
  return reinterpret_cast<FaultFile*>(file);
}

sqlite3_file* RealOf(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) +
                                         kRealOffset);
}

sqlite3_vfs* RealVfs() { return sqlite3_vfs_find("unix"); }

FaultVfs* VfsOf(sqlite3_vfs* vfs) {
  return static_cast<FaultVfs*>(vfs->pAppData);
}

bool IsChange(FileOperation operation) {
  return operation == FileOperation::kWrite ||
         operation == FileOperation::kSync ||
         operation == FileOperation::kTruncate ||
         operation == FileOperation::kDelete;
}

bool IsNoSpace(FileFault fault) {
  return fault == FileFault::kNoSpace || fault == FileFault::kShortWrite;
}

bool IsShort(FileFault fault) {
  return fault == FileFault::kShortWrite ||
         fault == FileFault::kShortWriteIoError;
}

// Two may be registered at a time.
std::string NewName() {
  static std::atomic<int> count = 0;
  return "firekeeper-fault-" + std::to_string(++count);
}

}  // namespace

// The C side: what SQLite calls.
struct FaultVfsCalls {
  static int Close(sqlite3_file* file) {
    return RealOf(file)->pMethods->xClose(RealOf(file));
  }
  static int Read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
    const int code = FileOf(file)->vfs->Decide(FileOperation::kRead);
    if (code != SQLITE_OK) return code;
    return RealOf(file)->pMethods->xRead(RealOf(file), to, size, at);
  }
  static int Write(sqlite3_file* file, const void* from, int size,
                   sqlite3_int64 at);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);
  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    return RealOf(file)->pMethods->xFileSize(RealOf(file), size);
  }
  static int Lock(sqlite3_file* file, int lock) {
    return RealOf(file)->pMethods->xLock(RealOf(file), lock);
  }
  static int Unlock(sqlite3_file* file, int lock) {
    return RealOf(file)->pMethods->xUnlock(RealOf(file), lock);
  }
  static int CheckReservedLock(sqlite3_file* file, int* is_locked) {
    return RealOf(file)->pMethods->xCheckReservedLock(RealOf(file), is_locked);
  }
  static int FileControl(sqlite3_file* file, int what, void* argument) {
    return RealOf(file)->pMethods->xFileControl(RealOf(file), what, argument);
  }
  static int SectorSize(sqlite3_file* file) {
    return RealOf(file)->pMethods->xSectorSize(RealOf(file));
  }
  static int DeviceCharacteristics(sqlite3_file* file) {
    return RealOf(file)->pMethods->xDeviceCharacteristics(RealOf(file));
  }
  static int ShmMap(sqlite3_file* file, int region, int size, int extend,
                    void volatile** mapped) {
    const int code = FileOf(file)->vfs->Decide(FileOperation::kMapIndex);
    if (code != SQLITE_OK) return code;
    return RealOf(file)->pMethods->xShmMap(RealOf(file), region, size, extend,
                                           mapped);
  }
  static int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
    return RealOf(file)->pMethods->xShmLock(RealOf(file), offset, count, flags);
  }
  static void ShmBarrier(sqlite3_file* file) {
    RealOf(file)->pMethods->xShmBarrier(RealOf(file));
  }
  static int ShmUnmap(sqlite3_file* file, int remove) {
    return RealOf(file)->pMethods->xShmUnmap(RealOf(file), remove);
  }

  static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file,
                  int flags, int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* path, int sync_folder);
  static int LastError(sqlite3_vfs* vfs, int size, char* text) {
    {
      FaultVfs* const ours = VfsOf(vfs);
      const absl::MutexLock lock(&ours->mutex_);
      if (ours->last_errno_ != 0) return ours->last_errno_;
    }
    return RealVfs()->xGetLastError(RealVfs(), size, text);
  }
};

namespace {

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = FaultVfsCalls::Close,
    .xRead = FaultVfsCalls::Read,
    .xWrite = FaultVfsCalls::Write,
    .xTruncate = FaultVfsCalls::Truncate,
    .xSync = FaultVfsCalls::Sync,
    .xFileSize = FaultVfsCalls::FileSize,
    .xLock = FaultVfsCalls::Lock,
    .xUnlock = FaultVfsCalls::Unlock,
    .xCheckReservedLock = FaultVfsCalls::CheckReservedLock,
    .xFileControl = FaultVfsCalls::FileControl,
    .xSectorSize = FaultVfsCalls::SectorSize,
    .xDeviceCharacteristics = FaultVfsCalls::DeviceCharacteristics,
    .xShmMap = FaultVfsCalls::ShmMap,
    .xShmLock = FaultVfsCalls::ShmLock,
    .xShmBarrier = FaultVfsCalls::ShmBarrier,
    .xShmUnmap = FaultVfsCalls::ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

int FaultVfsCalls::Write(sqlite3_file* file, const void* from, int size,
                         sqlite3_int64 at) {
  FaultVfs* const vfs = FileOf(file)->vfs;
  int written = size;
  const int code = vfs->Decide(FileOperation::kWrite, size, &written);
  if (written == 0) return code;
  const int real =
      RealOf(file)->pMethods->xWrite(RealOf(file), from, written, at);
  const absl::MutexLock lock(&vfs->mutex_);
  vfs->disk_.Write(FileOf(file)->path, static_cast<std::size_t>(at),
                   std::string_view(static_cast<const char*>(from),
                                    static_cast<std::size_t>(written)));
  return real == SQLITE_OK ? code : real;
}

int FaultVfsCalls::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  FaultVfs* const vfs = FileOf(file)->vfs;
  const int code = vfs->Decide(FileOperation::kTruncate);
  if (code != SQLITE_OK) return code;
  const absl::MutexLock lock(&vfs->mutex_);
  vfs->disk_.Truncate(FileOf(file)->path, static_cast<std::size_t>(size));
  return RealOf(file)->pMethods->xTruncate(RealOf(file), size);
}

int FaultVfsCalls::Sync(sqlite3_file* file, int /*flags*/) {
  FaultVfs* const vfs = FileOf(file)->vfs;
  const int code = vfs->Decide(FileOperation::kSync);
  if (code != SQLITE_OK) return code;
  const absl::MutexLock lock(&vfs->mutex_);
  vfs->disk_.Sync(FileOf(file)->path);
  if (FileOf(file)->syncs_folder) vfs->disk_.SyncFolder();
  FileOf(file)->syncs_folder = false;
  return SQLITE_OK;
}

int FaultVfsCalls::Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file,
                        int flags, int* out_flags) {
  file->pMethods = nullptr;  // nothing to close so far
  FaultVfs* const ours = VfsOf(vfs);
  if (ours->Decide(FileOperation::kOpen) != SQLITE_OK) return SQLITE_CANTOPEN;
  const absl::MutexLock lock(&ours->mutex_);
  if (ours->is_read_only_) {
    flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    flags |= SQLITE_OPEN_READONLY;
  }
  const int code =
      RealVfs()->xOpen(RealVfs(), path, RealOf(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  const bool is_log =
      (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
  FileOf(file)->vfs = ours;
  FileOf(file)->path = path == nullptr ? "temporary" : path;
  FileOf(file)->syncs_folder = is_log && (flags & SQLITE_OPEN_CREATE) != 0;
  file->pMethods = &kMethods;
  if ((flags & SQLITE_OPEN_CREATE) != 0) {
    ours->disk_.Create(FileOf(file)->path);
  }
  return SQLITE_OK;
}

int FaultVfsCalls::Delete(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  FaultVfs* const ours = VfsOf(vfs);
  const int code = ours->Decide(FileOperation::kDelete);
  if (code != SQLITE_OK) return code;
  const absl::MutexLock lock(&ours->mutex_);
  ours->disk_.Delete(path);
  if (sync_folder != 0) ours->disk_.SyncFolder();
  return RealVfs()->xDelete(RealVfs(), path, 0);
}

FaultVfs::FaultVfs()
    : name_(NewName()),
      vfs_(std::make_unique<sqlite3_vfs>(*RealVfs())),
      power_until_(std::numeric_limits<int>::max()) {
  vfs_->szOsFile = static_cast<int>(kRealOffset) + RealVfs()->szOsFile;
  vfs_->zName = name_.c_str();
  vfs_->pNext = nullptr;
  vfs_->pAppData = this;
  vfs_->xOpen = FaultVfsCalls::Open;
  vfs_->xDelete = FaultVfsCalls::Delete;
  vfs_->xGetLastError = FaultVfsCalls::LastError;
  sqlite3_vfs_register(vfs_.get(), 0);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(vfs_.get()); }

void FaultVfs::Fail(FileOperation operation, int nth, FileFault fault,
                    bool for_good) {
  const absl::MutexLock lock(&mutex_);
  left_.fill(0);
  left_.at(static_cast<std::size_t>(operation)) = nth;
  fault_ = fault;
  for_good_ = for_good;
  has_failed_ = false;
}

void FaultVfs::StopFailing() {
  const absl::MutexLock lock(&mutex_);
  left_.fill(0);
  last_errno_ = 0;
}

bool FaultVfs::has_failed() const {
  const absl::MutexLock lock(&mutex_);
  return has_failed_;
}

void FaultVfs::LoadDisk(const std::string& directory) {
  const absl::MutexLock lock(&mutex_);
  disk_.Load(directory);
}

void FaultVfs::CutPowerAfter(int changes) {
  const absl::MutexLock lock(&mutex_);
  power_until_ = changes_ + changes;
}

bool FaultVfs::is_power_off() const {
  const absl::MutexLock lock(&mutex_);
  return changes_ >= power_until_;
}

int FaultVfs::changes() const {
  const absl::MutexLock lock(&mutex_);
  return changes_;
}

void FaultVfs::WriteDisk(const std::string& directory, SimulatedDisk::Loss loss,
                         std::uint32_t seed) const {
  const absl::MutexLock lock(&mutex_);
  disk_.WriteTo(directory, loss, seed);
}

void FaultVfs::ForbidWriting() {
  const absl::MutexLock lock(&mutex_);
  is_read_only_ = true;
}

int FaultVfs::Decide(FileOperation operation, int size, int* written) {
  const absl::MutexLock lock(&mutex_);
  int& left = left_.at(static_cast<std::size_t>(operation));
  const bool fails = left == 1;
  if (left > 1 || (fails && !for_good_)) --left;
  const bool has_power = changes_ < power_until_;
  if (fails || !has_power) {
    has_failed_ = true;
    const bool is_short = fails && has_power && IsShort(fault_);
    if (written != nullptr) *written = is_short ? size / 2 : 0;
    return CodeOf(operation);
  }
  if (IsChange(operation)) ++changes_;
  return SQLITE_OK;
}

int FaultVfs::CodeOf(FileOperation operation) {
  const bool has_power = changes_ < power_until_;
  const bool is_full = has_power && IsNoSpace(fault_);
  last_errno_ = is_full ? ENOSPC : EIO;
  switch (operation) {
    case FileOperation::kRead:
      return SQLITE_IOERR_READ;
    case FileOperation::kWrite:
      return is_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    case FileOperation::kSync:
      return SQLITE_IOERR_FSYNC;
    case FileOperation::kOpen:
      return SQLITE_CANTOPEN;
    case FileOperation::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case FileOperation::kDelete:
      return SQLITE_IOERR_DELETE;
    case FileOperation::kMapIndex:
      return SQLITE_IOERR_SHMSIZE;
  }
  return SQLITE_IOERR;
}

}  // namespace firekeeper::testing
