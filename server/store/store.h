// What outlives the process: rows of runs, written in atomic batches. An engine
// knows keys and bytes only; what a row means is written in server/state/.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firekeeper::server {

// Numbers are stored; never reuse one.
enum class Table : std::uint8_t {
  kRun = 1,          // one row a run: attempts, layers, labels
  kMark = 2,         // how far each source is, and the counters of the run
  kScalar = 3,       // loss, learning rate, …
  kTrack = 4,        // one signal of one layer in one phase: its marks
  kUnits = 5,        // the same: long-lived figures of its units
  kWindow = 6,       // closed windows that are retained
  kArchive = 7,      // what windows leave behind that are retained no longer
  kJournal = 8,      // contributions that no row of a window holds yet
  kEvent = 9,        // what happened
  kAssessment = 10,  // which alarms and findings were reported
  kEventUnits = 11   // what units were when something happened to their layer
};

inline constexpr std::array kTables = {
    Table::kRun,   Table::kMark,       Table::kScalar,    Table::kTrack,
    Table::kUnits, Table::kWindow,     Table::kArchive,   Table::kJournal,
    Table::kEvent, Table::kAssessment, Table::kEventUnits};

// Where a row is. Rows of a table and run are ordered by the bytes of `key`.
struct RowKey {
  Table table{};
  std::uint64_t run = 0;
  std::string key;

  friend bool operator==(const RowKey&, const RowKey&) = default;
};

struct Mutation {
  enum class Kind : std::uint8_t {
    kPut,         // the row at `at` holds `value` from now on
    kEraseRange,  // rows with at.key <= key < `end` are gone; empty end: no end
    kEraseRun,    // every row of at.run is gone
  };

  Kind kind{};
  RowKey at;
  std::string end;
  std::string value;
};

// Changes that are applied in order, all or none. Thread-compatible.
class WriteBatch {
 public:
  void Put(Table table, std::uint64_t run, std::string key, std::string value);
  // From `begin` up to, not including, `end`; an empty `end` is past the last.
  void EraseRange(Table table, std::uint64_t run, std::string begin,
                  std::string end);
  void EraseRun(std::uint64_t run);
  // Appends all of `other` after what is here.
  void Append(WriteBatch other);
  // Drops puts that a later put or erase undoes: of several to one key without
  // an erase of its table and run between them all but the last, and those of
  // ranges that are erased later. What the batch leaves in a store stays the
  // same.
  void Coalesce();

  [[nodiscard]] const std::vector<Mutation>& mutations() const {
    return mutations_;
  }
  [[nodiscard]] bool empty() const { return mutations_.empty(); }
  // Of keys and values.
  [[nodiscard]] std::size_t byte_size() const { return byte_size_; }

 private:
  std::vector<Mutation> mutations_;
  std::size_t byte_size_ = 0;
};

// A row as it was put. Valid during the visit.
struct RowView {
  std::string_view key;
  std::string_view value;
  // Of the release that put it: kRowVersion, or an older one that is readable.
  std::uint8_t version = 0;
};

struct StoreFigures {
  std::uint64_t bytes_on_disk = 0;
  // Of what is stored: without the log, and what was erased and is kept to be
  // used again.
  std::uint64_t bytes_used = 0;
  // Bytes of keys and values committed since the store was opened.
  std::uint64_t bytes_written = 0;
  std::uint64_t commits = 0;
  // Rows whose check failed, set aside since the data directory exists.
  std::uint64_t quarantined_rows = 0;
};

// Thread-safe.
class Store {
 public:
  using Visitor = std::function<void(const RowView& row)>;

  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Applies the batch and returns once it survives a loss of power. Fails,
  // changing nothing: kResourceExhausted where the disk is full (try again
  // later), kAborted where another owner has taken the store. Everything else
  // means that nobody knows what is on the disk: the process must end.
  virtual absl::Status Commit(const WriteBatch& batch) = 0;

  // Calls `visit` with the rows begin <= key < end (empty end: all to the last)
  // in ascending order. Of a row whose check fails, `corrupt` gets the key and
  // the quarantine a copy, once. The row itself stays until a batch puts or
  // erases it: in the same commit its owner can remember what was lost, so that
  // no end of the process lies between. Fails where the store cannot be read.
  virtual absl::Status Read(Table table, std::uint64_t run,
                            const std::string& begin, const std::string& end,
                            const Visitor& visit,
                            std::vector<std::string>* corrupt) = 0;

  // Runs with a row in kRun, ascending, sound or not.
  virtual absl::StatusOr<std::vector<std::uint64_t>> Runs() = 0;

  [[nodiscard]] virtual StoreFigures Figures() const = 0;
};

}  // namespace firekeeper::server
