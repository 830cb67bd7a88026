// Tables of the embedded engine and how an older data directory gets them. The
// same schema is meant for PostgreSQL, where BLOB is called BYTEA and WITHOUT
// ROWID says nothing.

#pragma once

#include <array>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "server/store/sqlite_connection.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Of its SQL table.
std::string NameOf(Table table);

// Step i leads from schema version i to i + 1. Steps are appended, never
// changed: they have run on somebody's disk.
std::span<const char* const> SchemaSteps();

// Runs the steps that the database has not seen, in order. Requires: a
// transaction is open; roll it back after a failure. Fails with
// kFailedPrecondition where the database has seen more steps than there are.
absl::Status Migrate(const SqliteConnection& connection,
                     std::span<const char* const> steps);

}  // namespace firekeeper::server
