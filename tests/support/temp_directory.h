// A folder of a test's own that goes with it.

#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace firekeeper::testing {

class TempDirectory {
 public:
  // In memory, where the machine has a folder for that: for tests that open
  // thousands of files and need no disk.
  enum class Where { kDisk, kMemory };

  explicit TempDirectory(Where where = Where::kDisk)
      : path_(Base(where) + "firekeeper-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << path_;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // Of a file or folder in it.
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  static std::string Base(Where where) {
    std::error_code ignored;
    const bool is_there = std::filesystem::is_directory("/dev/shm", ignored);
    return where == Where::kMemory && is_there ? "/dev/shm/"
                                               : ::testing::TempDir();
  }

  std::string path_;
};

}  // namespace firekeeper::testing
