// Who may open the embedded store, what it makes of files that it finds, and
// how it keeps them in shape.

#include "server/store/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "server/store/row_frame.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/raw_database.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_contents.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::FaultVfs;
using ::firekeeper::testing::FileFault;
using ::firekeeper::testing::FileOperation;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::PutOf;
using ::firekeeper::testing::RawDatabase;
using ::firekeeper::testing::ReadTable;
using ::firekeeper::testing::RowsOf;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::StoredRow;
using ::firekeeper::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SqliteStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<SqliteStore> Open(const SqliteSettings& settings = {}) {
    auto store = SqliteStore::Open(directory_.path(), settings);
    EXPECT_THAT(store, IsOk());
    return store.ok() ? *std::move(store) : nullptr;
  }
  absl::Status FailToOpen(const SqliteSettings& settings = {}) {
    return SqliteStore::Open(directory_.path(), settings).status();
  }
  [[nodiscard]] std::string File() const {
    return directory_ / "firekeeper.db";
  }

  const TempDirectory directory_;
};

// Lets this thread touch files as a user without rights, even where it has all.
class WithoutRights {
 public:
  WithoutRights() : before_(setfsuid(kNobody)) {}
  ~WithoutRights() { setfsuid(static_cast<uid_t>(before_)); }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;

  int before_;
};

TEST_F(SqliteStoreTest, MakesItsFolderForItsOwnerAlone) {
  const std::string folder = directory_ / "data";

  ASSERT_THAT(SqliteStore::Open(folder, {}), IsOk());

  struct stat about {};
  ASSERT_EQ(stat(folder.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
}

TEST_F(SqliteStoreTest, MakesNoParents) {
  EXPECT_THAT(SqliteStore::Open(directory_ / "no/data", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("no/data"), HasSubstr("not found"))));
}

TEST_F(SqliteStoreTest, RefusesAFileForAFolder) {
  RawDatabase(directory_ / "file").Execute("CREATE TABLE t (a)");

  EXPECT_THAT(
      SqliteStore::Open(directory_ / "file", {}),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/file")));
}

TEST_F(SqliteStoreTest, RefusesAFolderThatAnotherServerHas) {
  const auto first = Open();

  EXPECT_THAT(FailToOpen(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(directory_.path()),
                             HasSubstr("in use by another server"))));
}

TEST_F(SqliteStoreTest, GivesItsFolderBack) {
  Open().reset();

  EXPECT_THAT(FailToOpen(), IsOk());
}

TEST_F(SqliteStoreTest, CommitsNothingOnceAnotherOwnerHasIt) {
  const auto first = Open();
  ASSERT_THAT(first->Commit(PutOf(Table::kMark, 1, "k", "first")), IsOk());
  // As on a network file system that forgets locks.
  std::filesystem::remove(directory_ / "lock");
  const auto second = Open();

  EXPECT_THAT(
      first->Commit(PutOf(Table::kMark, 1, "k", "late")),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("taken over in epoch 2")));
  EXPECT_THAT(RowsOf(*second, Table::kMark, 1),
              ElementsAre(StoredRow{.key = "k", .value = "first"}));
  EXPECT_THAT(second->Commit(PutOf(Table::kMark, 1, "k", "second")), IsOk());
  EXPECT_THAT(first->Commit({}), StatusIs(absl::StatusCode::kAborted,
                                          HasSubstr("opened it in epoch 1")));
}

TEST_F(SqliteStoreTest, ANonceTellsOwnersOfOneEpochApart) {
  const auto store = Open();
  // As after the files were replaced by a copy that another server had opened.
  RawDatabase(File()).Execute("UPDATE owners SET nonce = nonce + 1");

  EXPECT_THAT(store->Commit(PutOf(Table::kMark, 1, "k", "v")),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("epoch 1")));
}

