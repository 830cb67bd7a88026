// Many threads add, flush and ask at once; ThreadSanitizer watches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "server/store/commit_queue.h"
#include "server/store/sqlite_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_contents.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MemoryStore;
using ::firekeeper::testing::RowsOf;
using ::firekeeper::testing::StoredRow;
using ::firekeeper::testing::TempDirectory;

constexpr std::uint64_t kThreads = 4;
constexpr int kPuts = 200;

constexpr CommitSettings kHasty = {.interval = std::chrono::milliseconds(0),
                                   .group_bytes = 256,
                                   .retry = std::chrono::milliseconds(1)};

// Each thread writes to a run of its own: a journal, and a mark that says how
// long the journal is.
void Write(CommitQueue& queue, std::uint64_t run) {
  std::uint64_t last = 0;
  for (int i = 0; i < kPuts; ++i) {
    WriteBatch batch;
    batch.Put(Table::kJournal, run, std::to_string(1000 + i), "row");
    batch.Put(Table::kMark, run, "mark", std::to_string(i));
    const std::uint64_t ticket = queue.Add(std::move(batch));
    EXPECT_GT(ticket, last);
    last = ticket;
    if (i % 50 == 0) {
      EXPECT_THAT(queue.Flush(absl::Now() + absl::Seconds(60)), IsOk());
      EXPECT_GE(queue.committed(), ticket);
    }
  }
}

void ExpectEverything(Store& store) {
  for (std::uint64_t run = 0; run < kThreads; ++run) {
    EXPECT_EQ(RowsOf(store, Table::kJournal, run).size(), std::size_t{kPuts});
    EXPECT_THAT(RowsOf(store, Table::kMark, run),
                ::testing::ElementsAre(StoredRow{
                    .key = "mark", .value = std::to_string(kPuts - 1)}));
  }
}

// Reads while others write: a mark is never ahead of its journal.
void Watch(Store& store, CommitQueue& queue, const std::atomic<bool>& done) {
  std::uint64_t last = 0;
  while (!done) {
    const std::uint64_t committed = queue.committed();
    EXPECT_GE(committed, last);
    last = committed;
    const auto marks = RowsOf(store, Table::kMark, 0);
    const auto rows = RowsOf(store, Table::kJournal, 0);
    if (!marks.empty()) {
      EXPECT_GT(static_cast<int>(rows.size()), std::stoi(marks[0].value));
    }
    static_cast<void>(queue.waiting_bytes());
    static_cast<void>(queue.last_commit_duration());
    static_cast<void>(queue.state());
    static_cast<void>(store.Figures());
  }
}

void WriteFromManyThreads(Store& store) {
  std::atomic<std::uint64_t> told = 0;
  {
    CommitQueue queue(
        store, kHasty,
        [&told](std::uint64_t ticket) {
          EXPECT_GT(ticket, told);
          told = ticket;
        },
        [](const absl::Status& status) { ADD_FAILURE() << status; });
    std::atomic<bool> done = false;
    std::jthread watcher([&] { Watch(store, queue, done); });
    {
      std::vector<std::jthread> writers;
      for (std::uint64_t run = 0; run < kThreads; ++run) {
        writers.emplace_back([&queue, run] { Write(queue, run); });
      }
    }
    done = true;
  }
  EXPECT_EQ(told, kThreads * kPuts);
  ExpectEverything(store);
}

TEST(CommitQueueThreadsTest, NothingIsLostOrOutOfOrderInMemory) {
  MemoryStore store;
  WriteFromManyThreads(store);
}

TEST(CommitQueueThreadsTest, NothingIsLostOrOutOfOrderOnDisk) {
  const TempDirectory directory;
  auto store = SqliteStore::Open(directory.path(), {});
  ASSERT_THAT(store, IsOk());

  WriteFromManyThreads(**store);
}

TEST(CommitQueueThreadsTest, ADiskThatIsFullNowAndThenLosesNothing) {
  MemoryStore store;
  std::atomic<int> commits = 0;
  store.SetGate([&commits](const WriteBatch&) {
    return ++commits % 3 == 0 ? absl::ResourceExhaustedError("disk full")
                              : absl::OkStatus();
  });
  {
    CommitQueue queue(
        store, kHasty, [](std::uint64_t) {},
        [](const absl::Status& status) { ADD_FAILURE() << status; });
    std::vector<std::jthread> writers;
    for (std::uint64_t run = 0; run < kThreads; ++run) {
      writers.emplace_back([&queue, run] {
        for (int i = 0; i < kPuts; ++i) {
          WriteBatch batch;
          batch.Put(Table::kJournal, run, std::to_string(1000 + i), "row");
          batch.Put(Table::kMark, run, "mark", std::to_string(i));
          queue.Add(std::move(batch));
        }
      });
    }
    for (std::jthread& writer : writers) writer.join();
    while (!queue.Flush(absl::Now() + absl::Seconds(60)).ok()) {
    }
  }
  ExpectEverything(store);
}

}  // namespace
}  // namespace firekeeper::server
