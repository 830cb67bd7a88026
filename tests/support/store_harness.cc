#include "tests/support/store_harness.h"

#include <gtest/gtest.h>

#include "server/store/sqlite_schema.h"
#include "server/store/sqlite_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/raw_database.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::testing {
namespace {

class MemoryHarness : public StoreHarness {
 public:
  server::Store& store() override { return *store_; }
  void Reopen() override { store_ = store_->Clone(); }
  void Damage(const server::RowKey& at) override {
    EXPECT_TRUE(store_->Damage(at));
  }

 private:
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>();
};

class SqliteHarness : public StoreHarness {
 public:
  SqliteHarness() { Open(); }

  server::Store& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    Open();
  }
  void Damage(const server::RowKey& at) override {
    RawDatabase raw(directory_ / "firekeeper.db");
    raw.Execute("UPDATE " + server::NameOf(at.table) +
                " SET value = substr(value, 1, 5) || "
                "CASE substr(value, 6, 1) WHEN x'00' THEN x'01' ELSE x'00' END"
                " || substr(value, 7) WHERE run = " +
                std::to_string(static_cast<std::int64_t>(at.run)) +
                " AND key = CAST('" + at.key + "' AS BLOB)");
    EXPECT_EQ(raw.Ask("SELECT changes()"), std::vector<std::string>{"1"});
  }

 private:
  void Open() {
    auto opened = server::SqliteStore::Open(directory_.path(), {});
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }

  TempDirectory directory_;
  std::unique_ptr<server::SqliteStore> store_;
};

}  // namespace

std::unique_ptr<StoreHarness> MakeMemoryHarness() {
  return std::make_unique<MemoryHarness>();
}

std::unique_ptr<StoreHarness> MakeSqliteHarness() {
  return std::make_unique<SqliteHarness>();
}

}  // namespace firekeeper::testing
