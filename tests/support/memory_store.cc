#include "tests/support/memory_store.h"

#include <utility>

#include "server/store/row_frame.h"

namespace firekeeper::testing {

using server::Mutation;
using server::RowKey;
using server::StoreFigures;
using server::Table;
using server::WriteBatch;

void MemoryStore::FailCommits(const absl::Status& status) {
  SetGate([status](const WriteBatch&) { return status; });
}

void MemoryStore::SetGate(Gate gate) {
  const absl::MutexLock lock(&mutex_);
  gate_ = std::move(gate);
}

std::unique_ptr<MemoryStore> MemoryStore::Clone() const {
  auto clone = std::make_unique<MemoryStore>();
  const absl::MutexLock lock(&mutex_);
  const absl::MutexLock clone_lock(&clone->mutex_);
  clone->tables_ = tables_;
  clone->quarantine_ = quarantine_;
  return clone;
}

bool MemoryStore::Damage(const RowKey& at) {
  const absl::MutexLock lock(&mutex_);
  Rows& rows = tables_[{at.run, at.table}];
  const auto row = rows.find(at.key);
  if (row == rows.end()) return false;
  row->second.back() = static_cast<char>(row->second.back() ^ 1);
  return true;
}

absl::Status MemoryStore::Commit(const WriteBatch& batch) {
  Gate gate;
  {
    const absl::MutexLock lock(&mutex_);
    gate = gate_;
  }
  if (gate) {
    if (auto status = gate(batch); !status.ok()) return status;
  }
  const absl::MutexLock lock(&mutex_);
  for (const Mutation& mutation : batch.mutations()) Apply(mutation);
  figures_.bytes_written += batch.byte_size();
  ++figures_.commits;
  return absl::OkStatus();
}

void MemoryStore::Apply(const Mutation& mutation) {
  const auto& [table, run, key] = mutation.at;
  if (mutation.kind == Mutation::Kind::kEraseRun) {
    std::erase_if(tables_, [run = run](const auto& entry) {
      return entry.first.first == run;
    });
    return;
  }
  Rows& rows = tables_[{run, table}];
  if (mutation.kind == Mutation::Kind::kPut) {
    rows.insert_or_assign(
        key, server::FrameRow({.table = table, .run = run, .key = key},
                              mutation.value));
    return;
  }
  std::erase_if(rows, [&](const auto& row) {
    return row.first >= mutation.at.key &&
           (mutation.end.empty() || row.first < mutation.end);
  });
}

absl::Status MemoryStore::Read(Table table, std::uint64_t run,
                               const std::string& begin, const std::string& end,
                               const Visitor& visit,
                               std::vector<std::string>* corrupt) {
  const absl::MutexLock lock(&mutex_);
  const auto place = tables_.find({run, table});
  if (place == tables_.end()) return absl::OkStatus();
  Rows& rows = place->second;
  for (auto row = rows.lower_bound(begin);
       row != rows.end() && (end.empty() || row->first < end); ++row) {
    const auto sound = server::UnframeRow(
        {.table = table, .run = run, .key = row->first}, row->second);
    if (sound.ok()) {
      visit({.key = row->first,
             .value = sound->payload,
             .version = sound->version});
    } else {
      corrupt->push_back(row->first);
      quarantine_.insert({{run, table}, row->first, row->second});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint64_t>> MemoryStore::Runs() {
  const absl::MutexLock lock(&mutex_);
  std::vector<std::uint64_t> runs;
  for (const auto& [place, rows] : tables_) {
    if (place.second == Table::kRun && !rows.empty()) {
      runs.push_back(place.first);
    }
  }
  return runs;
}

StoreFigures MemoryStore::Figures() const {
  const absl::MutexLock lock(&mutex_);
  StoreFigures figures = figures_;
  figures.quarantined_rows = quarantine_.size();
  for (const auto& [place, rows] : tables_) {
    for (const auto& [key, stored] : rows) {
      figures.bytes_on_disk += key.size() + stored.size();
    }
  }
  return figures;
}

}  // namespace firekeeper::testing
