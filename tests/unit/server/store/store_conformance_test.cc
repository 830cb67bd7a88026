// What every engine does, whatever it stores in.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "server/store/row_frame.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_contents.h"
#include "tests/support/store_harness.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kStoreEngines;
using ::firekeeper::testing::PutOf;
using ::firekeeper::testing::ReadRange;
using ::firekeeper::testing::ReadTable;
using ::firekeeper::testing::RowsOf;
using ::firekeeper::testing::StoredRow;
using ::firekeeper::testing::StoreEngine;
using ::firekeeper::testing::StoreHarness;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kLastRun = std::numeric_limits<std::uint64_t>::max();

class StoreConformance : public ::testing::TestWithParam<StoreEngine> {
 protected:
  Store& store() { return harness_->store(); }
  void Commit(const WriteBatch& batch) {
    ASSERT_THAT(store().Commit(batch), IsOk());
  }
  void Put(Table table, std::uint64_t run, const std::string& key,
           const std::string& value) {
    Commit(PutOf(table, run, key, value));
  }
  // Rows a to e of a table and run, each with its key for a value.
  void PutLetters(Table table, std::uint64_t run) {
    WriteBatch batch;
    for (const char* key : {"c", "a", "e", "b", "d"}) {
      batch.Put(table, run, key, key);
    }
    Commit(batch);
  }
  std::string KeysOf(Table table, std::uint64_t run) {
    std::string keys;
    for (const StoredRow& row : RowsOf(store(), table, run)) keys += row.key;
    return keys;
  }
  std::string KeysBetween(const std::string& begin, const std::string& end) {
    std::string keys;
    for (const StoredRow& row :
         ReadRange(store(), Table::kTrack, 1, begin, end).rows) {
      keys += row.key;
    }
    return keys;
  }

  std::unique_ptr<StoreHarness> harness_ = GetParam().make();
};

TEST_P(StoreConformance, ReadsWhatWasPut) {
  Put(Table::kScalar, 3, "loss", "0.5");

  EXPECT_THAT(RowsOf(store(), Table::kScalar, 3),
              ElementsAre(StoredRow{.key = "loss", .value = "0.5"}));
}

TEST_P(StoreConformance, TellsTheVersionOfARow) {
  Put(Table::kScalar, 3, "loss", "0.5");
  int version = 0;
  std::vector<std::string> corrupt;

  ASSERT_THAT(store().Read(
                  Table::kScalar, 3, "", "",
                  [&](const RowView& row) { version = row.version; }, &corrupt),
              IsOk());

  EXPECT_EQ(version, kRowVersion);
}

TEST_P(StoreConformance, HasNothingAtFirst) {
  EXPECT_THAT(RowsOf(store(), Table::kScalar, 3), IsEmpty());
  EXPECT_THAT(*store().Runs(), IsEmpty());
  EXPECT_EQ(store().Figures().commits, 0U);
}

TEST_P(StoreConformance, TheLastPutWins) {
  Put(Table::kMark, 1, "k", "old");
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "k", "between");
  batch.Put(Table::kMark, 1, "k", "new");
  Commit(batch);

  EXPECT_THAT(RowsOf(store(), Table::kMark, 1),
              ElementsAre(StoredRow{.key = "k", .value = "new"}));
}

TEST_P(StoreConformance, TablesAndRunsAreApart) {
  Put(Table::kMark, 1, "k", "1");
  Put(Table::kMark, 2, "k", "2");
  Put(Table::kWindow, 1, "k", "3");

  EXPECT_EQ(RowsOf(store(), Table::kMark, 1)[0].value, "1");
  EXPECT_EQ(RowsOf(store(), Table::kMark, 2)[0].value, "2");
  EXPECT_EQ(RowsOf(store(), Table::kWindow, 1)[0].value, "3");
}

TEST_P(StoreConformance, EveryTableHoldsRows) {
  for (int table = 1; table <= 10; ++table) {
    Put(static_cast<Table>(table), 1, "k", std::to_string(table));
  }
  for (int table = 1; table <= 10; ++table) {
    EXPECT_EQ(RowsOf(store(), static_cast<Table>(table), 1)[0].value,
              std::to_string(table));
  }
}