TEST_F(SqliteStoreTest, AFormerOwnerStillReadsButSetsNothingAside) {
  const auto first = Open();
  ASSERT_THAT(first->Commit(PutOf(Table::kMark, 1, "k", "v")), IsOk());
  RawDatabase(File()).Put("marks", 1, "k", "damaged");
  std::filesystem::remove(directory_ / "lock");
  const auto second = Open();

  const auto contents = ReadTable(*first, Table::kMark, 1);

  EXPECT_THAT(contents.status, IsOk());
  EXPECT_THAT(contents.corrupt, ElementsAre("k"));
  EXPECT_EQ(first->Figures().quarantined_rows, 0U);
  ReadTable(*second, Table::kMark, 1);
  EXPECT_EQ(second->Figures().quarantined_rows, 1U);
}

TEST_F(SqliteStoreTest, RefusesTheDatabaseOfALaterRelease) {
  Open().reset();
  RawDatabase(File()).Execute("UPDATE meta SET value = 99");

  EXPECT_THAT(FailToOpen(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(File()), HasSubstr("version 99"),
                             HasSubstr("start the newer release"))));
  EXPECT_THAT(RawDatabase(File()).Ask("SELECT epoch FROM owners"),
              ElementsAre("1"))
      << "and leaves it as it was";
}

TEST_F(SqliteStoreTest, SetsARowOfALaterReleaseAside) {
  Open().reset();
  const RowPlace place = {.table = Table::kMark, .run = 1, .key = "k"};
  RawDatabase(File()).Put("marks", 1, "k",
                          FrameRow(place, "v", kRowVersion + 1));
  const auto store = Open();

  EXPECT_THAT(ReadTable(*store, Table::kMark, 1).corrupt, ElementsAre("k"));

  EXPECT_THAT(RawDatabase(File()).Ask("SELECT reason FROM quarantine"),
              ElementsAre("row is of version 2; this release reads 1 to 1"));
}

TEST_F(SqliteStoreTest, AQuarantinedRowKeepsItsBytes) {
  Open().reset();
  RawDatabase(File()).Put("windows", 7, "key", "damaged");
  const auto store = Open();

  ReadTable(*store, Table::kWindow, 7);

  EXPECT_THAT(RawDatabase(File()).Ask(
                  "SELECT table_number || ' ' || run || ' ' || "
                  "CAST(key AS TEXT) || ' ' || CAST(value AS TEXT) || ' ' || "
                  "(unix_seconds > 1700000000) FROM quarantine"),
              ElementsAre("6 7 key damaged 1"));
  EXPECT_THAT(RawDatabase(File()).Ask("SELECT count(*) FROM windows"),
              ElementsAre("1"))
      << "its owner erases it when what was lost is remembered";
}

TEST_F(SqliteStoreTest, RowsThatChangedPlacesAreSetAside) {
  {
    const auto store = Open();
    ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "a", "1")), IsOk());
    ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "b", "2")), IsOk());
    ASSERT_THAT(store->Commit(PutOf(Table::kMark, 2, "a", "3")), IsOk());
  }
  RawDatabase raw(File());
  raw.Execute("INSERT INTO scalars SELECT * FROM marks WHERE run = 2");
  raw.Execute(
      "CREATE TEMP TABLE before AS SELECT * FROM marks WHERE run = 1;"
      "UPDATE marks SET value = (SELECT before.value FROM before "
      "WHERE before.key <> marks.key) WHERE run = 1");
  const auto store = Open();

  EXPECT_THAT(ReadTable(*store, Table::kMark, 1).corrupt,
              ElementsAre("a", "b"));
  EXPECT_THAT(ReadTable(*store, Table::kScalar, 2).corrupt, ElementsAre("a"));
  EXPECT_EQ(RowsOf(*store, Table::kMark, 2).size(), 1U) << "this one is fine";
}

