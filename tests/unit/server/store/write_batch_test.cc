// What a batch holds, and which puts it may drop.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/store/store.h"
#include "tests/support/memory_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_contents.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MemoryStore;
using ::firekeeper::testing::PutOf;
using ::firekeeper::testing::RowsOf;
using ::testing::ElementsAre;

std::vector<std::string> ValuesOf(const WriteBatch& batch) {
  std::vector<std::string> values;
  values.reserve(batch.mutations().size());
  for (const Mutation& mutation : batch.mutations()) {
    values.push_back(mutation.kind == Mutation::Kind::kPut ? mutation.value
                                                           : "erase");
  }
  return values;
}

TEST(WriteBatchTest, KeepsChangesInOrder) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "k", "v");
  batch.EraseRange(Table::kMark, 1, "a", "b");
  batch.EraseRun(1);

  ASSERT_EQ(batch.mutations().size(), 3U);
  EXPECT_EQ(batch.mutations()[0].kind, Mutation::Kind::kPut);
  EXPECT_EQ(batch.mutations()[1].kind, Mutation::Kind::kEraseRange);
  EXPECT_EQ(batch.mutations()[1].end, "b");
  EXPECT_EQ(batch.mutations()[2].kind, Mutation::Kind::kEraseRun);
}

TEST(WriteBatchTest, CountsBytesOfKeysAndValues) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(Table::kMark, 1, "key", "value");
  batch.EraseRange(Table::kMark, 1, "a", "bc");

  EXPECT_EQ(batch.byte_size(), 11U);
}

TEST(WriteBatchTest, AppendsAnotherAfterItself) {
  WriteBatch batch = PutOf(Table::kMark, 1, "a", "1");
  batch.Append(PutOf(Table::kMark, 1, "a", "22"));

  EXPECT_THAT(ValuesOf(batch), ElementsAre("1", "22"));
  EXPECT_EQ(batch.byte_size(), 5U);
}

TEST(WriteBatchTest, CoalescingKeepsTheLastPutToAKey) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "a", "old");
  batch.Put(Table::kMark, 1, "b", "other key");
  batch.Put(Table::kMark, 2, "a", "other run");
  batch.Put(Table::kScalar, 1, "a", "other table");
  batch.Put(Table::kMark, 1, "a", "new");

  batch.Coalesce();

  EXPECT_THAT(ValuesOf(batch),
              ElementsAre("other key", "other run", "other table", "new"));
  EXPECT_EQ(batch.byte_size(), 36U);
}

TEST(WriteBatchTest, CoalescingStopsAtAnEraseOfTheSameTableAndRun) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "a", "before");
  batch.EraseRange(Table::kMark, 1, "x", "y");
  batch.Put(Table::kMark, 1, "a", "after");

  batch.Coalesce();

  EXPECT_THAT(ValuesOf(batch), ElementsAre("before", "erase", "after"));
}

TEST(WriteBatchTest, CoalescingDropsWhatIsErasedLater) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "m", "first of the range");
  batch.Put(Table::kMark, 1, "p", "within");
  batch.Put(Table::kMark, 1, "q", "its end");
  batch.Put(Table::kMark, 2, "m", "other run");
  batch.EraseRange(Table::kMark, 1, "m", "q");
  batch.Put(Table::kMark, 1, "n", "after");
  batch.Put(Table::kMark, 1, "z", "last");
  batch.EraseRange(Table::kMark, 1, "x", "");

  batch.Coalesce();

  EXPECT_THAT(ValuesOf(batch),
              ElementsAre("its end", "other run", "erase", "after", "erase"));
}

TEST(WriteBatchTest, CoalescingStopsAtAnEraseOfTheRun) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "a", "before");
  batch.EraseRun(1);
  batch.Put(Table::kMark, 1, "a", "after");

  batch.Coalesce();

  EXPECT_THAT(ValuesOf(batch), ElementsAre("before", "erase", "after"));
}

TEST(WriteBatchTest, CoalescingIgnoresErasesOfOtherTablesAndRuns) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "a", "before");
  batch.EraseRange(Table::kScalar, 1, "", "");
  batch.EraseRun(2);
  batch.Put(Table::kMark, 1, "a", "after");

  batch.Coalesce();

  EXPECT_THAT(ValuesOf(batch), ElementsAre("erase", "erase", "after"));
}

// Few places, so that changes meet.
WriteBatch RandomBatch(std::mt19937& random) {
  const auto pick = [&random](std::uint32_t count) { return random() % count; };
  WriteBatch batch;
  for (int i = 0; i < 40; ++i) {
    const Table table = pick(2) == 0 ? Table::kMark : Table::kTrack;
    const std::uint64_t run = 1 + pick(2);
    const std::string key(1, static_cast<char>('a' + pick(4)));
    switch (pick(8)) {
      case 0:
        batch.EraseRange(table, run, key, pick(2) == 0 ? "d" : "");
        break;
      case 1:
        batch.EraseRun(run);
        break;
      default:
        batch.Put(table, run, key, std::to_string(i));
    }
  }
  return batch;
}

TEST(WriteBatchTest, CoalescingChangesNothingInAStore) {
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same batches each time
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    WriteBatch batch = RandomBatch(random);
    MemoryStore plain;
    ASSERT_THAT(plain.Commit(batch), IsOk());

    batch.Coalesce();
    MemoryStore coalesced;
    ASSERT_THAT(coalesced.Commit(batch), IsOk());

    for (const Table table : {Table::kMark, Table::kTrack}) {
      for (const std::uint64_t run : {1U, 2U}) {
        EXPECT_EQ(RowsOf(coalesced, table, run), RowsOf(plain, table, run));
      }
    }
    EXPECT_EQ(coalesced.Figures().bytes_written, batch.byte_size());
  }
}

}  // namespace
}  // namespace firekeeper::server
