#include "tests/support/store_script.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/memory_store.h"

namespace firekeeper::testing {
namespace {

using server::SqliteSettings;
using server::SqliteStore;
using server::Table;
using server::WriteBatch;

constexpr std::array kScriptTables = {Table::kRun, Table::kMark, Table::kWindow,
                                      Table::kJournal};
constexpr std::array<std::uint64_t, 2> kScriptRuns = {1, 2};

std::string KeyOf(int number) { return std::to_string(100 + number); }

// Of `size` bytes that tell which commit wrote them.
std::string ValueOf(int number, std::size_t size) {
  std::string value;
  while (value.size() < size) value += std::to_string(number) + ",";
  return value;
}

std::vector<ScriptContents> AllContents() {
  MemoryStore store;
  std::vector<ScriptContents> contents = {ContentsOf(store)};
  for (int number = 1; number <= kScriptCommits; ++number) {
    EXPECT_THAT(store.Commit(ScriptBatch(number)), IsOk());
    contents.push_back(ContentsOf(store));
  }
  return contents;
}

// Whether the store took the batch, in spite of a disk that was full once.
absl::Status CommitInSpiteOfFullDisk(SqliteStore& store, ScriptRun& run) {
  const WriteBatch batch = ScriptBatch(run.committed + 1);
  absl::Status status = store.Commit(batch);
  if (!absl::IsResourceExhausted(status)) return status;
  ++run.met_full_disk;
  EXPECT_EQ(ContentsOf(store), ContentsAfter(run.committed));
  return store.Commit(batch);
}

}  // namespace

WriteBatch ScriptBatch(int number) {
  WriteBatch batch;
  if (number == 1) batch.Put(Table::kRun, 1, "", "about 1");
  for (const std::uint64_t run : kScriptRuns) {
    batch.Put(Table::kJournal, run, KeyOf(number), ValueOf(number, 300));
    batch.Put(Table::kMark, run, "seq", std::to_string(number));
  }
  batch.Put(Table::kJournal, 1, KeyOf(number) + "b", ValueOf(number, 5'000));
  if (number % 4 == 0) {
    batch.EraseRange(Table::kJournal, 1, "", KeyOf(number - 1));
    batch.Put(Table::kWindow, 1, KeyOf(number), ValueOf(number, 12'000));
  }
  if (number % 7 == 0) {
    batch.EraseRun(2);
    batch.Put(Table::kRun, 2, "", "again");
  }
  return batch;
}

const ScriptContents& ContentsAfter(int commits) {
  static const std::vector<ScriptContents> kContents = AllContents();
  return kContents.at(static_cast<std::size_t>(commits));
}

ScriptContents ContentsOf(server::Store& store) {
  ScriptContents contents;
  for (const Table table : kScriptTables) {
    for (const std::uint64_t run : kScriptRuns) {
      contents[{table, run}] = RowsOf(store, table, run);
    }
  }
  return contents;
}

SqliteSettings ScriptSettings(const std::string& vfs) {
  return {.checkpoint_bytes = std::size_t{64} << 10,
          .spare_bytes = std::size_t{16} << 10,
          .spare_time = std::chrono::milliseconds(0),
          .vfs = vfs};
}

ScriptRun RunScript(const std::string& directory,
                    const SqliteSettings& settings) {
  ScriptRun run;
  auto store = SqliteStore::Open(directory, settings);
  run.status = store.status();
  run.was_opened = store.ok();
  while (run.status.ok() && run.committed < kScriptCommits) {
    run.status = CommitInSpiteOfFullDisk(**store, run);
    if (run.status.ok()) ++run.committed;
  }
  if (run.was_opened && !run.status.ok()) {
    EXPECT_EQ((*store)->Commit(ScriptBatch(run.committed + 1)), run.status)
        << "a commit after a failure";
  }
  return run;
}

void ExpectSurvived(const std::string& directory, const std::string& vfs,
                    const ScriptRun& run) {
  auto store = SqliteStore::Open(directory, ScriptSettings(vfs));
  ASSERT_THAT(store, IsOk());
  const ScriptContents contents = ContentsOf(**store);
  const bool may_hold_next =
      run.was_opened && !run.status.ok() && run.committed < kScriptCommits;
  if (!may_hold_next || contents != ContentsAfter(run.committed + 1)) {
    EXPECT_EQ(contents, ContentsAfter(run.committed))
        << "after " << run.committed << " commits: " << run.status;
  }
  EXPECT_THAT((*store)->Commit(ScriptBatch(1)), IsOk());
}

}  // namespace firekeeper::testing
