// A connection to an engine's file behind the engine's back.

#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace firekeeper::testing {

class RawDatabase {
 public:
  explicit RawDatabase(const std::string& file) {
    sqlite3* opened = nullptr;
    EXPECT_EQ(sqlite3_open(file.c_str(), &opened), SQLITE_OK) << file;
    database_.reset(opened);
  }

  void Execute(const std::string& sql) {
    EXPECT_EQ(
        sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr),
        SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(database_.get());
  }

  // The first column of each row, as text.
  std::vector<std::string> Ask(const std::string& sql) {
    std::vector<std::string> answers;
    const auto take = [](void* to, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(to)->emplace_back(
          values[0] == nullptr ? "" : values[0]);
      return 0;
    };
    EXPECT_EQ(
        sqlite3_exec(database_.get(), sql.c_str(), take, &answers, nullptr),
        SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(database_.get());
    return answers;
  }

  // A row as a release of another format might have left it.
  void Put(const std::string& table, std::uint64_t run, std::string_view key,
           std::string_view stored) {
    const std::string sql =
        "INSERT OR REPLACE INTO " + table + " VALUES (?1, ?2, ?3)";
    sqlite3_stmt* put = nullptr;
    ASSERT_EQ(
        sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &put, nullptr),
        SQLITE_OK);
    sqlite3_bind_int64(put, 1, static_cast<std::int64_t>(run));
    sqlite3_bind_blob64(put, 2, key.data(), key.size(), SQLITE_STATIC);
    sqlite3_bind_blob64(put, 3, stored.data(), stored.size(), SQLITE_STATIC);
    EXPECT_EQ(sqlite3_step(put), SQLITE_DONE);
    sqlite3_finalize(put);
  }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace firekeeper::testing
