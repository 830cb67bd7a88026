// How a database comes to the schema of this release.

#include "server/store/sqlite_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SqliteSchemaTest : public ::testing::Test {
 protected:
  SqliteSchemaTest() {
    auto opened = SqliteConnection::Open(":memory:", "",
                                         SqliteConnection::Access::kReadWrite);
    if (opened.ok()) connection_ = *std::move(opened);
  }

  absl::Status MigrateTo(const std::vector<const char*>& steps) {
    return Migrate(*connection_, steps);
  }
  std::string Ask(const std::string& sql) {
    const auto answer = connection_->Ask(sql);
    EXPECT_THAT(answer, IsOk());
    return answer.value_or("");
  }
  std::string Version() {
    return Ask("SELECT value FROM meta WHERE name = 'schema_version'");
  }

  std::optional<SqliteConnection> connection_;
};

constexpr const char* kMakeTable = "CREATE TABLE t (a BIGINT NOT NULL)";
constexpr const char* kFillTable =
    "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)";
constexpr const char* kChangeTable = "UPDATE t SET a = a * 10";

TEST_F(SqliteSchemaTest, RunsTheStepsInOrder) {
  ASSERT_THAT(MigrateTo({kMakeTable, kFillTable, kChangeTable}), IsOk());

  EXPECT_EQ(Ask("SELECT sum(a) FROM t"), "30");
  EXPECT_EQ(Version(), "3");
}

TEST_F(SqliteSchemaTest, RunsOnlyStepsThatAreNew) {
  ASSERT_THAT(MigrateTo({kMakeTable, kFillTable}), IsOk());
  ASSERT_THAT(MigrateTo({kMakeTable, kFillTable, kChangeTable}), IsOk());
  ASSERT_THAT(MigrateTo({kMakeTable, kFillTable, kChangeTable}), IsOk());

  EXPECT_EQ(Ask("SELECT sum(a) FROM t"), "30") << "each ran once";
}

TEST_F(SqliteSchemaTest, RefusesMoreStepsThanItKnows) {
  ASSERT_THAT(MigrateTo({kMakeTable, kFillTable}), IsOk());

  EXPECT_THAT(MigrateTo({kMakeTable}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("version 2; this release knows versions up "
                                 "to 1")));
}

TEST_F(SqliteSchemaTest, AStepThatFailsLeavesTheVersion) {
  ASSERT_THAT(MigrateTo({kMakeTable}), IsOk());
  ASSERT_THAT(connection_->Execute("BEGIN"), IsOk());
  EXPECT_FALSE(MigrateTo({kMakeTable, kFillTable, "no SQL"}).ok());
  ASSERT_THAT(connection_->Execute("ROLLBACK"), IsOk());

  EXPECT_EQ(Version(), "1");
  EXPECT_EQ(Ask("SELECT count(*) FROM t"), "0");
}

TEST_F(SqliteSchemaTest, EveryTableHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Table table : kTables) names.insert(NameOf(table));

  EXPECT_THAT(names, SizeIs(kTables.size()));
  EXPECT_EQ(names.count(""), 0U);
}

TEST_F(SqliteSchemaTest, TablesStandInTheOrderOfTheirNumbers) {
  for (std::size_t i = 0; i < kTables.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kTables.at(i)), i + 1);
  }
}

TEST_F(SqliteSchemaTest, MakesEveryTable) {
  const auto steps = SchemaSteps();
  ASSERT_THAT(Migrate(*connection_, steps), IsOk());

  for (const Table table : kTables) {
    EXPECT_EQ(Ask("SELECT count(*) FROM " + NameOf(table)), "0");
  }
}

}  // namespace
}  // namespace firekeeper::server
