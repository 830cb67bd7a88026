// Files that a disk or a person has damaged: the store opens or says why not,
// and what it reads is right.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/store/sqlite_store.h"
#include "tests/support/fault_seed.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_script.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::ContentsAfter;
using ::firekeeper::testing::ContentsOf;
using ::firekeeper::testing::FaultSeed;
using ::firekeeper::testing::FaultVfs;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kScriptCommits;
using ::firekeeper::testing::ReadTable;
using ::firekeeper::testing::ScriptBatch;
using ::firekeeper::testing::ScriptContents;
using ::firekeeper::testing::ScriptSettings;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::TempDirectory;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Ge;
using ::testing::HasSubstr;

constexpr std::size_t kPageBytes = 4096;

std::string Load(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Save(const std::string& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
}

// The two files of a store. Without a log there is no second.
struct Files {
  std::string database;
  std::string log;
};

// What happened to damaged stores, all together.
struct Outcomes {
  int refused = 0;          // Open() failed
  int unreadable = 0;       // Read() failed
  std::size_t corrupt = 0;  // rows that were set aside
};

class DamagedFilesTest : public ::testing::Test {
 protected:
  // Runs the script. The log holds the later half of it, or nothing.
  Files MakeFiles(bool with_log) {
    const std::string folder = directory_ / "sound";
    SqliteSettings settings = ScriptSettings(vfs_.name());
    Files files;
    for (const int begin : {1, kScriptCommits / 2}) {
      auto store = SqliteStore::Open(folder, settings);
      EXPECT_THAT(store, IsOk());
      settings.checkpoint_bytes = std::size_t{1} << 30;
      const int end = begin == 1 ? kScriptCommits / 2 : kScriptCommits + 1;
      for (int number = begin; number < end; ++number) {
        EXPECT_THAT((*store)->Commit(ScriptBatch(number)), IsOk());
      }
      files = {.database = Load(folder + "/firekeeper.db"),
               .log = Load(folder + "/firekeeper.db-wal")};
    }
    if (with_log) return files;
    return {.database = Load(folder + "/firekeeper.db"), .log = {}};
  }

  absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const Files& files) {
    const std::string folder = directory_ / "damaged";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    Save(folder + "/firekeeper.db", files.database);
    if (!files.log.empty()) Save(folder + "/firekeeper.db-wal", files.log);
    return SqliteStore::Open(folder, ScriptSettings(vfs_.name()));
  }

  // Opens and reads everything: rows are those of the whole script, or missing.
  void ExpectNothingWrong(const Files& files);
  // Opens and reads everything: the store is as after some commit of the
  // script.
  void ExpectSomeCommit(const Files& files);

  const TempDirectory directory_{TempDirectory::Where::kMemory};
  const FaultVfs vfs_;
  Outcomes outcomes_;
};

void DamagedFilesTest::ExpectNothingWrong(const Files& files) {
  auto store = Open(files);
  if (!store.ok()) {
    ++outcomes_.refused;
    EXPECT_THAT(store, AnyOf(StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("firekeeper.db is damaged")),
                             // A flipped bit that says so.
                             StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("newer release")),
                             StatusIs(absl::StatusCode::kPermissionDenied,
                                      HasSubstr("read-only"))));
    return;
  }
  for (const auto& [place, sound_rows] : ContentsAfter(kScriptCommits)) {
    const auto contents = ReadTable(**store, place.first, place.second);
    outcomes_.corrupt += contents.corrupt.size();
    if (!contents.status.ok()) {
      ++outcomes_.unreadable;
      EXPECT_EQ(contents.status.code(), absl::StatusCode::kDataLoss);
    }
    for (const auto& row : contents.rows) {
      EXPECT_THAT(sound_rows, Contains(row));
    }
  }
  const absl::Status status = (*store)->Commit(ScriptBatch(1));
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  }
}

