// A fixed run of commits to a store in SQLite, and what it holds after each:
// for tests in which files fail or the power goes on the way.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/store/sqlite_store.h"
#include "server/store/store.h"
#include "tests/support/store_contents.h"

namespace firekeeper::testing {

inline constexpr int kScriptCommits = 14;

// All rows of the tables and runs that the script writes to.
using ScriptContents =
    std::map<std::pair<server::Table, std::uint64_t>, std::vector<StoredRow>>;

// Number 1 to kScriptCommits: puts to several tables, some larger than a page,
// and now and then erases.
server::WriteBatch ScriptBatch(int number);
// What the first `commits` of them leave, 0 to kScriptCommits.
const ScriptContents& ContentsAfter(int commits);
// Of any store. A test fails where a row is corrupt or cannot be read.
ScriptContents ContentsOf(server::Store& store);

// Small enough for the script to meet checkpoints.
server::SqliteSettings ScriptSettings(const std::string& vfs);

struct ScriptRun {
  // Of Open() or of the first commit that failed with another code than
  // kResourceExhausted.
  absl::Status status;
  bool was_opened = false;
  // Commits that reported OK; they are those of the first numbers.
  int committed = 0;
  // Commits that met a full disk. They were tried again, and changed nothing.
  int met_full_disk = 0;
};

// Opens `directory`, commits the script and closes. Stops at a failure, after
// making sure that no further commit is taken.
ScriptRun RunScript(const std::string& directory,
                    const server::SqliteSettings& settings);

// Opens what a run left with files that work: everything that reported OK is
// there, a batch that failed is there as a whole or not at all, and the store
// goes on.
void ExpectSurvived(const std::string& directory, const std::string& vfs,
                    const ScriptRun& run);

}  // namespace firekeeper::testing