TEST_F(SqliteStoreTest, AFullDiskLeavesADamagedRowForLater) {
  Open().reset();
  RawDatabase(File()).Put("marks", 1, "k", "damaged");
  FaultVfs vfs;
  SqliteSettings settings;
  settings.vfs = vfs.name();
  const auto store = Open(settings);
  vfs.Fail(FileOperation::kWrite, 1, FileFault::kNoSpace, true);

  const auto contents = ReadTable(*store, Table::kMark, 1);
  EXPECT_THAT(contents.status, IsOk());
  EXPECT_THAT(contents.corrupt, ElementsAre("k"));
  EXPECT_EQ(store->Figures().quarantined_rows, 0U);

  vfs.StopFailing();
  EXPECT_THAT(ReadTable(*store, Table::kMark, 1).corrupt, ElementsAre("k"));
  EXPECT_EQ(store->Figures().quarantined_rows, 1U);
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoDatabase) {
  std::filesystem::create_directory(directory_ / "data");
  std::filesystem::copy_file("/proc/self/exe",
                             directory_ / "data/firekeeper.db");

  EXPECT_THAT(SqliteStore::Open(directory_ / "data", {}),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("data/firekeeper.db is damaged"),
                             HasSubstr("restore the data directory"))));
}

TEST_F(SqliteStoreTest, RefusesADatabaseWithoutItsTables) {
  Open().reset();
  RawDatabase(File()).Execute("DROP TABLE journal");

  EXPECT_THAT(FailToOpen(), StatusIs(absl::StatusCode::kDataLoss,
                                     HasSubstr("firekeeper.db is damaged")));
}

TEST_F(SqliteStoreTest, RefusesAFileThatItMayNotWrite) {
  Open().reset();
  chmod(File().c_str(), 0444);
  chmod((directory_ / "lock").c_str(), 0666);
  chmod(directory_.path().c_str(), 0777);
  const WithoutRights nobody;

  EXPECT_THAT(FailToOpen(), StatusIs(absl::StatusCode::kPermissionDenied,
                                     HasSubstr("firekeeper.db is read-only")));
}

TEST_F(SqliteStoreTest, RefusesAFileOfAReadOnlyFileSystem) {
  Open().reset();
  FaultVfs vfs;
  vfs.ForbidWriting();
  SqliteSettings settings;
  settings.vfs = vfs.name();

  EXPECT_THAT(FailToOpen(settings),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("firekeeper.db is read-only")));
}

TEST_F(SqliteStoreTest, RefusesAFolderThatItMayNotWriteTo) {
  chmod(directory_.path().c_str(), 0555);
  const WithoutRights nobody;

  EXPECT_THAT(FailToOpen(), StatusIs(absl::StatusCode::kPermissionDenied,
                                     HasSubstr(directory_.path())));
}

TEST_F(SqliteStoreTest, LeavesNoLogWhenItCloses) {
  auto store = Open();
  ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "k", "v")), IsOk());
  EXPECT_TRUE(std::filesystem::exists(File() + "-wal"));

  store.reset();

  EXPECT_FALSE(std::filesystem::exists(File() + "-wal"));
}

TEST_F(SqliteStoreTest, TheLogIsCopiedAndUsedAgain) {
  SqliteSettings settings;
  settings.checkpoint_bytes = std::size_t{256} << 10;
  const auto store = Open(settings);
  const std::string value(std::size_t{64} << 10, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "k", value)), IsOk());
  }

  EXPECT_LT(std::filesystem::file_size(File() + "-wal"), 1U << 20);
}

constexpr std::size_t kErasedBytes = std::size_t{4} << 20;

// Puts kErasedBytes, erases them and commits a few small rows.
void PutAndErase(SqliteStore& store) {
  const std::string value(kErasedBytes, 'x');
  ASSERT_THAT(store.Commit(PutOf(Table::kUnits, 1, "k", value)), IsOk());
  WriteBatch erase;
  erase.EraseRun(1);
  ASSERT_THAT(store.Commit(erase), IsOk());
  for (int i = 0; i < 4; ++i) {
    ASSERT_THAT(store.Commit(PutOf(Table::kMark, 2, "k", "v")), IsOk());
  }
}