void DamagedFilesTest::ExpectSomeCommit(const Files& files) {
  auto store = Open(files);
  ASSERT_THAT(store, IsOk());
  const ScriptContents contents = ContentsOf(**store);
  bool is_known = false;
  for (int commits = 0; commits <= kScriptCommits; ++commits) {
    is_known = is_known || contents == ContentsAfter(commits);
  }
  EXPECT_TRUE(is_known) << "no commit left this";
  EXPECT_THAT((*store)->Commit(ScriptBatch(1)), IsOk());
}

// Offsets of a file of that size: its beginning, and random ones.
std::vector<std::size_t> OffsetsIn(std::size_t size, std::size_t count) {
  std::mt19937 random(7 + FaultSeed());
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < 100; i += 4) offsets.push_back(i);
  while (offsets.size() < count) offsets.push_back(random() % size);
  return offsets;
}

void FlipBit(std::string& content, std::size_t offset) {
  content[offset] = static_cast<char>(content[offset] ^ 1 << offset % 8);
}

TEST_F(DamagedFilesTest, SoundOnesHoldEverything) {
  for (const bool with_log : {false, true}) {
    const auto store = Open(MakeFiles(with_log));
    ASSERT_THAT(store, IsOk());
    EXPECT_EQ(ContentsOf(**store), ContentsAfter(kScriptCommits));
    std::filesystem::remove_all(directory_ / "sound");
  }
}

TEST_F(DamagedFilesTest, AFlippedBitInTheDatabaseGivesNoWrongRow) {
  const Files sound = MakeFiles(false);
  for (const std::size_t offset : OffsetsIn(sound.database.size(), 400)) {
    SCOPED_TRACE(offset);
    Files files = sound;
    FlipBit(files.database, offset);
    ExpectNothingWrong(files);
  }
  EXPECT_GT(outcomes_.refused, 0);
  EXPECT_GT(outcomes_.corrupt, 0U);
}

TEST_F(DamagedFilesTest, AFlippedBitUnderALogGivesNoWrongRow) {
  const Files sound = MakeFiles(true);
  for (const std::size_t offset : OffsetsIn(sound.database.size(), 200)) {
    SCOPED_TRACE(offset);
    Files files = sound;
    FlipBit(files.database, offset);
    ExpectNothingWrong(files);
  }
}

TEST_F(DamagedFilesTest, APageOfZerosGivesNoWrongRow) {
  const Files sound = MakeFiles(false);
  for (std::size_t at = 0; at < sound.database.size(); at += kPageBytes) {
    SCOPED_TRACE(at);
    Files files = sound;
    files.database.replace(at, kPageBytes, kPageBytes, '\0');
    ExpectNothingWrong(files);
  }
  EXPECT_GT(outcomes_.refused, 0);
  EXPECT_GT(outcomes_.unreadable, 0);
}

TEST_F(DamagedFilesTest, ATornEndOfTheDatabaseGivesNoWrongRow) {
  const Files sound = MakeFiles(false);
  for (std::size_t size = 1; size < sound.database.size();
       size += kPageBytes / 2) {
    SCOPED_TRACE(size);
    Files files = sound;
    files.database.resize(size);
    ExpectNothingWrong(files);
  }
  EXPECT_GT(outcomes_.refused, 0);
}

TEST_F(DamagedFilesTest, ATornLogEndsWithAWholeCommit) {
  const Files sound = MakeFiles(true);
  ASSERT_THAT(sound.log.size(), Ge(10 * kPageBytes));
  for (std::size_t size = 0; size < sound.log.size(); size += 1'001) {
    SCOPED_TRACE(size);
    Files files = sound;
    files.log.resize(size);  // 0: there is none
    ExpectSomeCommit(files);
  }
}

TEST_F(DamagedFilesTest, AFlippedBitInTheLogEndsItBeforeTheCommit) {
  const Files sound = MakeFiles(true);
  for (const std::size_t offset : OffsetsIn(sound.log.size(), 200)) {
    SCOPED_TRACE(offset);
    Files files = sound;
    FlipBit(files.log, offset);
    ExpectSomeCommit(files);
  }
}

}  // namespace
}  // namespace firekeeper::server
