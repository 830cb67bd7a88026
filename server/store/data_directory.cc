#include "server/store/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kLockMode = 0600;

absl::Status Failure(int error, const std::string& what) {
  // Abseil calls these kFailedPrecondition.
  if (error == EROFS) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": the file system is read-only"));
  }
  if (error == ENOENT) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": not found"));
  }
  return absl::ErrnoToStatus(error, what);
}

absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Failure(errno, absl::StrCat("cannot open ", path));
  const int error = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  // EINVAL: a file system that syncs no folders.
  if (error == 0 || error == EINVAL) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("cannot sync ", path));
}

// Where it made the folder, its name survives a loss of power.
absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), kFolderMode) == 0) {
    const std::filesystem::path parent =
        (std::filesystem::path(path) / "..").lexically_normal();
    return SyncFolder(parent.string());
  }
  if (errno == EEXIST) return absl::OkStatus();
  return Failure(errno, absl::StrCat("cannot make data directory ", path));
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path) {
  if (auto made = MakeFolder(path); !made.ok()) return made;
  const std::string name = path + "/lock";
  const int lock = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kLockMode);
  if (lock < 0) return Failure(errno, absl::StrCat("cannot open ", name));
  DataDirectory directory(path, lock);
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno != EWOULDBLOCK) {
    return Failure(errno, absl::StrCat("cannot lock ", name));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", path, " is in use by another server"));
}

DataDirectory::DataDirectory(std::string path, int lock)
    : path_(std::move(path)), lock_(lock) {}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) close(lock_);
}

absl::Status DataDirectory::Sync() const { return SyncFolder(path_); }

}  // namespace firekeeper::server
