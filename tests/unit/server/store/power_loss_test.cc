// The power goes after each change of a file in a run of commits, and the disk
// keeps what it likes of what was not synced.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "server/store/sqlite_store.h"
#include "tests/support/fault_seed.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/store_script.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::ExpectSurvived;
using ::firekeeper::testing::FaultSeed;
using ::firekeeper::testing::FaultVfs;
using ::firekeeper::testing::RunScript;
using ::firekeeper::testing::ScriptRun;
using ::firekeeper::testing::ScriptSettings;
using ::firekeeper::testing::SimulatedDisk;
using ::firekeeper::testing::TempDirectory;

using Loss = SimulatedDisk::Loss;

struct DiskAfter {
  Loss loss;
  std::uint32_t seed;  // of the first; FaultSeed() gives others
};

constexpr std::array kDisksAfter = {
    DiskAfter{.loss = Loss::kNothing, .seed = 0},
    DiskAfter{.loss = Loss::kEverything, .seed = 0},
    DiskAfter{.loss = Loss::kTail, .seed = 1},
    DiskAfter{.loss = Loss::kTail, .seed = 2},
    DiskAfter{.loss = Loss::kTail, .seed = 3},
    DiskAfter{.loss = Loss::kSectors, .seed = 1},
    DiskAfter{.loss = Loss::kSectors, .seed = 2},
    DiskAfter{.loss = Loss::kSectors, .seed = 3}};

// Different ones above.
constexpr std::uint32_t kSeeds = 4;
// More than the run makes.
constexpr int kMaxChanges = 2'000;
// Of the moments that are tried, so that they can be tried side by side.
constexpr int kParts = 4;

// Whatever the disk kept when the power went, `run` survived it.
void ExpectSurvivedEveryDisk(const FaultVfs& before, const ScriptRun& run,
                             const std::string& folder) {
  const FaultVfs after;
  for (const auto& [loss, first_seed] : kDisksAfter) {
    const std::uint32_t seed = first_seed + kSeeds * FaultSeed();
    SCOPED_TRACE(::testing::Message()
                 << "loss " << static_cast<int>(loss) << ", seed " << seed);
    before.WriteDisk(folder, loss, seed);
    ExpectSurvived(folder, after.name(), run);
    std::filesystem::remove_all(folder);
  }
}

// The parameter is the first moment of a part.
class PowerLoss : public ::testing::TestWithParam<int> {
 protected:
  // False where the power would not have gone: the run has fewer changes.
  bool CutAfter(int changes) {
    SCOPED_TRACE(changes);
    const std::string folder = directory_ / std::to_string(changes);
    FaultVfs before;
    before.CutPowerAfter(changes);
    const ScriptRun run = RunScript(folder, ScriptSettings(before.name()));
    if (!before.is_power_off()) return false;
    ExpectSurvivedEveryDisk(before, run, folder + "-after");
    std::filesystem::remove_all(folder);
    return true;
  }

 private:
  const TempDirectory directory_{TempDirectory::Where::kMemory};
};

TEST_P(PowerLoss, LosesNoCommitAndTearsNone) {
  int cuts = 0;
  int changes = GetParam();
  // One account of a failure is enough.
  while (!HasFailure() && changes < kMaxChanges && CutAfter(changes)) {
    changes += kParts;
    ++cuts;
  }

  RecordProperty("cuts", cuts);
  EXPECT_GT(cuts, 50);
}

// The power goes again while the next start makes use of the log.
TEST(PowerLossTest, ASecondOneDuringRecoveryLosesNothingMore) {
  const TempDirectory directory(TempDirectory::Where::kMemory);
  FaultVfs first;
  first.CutPowerAfter(300);
  const ScriptRun run =
      RunScript(directory / "first", ScriptSettings(first.name()));
  ASSERT_GT(run.committed, 0);
  int changes = 0;
  bool is_cut = true;
  while (is_cut && !HasFailure()) {
    SCOPED_TRACE(++changes);
    const std::string folder = directory / std::to_string(changes);
    first.WriteDisk(folder, Loss::kTail, 1 + FaultSeed());
    FaultVfs second;
    second.LoadDisk(folder);
    second.CutPowerAfter(changes);
    SqliteStore::Open(folder, ScriptSettings(second.name())).IgnoreError();
    is_cut = second.is_power_off();
    ExpectSurvivedEveryDisk(second, run, folder + "-after");
  }

  EXPECT_GT(changes, 10);
}

INSTANTIATE_TEST_SUITE_P(Part, PowerLoss, ::testing::Range(1, kParts + 1));

}  // namespace
}  // namespace firekeeper::server