TEST_P(StoreConformance, OrdersKeysByTheirBytes) {
  const std::vector<std::string> keys = {"",
                                         std::string("\0", 1),
                                         std::string("\0\1", 2),
                                         "a",
                                         "aa",
                                         "b",
                                         "\x7F",
                                         "\x80",
                                         "\xFF",
                                         "\xFF\xFF"};
  WriteBatch batch;
  for (std::size_t i = keys.size(); i-- > 0;) {
    batch.Put(Table::kTrack, 1, keys[i], "v");
  }
  Commit(batch);

  std::vector<std::string> read;
  for (const StoredRow& row : RowsOf(store(), Table::kTrack, 1)) {
    read.push_back(row.key);
  }
  EXPECT_EQ(read, keys);
}

TEST_P(StoreConformance, KeepsAnyBytes) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  Put(Table::kTrack, 1, bytes, bytes);
  Put(Table::kTrack, 1, "empty", "");

  const auto rows = RowsOf(store(), Table::kTrack, 1);

  EXPECT_THAT(rows, ElementsAre(StoredRow{.key = bytes, .value = bytes},
                                StoredRow{.key = "empty", .value = ""}));
}

TEST_P(StoreConformance, KeepsLargeValues) {
  const std::string value(std::size_t{5} << 20, 'x');
  Put(Table::kUnits, 1, "k", value);
  harness_->Reopen();

  EXPECT_TRUE(RowsOf(store(), Table::kUnits, 1)[0].value == value);
}

TEST_P(StoreConformance, ReadsARangeWithoutItsEnd) {
  PutLetters(Table::kTrack, 1);

  EXPECT_EQ(KeysBetween("b", "d"), "bc");
  EXPECT_EQ(KeysBetween("", "c"), "ab");
  EXPECT_EQ(KeysBetween("bb", ""), "cde");
  EXPECT_EQ(KeysBetween("d", "b"), "");
}

TEST_P(StoreConformance, ErasesARangeWithoutItsEnd) {
  PutLetters(Table::kJournal, 1);
  PutLetters(Table::kJournal, 2);
  WriteBatch batch;
  batch.EraseRange(Table::kJournal, 1, "b", "d");
  Commit(batch);

  EXPECT_EQ(KeysOf(Table::kJournal, 1), "ade");
  EXPECT_EQ(KeysOf(Table::kJournal, 2), "abcde");
}

TEST_P(StoreConformance, ErasesToTheLastRow) {
  PutLetters(Table::kJournal, 1);
  WriteBatch batch;
  batch.EraseRange(Table::kJournal, 1, "c", "");
  Commit(batch);
  EXPECT_EQ(KeysOf(Table::kJournal, 1), "ab");

  batch = {};
  batch.EraseRange(Table::kJournal, 1, "", "");
  Commit(batch);
  EXPECT_EQ(KeysOf(Table::kJournal, 1), "");
}

TEST_P(StoreConformance, ErasesEveryRowOfARun) {
  for (int table = 1; table <= 10; ++table) {
    PutLetters(static_cast<Table>(table), 1);
    PutLetters(static_cast<Table>(table), 2);
  }
  WriteBatch batch;
  batch.EraseRun(1);
  Commit(batch);

  for (int table = 1; table <= 10; ++table) {
    EXPECT_EQ(KeysOf(static_cast<Table>(table), 1), "");
    EXPECT_EQ(KeysOf(static_cast<Table>(table), 2), "abcde");
  }
}

TEST_P(StoreConformance, AppliesABatchInOrder) {
  WriteBatch batch;
  batch.Put(Table::kMark, 1, "a", "erased");
  batch.EraseRange(Table::kMark, 1, "a", "b");
  batch.Put(Table::kMark, 1, "b", "erased with the run");
  batch.EraseRun(1);
  batch.Put(Table::kMark, 1, "c", "kept");
  Commit(batch);

  EXPECT_THAT(RowsOf(store(), Table::kMark, 1),
              ElementsAre(StoredRow{.key = "c", .value = "kept"}));
}

