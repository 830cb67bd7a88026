// The folder that an embedded engine keeps its files in, and the lock that lets
// one process at a time have it.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firekeeper::server {

// Holds the lock until it is destroyed; a process that dies gives it back.
class DataDirectory {
 public:
  // Makes the folder, for its owner alone, where it is missing; its parent must
  // exist. Fails with kFailedPrecondition where another process has it or it is
  // no folder, with kPermissionDenied where it may not be written.
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;
  ~DataDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  // Makes the names of the files in it survive a loss of power.
  [[nodiscard]] absl::Status Sync() const;

 private:
  DataDirectory(std::string path, int lock);

  std::string path_;
  int lock_;  // descriptor; -1 once moved from
};

}  // namespace firekeeper::server