TEST_F(SqliteStoreTest, GivesSpaceBackOfWhatWasErased) {
  SqliteSettings settings;
  settings.spare_bytes = std::size_t{64} << 10;
  settings.spare_time = std::chrono::milliseconds(0);
  settings.checkpoint_bytes = 1;
  const auto store = Open(settings);

  PutAndErase(*store);

  EXPECT_LT(std::filesystem::file_size(File()), kErasedBytes / 2);
}

TEST_F(SqliteStoreTest, KeepsSpaceThatMayBeUsedAgain) {
  SqliteSettings settings;
  settings.spare_bytes = std::size_t{64} << 10;
  settings.spare_time = std::chrono::hours(1);
  settings.checkpoint_bytes = 1;
  const auto store = Open(settings);

  PutAndErase(*store);

  EXPECT_GE(std::filesystem::file_size(File()), kErasedBytes);
}

TEST_F(SqliteStoreTest, WhatWasErasedIsNotUsed) {
  const auto store = Open();
  const std::string value(kErasedBytes, 'x');
  ASSERT_THAT(store->Commit(PutOf(Table::kUnits, 1, "k", value)), IsOk());
  EXPECT_GE(store->Figures().bytes_used, kErasedBytes);

  PutAndErase(*store);

  EXPECT_LT(store->Figures().bytes_used, kErasedBytes / 2);
  EXPECT_GT(store->Figures().bytes_used, 0U);
}

TEST_F(SqliteStoreTest, KnowsWhatIsUsedFromTheStart) {
  const std::string value(kErasedBytes, 'x');
  ASSERT_THAT(Open()->Commit(PutOf(Table::kUnits, 1, "k", value)), IsOk());

  EXPECT_GE(Open()->Figures().bytes_used, kErasedBytes);
}

TEST_F(SqliteStoreTest, ReadsDoNotWaitForACommit) {
  const auto store = Open();
  ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "k", "old")), IsOk());
  // A transaction of somebody else holds the next commit up, not the read.
  RawDatabase raw(File());
  raw.Execute("BEGIN IMMEDIATE");
  std::jthread commit([&store] {
    EXPECT_THAT(store->Commit(PutOf(Table::kMark, 1, "k", "new")), IsOk());
  });

  EXPECT_THAT(RowsOf(*store, Table::kMark, 1),
              ElementsAre(StoredRow{.key = "k", .value = "old"}));

  raw.Execute("ROLLBACK");
}

TEST_F(SqliteStoreTest, AFailedSyncEndsWritingForGood) {
  FaultVfs vfs;
  SqliteSettings settings;
  settings.vfs = vfs.name();
  const auto store = Open(settings);
  vfs.Fail(FileOperation::kSync, 1, FileFault::kIoError);
  ASSERT_THAT(store->Commit(PutOf(Table::kMark, 1, "a", "1")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("commit")));
  vfs.StopFailing();

  EXPECT_THAT(store->Commit(PutOf(Table::kMark, 1, "b", "2")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("commit")));
  EXPECT_THAT(RowsOf(*store, Table::kMark, 1), IsEmpty());
}

TEST_F(SqliteStoreTest, AFailureOfACheckpointEndsWritingAfterTheCommit) {
  FaultVfs vfs;
  SqliteSettings settings;
  settings.vfs = vfs.name();
  settings.checkpoint_bytes = 1;
  const auto store = Open(settings);
  // The commit syncs the head of the log and its end; then the checkpoint does.
  vfs.Fail(FileOperation::kSync, 3, FileFault::kIoError, true);

  EXPECT_THAT(store->Commit(PutOf(Table::kMark, 1, "a", "1")), IsOk());
  EXPECT_THAT(store->Commit(PutOf(Table::kMark, 1, "b", "2")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("copy the log")));
}

}  // namespace
}  // namespace firekeeper::server