TEST_P(StoreConformance, ListsRunsAscending) {
  for (const std::uint64_t run :
       {kLastRun, std::uint64_t{5}, std::uint64_t{0}, std::uint64_t{1} << 63}) {
    Put(Table::kRun, run, "", "about");
  }
  Put(Table::kMark, 9, "k", "a run without a row of its own");

  EXPECT_THAT(*store().Runs(),
              ElementsAre(0U, 5U, std::uint64_t{1} << 63, kLastRun));
}

TEST_P(StoreConformance, ReopeningFindsEverything) {
  PutLetters(Table::kWindow, kLastRun);
  harness_->Reopen();

  EXPECT_EQ(KeysOf(Table::kWindow, kLastRun), "abcde");
}

TEST_P(StoreConformance, CopiesADamagedRowOnceAndTellsOfItUntilItIsGone) {
  PutLetters(Table::kWindow, 1);
  harness_->Damage({.table = Table::kWindow, .run = 1, .key = "c"});

  const auto first = ReadTable(store(), Table::kWindow, 1);

  EXPECT_THAT(first.status, IsOk());
  EXPECT_THAT(first.corrupt, ElementsAre("c"));
  EXPECT_EQ(first.rows.size(), 4U);
  EXPECT_EQ(store().Figures().quarantined_rows, 1U);
  harness_->Reopen();
  EXPECT_THAT(ReadTable(store(), Table::kWindow, 1).corrupt, ElementsAre("c"))
      << "nobody has remembered it yet";
  EXPECT_EQ(store().Figures().quarantined_rows, 1U);

  WriteBatch batch;
  batch.EraseRange(Table::kWindow, 1, "c", "d");
  Commit(batch);
  EXPECT_THAT(ReadTable(store(), Table::kWindow, 1).corrupt, IsEmpty());
  EXPECT_EQ(store().Figures().quarantined_rows, 1U);
}

TEST_P(StoreConformance, TakesANewRowWhereADamagedOneWas) {
  PutLetters(Table::kWindow, 1);
  harness_->Damage({.table = Table::kWindow, .run = 1, .key = "c"});
  ReadTable(store(), Table::kWindow, 1);

  Put(Table::kWindow, 1, "c", "again");

  EXPECT_EQ(KeysOf(Table::kWindow, 1), "abcde");
}

TEST_P(StoreConformance, ListsARunWhoseRowIsDamaged) {
  Put(Table::kRun, 4, "", "about");
  harness_->Damage({.table = Table::kRun, .run = 4, .key = ""});

  EXPECT_THAT(*store().Runs(), ElementsAre(4U));
}

TEST_P(StoreConformance, CountsWhatItCommitted) {
  Put(Table::kMark, 1, "key", "value");
  Put(Table::kMark, 1, "k", "v");

  EXPECT_EQ(store().Figures().commits, 2U);
  EXPECT_EQ(store().Figures().bytes_written, 10U);
  EXPECT_GT(store().Figures().bytes_on_disk, 0U);
}

TEST_P(StoreConformance, ReadersSeeWholeBatchesOnly) {
  constexpr int kBatches = 50;
  std::jthread writer([this] {
    for (int i = 1; i <= kBatches; ++i) {
      WriteBatch batch;
      batch.Put(Table::kMark, 1, "a", std::to_string(i));
      batch.Put(Table::kMark, 1, "b", std::to_string(i));
      EXPECT_THAT(store().Commit(batch), IsOk());
    }
  });
  std::string last;
  while (last != std::to_string(kBatches)) {
    const auto rows = RowsOf(store(), Table::kMark, 1);
    if (rows.empty()) continue;
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].value, rows[1].value);
    last = rows[0].value;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, StoreConformance,
                         ::testing::ValuesIn(kStoreEngines),
                         [](const auto& engine) { return engine.param.name; });

}  // namespace
}  // namespace firekeeper::server
