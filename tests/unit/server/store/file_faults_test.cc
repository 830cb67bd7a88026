// Every file operation of a run of commits fails, once or from then on. SQLite
// deletes, truncates and syncs, and never renames.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>

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
using ::firekeeper::testing::ExpectSurvived;
using ::firekeeper::testing::FaultSeed;
using ::firekeeper::testing::FaultVfs;
using ::firekeeper::testing::FileFault;
using ::firekeeper::testing::FileOperation;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kScriptCommits;
using ::firekeeper::testing::RunScript;
using ::firekeeper::testing::ScriptBatch;
using ::firekeeper::testing::ScriptRun;
using ::firekeeper::testing::ScriptSettings;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::TempDirectory;
using ::testing::_;

// One way to fail, and what the store says of it.
struct FaultCase {
  const char* name;
  FileOperation operation;
  FileFault fault;
  absl::StatusCode code;

  friend std::ostream& operator<<(std::ostream& out, const FaultCase& it) {
    return out << it.name;
  }
};

constexpr std::array kFaultCases = {
    FaultCase{.name = "WriteIoError",
              .operation = FileOperation::kWrite,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "WriteNoSpace",
              .operation = FileOperation::kWrite,
              .fault = FileFault::kNoSpace,
              .code = absl::StatusCode::kResourceExhausted},
    FaultCase{.name = "ShortWriteNoSpace",
              .operation = FileOperation::kWrite,
              .fault = FileFault::kShortWrite,
              .code = absl::StatusCode::kResourceExhausted},
    FaultCase{.name = "ShortWriteIoError",
              .operation = FileOperation::kWrite,
              .fault = FileFault::kShortWriteIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "SyncIoError",
              .operation = FileOperation::kSync,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "SyncNoSpace",
              .operation = FileOperation::kSync,
              .fault = FileFault::kNoSpace,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "OpenIoError",
              .operation = FileOperation::kOpen,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "OpenNoSpace",
              .operation = FileOperation::kOpen,
              .fault = FileFault::kNoSpace,
              .code = absl::StatusCode::kResourceExhausted},
    FaultCase{.name = "TruncateIoError",
              .operation = FileOperation::kTruncate,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "TruncateNoSpace",
              .operation = FileOperation::kTruncate,
              .fault = FileFault::kNoSpace,
              .code = absl::StatusCode::kResourceExhausted},
    FaultCase{.name = "DeleteIoError",
              .operation = FileOperation::kDelete,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "ReadIoError",
              .operation = FileOperation::kRead,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "MapIndexIoError",
              .operation = FileOperation::kMapIndex,
              .fault = FileFault::kIoError,
              .code = absl::StatusCode::kDataLoss},
    FaultCase{.name = "MapIndexNoSpace",
              .operation = FileOperation::kMapIndex,
              .fault = FileFault::kNoSpace,
              .code = absl::StatusCode::kResourceExhausted},
};

// The later ones resemble those before: every third of them, which ones is for
// the seed to say.
int NumberAfter(int nth) {
  if (nth < 200) return nth + 1;
  return nth + (nth == 200 ? 1 + static_cast<int>(FaultSeed() % 3) : 3);
}

class FileFaults : public ::testing::TestWithParam<FaultCase> {
 protected:
  // Lets each operation of the script fail in turn, and if `for_good` all that
  // follow it.
  void FailEach(bool for_good);

 private:
  const TempDirectory directory_{TempDirectory::Where::kMemory};
};

void ExpectSaid(const ScriptRun& run, absl::StatusCode code, bool for_good) {
  if (!run.status.ok()) {
    EXPECT_THAT(run.status, StatusIs(code, _));
  }
  if (run.met_full_disk > 0) {
    EXPECT_EQ(code, absl::StatusCode::kResourceExhausted);
    if (!for_good) {
      EXPECT_EQ(run.committed, kScriptCommits) << "it goes on with space";
    }
  }
}

void FileFaults::FailEach(bool for_good) {
  const FaultCase& fault = GetParam();
  int reached = 0;
  for (int nth = 1; nth <= 1'000; nth = NumberAfter(nth)) {
    SCOPED_TRACE(nth);
    const std::string folder = directory_ / std::to_string(nth);
    FaultVfs vfs;
    vfs.Fail(fault.operation, nth, fault.fault, for_good);
    const ScriptRun run = RunScript(folder, ScriptSettings(vfs.name()));
    if (!vfs.has_failed()) break;

    ++reached;
    vfs.StopFailing();
    ExpectSaid(run, fault.code, for_good);
    ExpectSurvived(folder, vfs.name(), run);
    if (HasFailure()) break;  // one account of it is enough
  }
  RecordProperty("operations", reached);
  EXPECT_GT(reached, 0);
}

TEST_P(FileFaults, LoseNothingThatWasCommitted) { FailEach(false); }

TEST_P(FileFaults, LoseNothingWhereTheyStay) { FailEach(true); }

INSTANTIATE_TEST_SUITE_P(Every, FileFaults, ::testing::ValuesIn(kFaultCases),
                         [](const auto& fault) { return fault.param.name; });

TEST(FullDiskTest, GoesOnWhereItStoppedOnceThereIsSpace) {
  const TempDirectory directory(TempDirectory::Where::kMemory);
  for (int nth = 1 + static_cast<int>(FaultSeed() % 7); nth <= 300; nth += 7) {
    SCOPED_TRACE(nth);
    FaultVfs vfs;
    auto store = SqliteStore::Open(directory / std::to_string(nth),
                                   ScriptSettings(vfs.name()));
    ASSERT_THAT(store, IsOk());
    vfs.Fail(FileOperation::kWrite, nth, FileFault::kShortWrite, true);
    for (int number = 1; number <= kScriptCommits; ++number) {
      absl::Status status = (*store)->Commit(ScriptBatch(number));
      if (status.ok()) continue;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, _));
      EXPECT_THAT((*store)->Commit(ScriptBatch(number)),
                  StatusIs(absl::StatusCode::kResourceExhausted, _))
          << "it stays full";
      EXPECT_EQ(ContentsOf(**store), ContentsAfter(number - 1))
          << "reads stay up";
      vfs.StopFailing();
      ASSERT_THAT((*store)->Commit(ScriptBatch(number)), IsOk());
    }
    EXPECT_EQ(ContentsOf(**store), ContentsAfter(kScriptCommits));
  }
}

}  // namespace
}  // namespace firekeeper::server
