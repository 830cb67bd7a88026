// Rows and whole stores as values, for tests that compare them.

#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/store/store.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::testing {

struct StoredRow {
  std::string key;
  std::string value;

  friend bool operator==(const StoredRow&, const StoredRow&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StoredRow& row) {
    return out << ::testing::PrintToString(row.key) << " = "
               << ::testing::PrintToString(row.value);
  }
};

struct TableContents {
  absl::Status status;
  std::vector<StoredRow> rows;
  std::vector<std::string> corrupt;
};

inline TableContents ReadRange(server::Store& store, server::Table table,
                               std::uint64_t run, const std::string& begin,
                               const std::string& end) {
  TableContents contents;
  contents.status = store.Read(
      table, run, begin, end,
      [&](const server::RowView& row) {
        contents.rows.push_back(
            {.key = std::string(row.key), .value = std::string(row.value)});
      },
      &contents.corrupt);
  return contents;
}

inline TableContents ReadTable(server::Store& store, server::Table table,
                               std::uint64_t run) {
  return ReadRange(store, table, run, "", "");
}

// The rows of a table and run; a test fails where there are others than sound
// ones.
inline std::vector<StoredRow> RowsOf(server::Store& store, server::Table table,
                                     std::uint64_t run) {
  TableContents contents = ReadTable(store, table, run);
  EXPECT_THAT(contents.status, IsOk());
  EXPECT_THAT(contents.corrupt, ::testing::IsEmpty());
  return std::move(contents.rows);
}

inline server::WriteBatch PutOf(server::Table table, std::uint64_t run,
                                const std::string& key,
                                const std::string& value) {
  server::WriteBatch batch;
  batch.Put(table, run, key, value);
  return batch;
}

}  // namespace firekeeper::testing
