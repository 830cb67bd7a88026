#include "server/record/recorded_rows.h"

#include "server/store/row_frame.h"

namespace firekeeper::server {

void RecordedRows::Add(const record::v1::StoredRow& row) {
  tables_[static_cast<Table>(row.table())].insert_or_assign(row.key(),
                                                            row.value());
}

absl::Status RecordedRows::Commit(const WriteBatch& /*batch*/) {
  return absl::UnimplementedError("a recording cannot be written to");
}

absl::Status RecordedRows::Read(Table table, std::uint64_t run,
                                const std::string& begin,
                                const std::string& end, const Visitor& visit,
                                std::vector<std::string>* /*corrupt*/) {
  const auto found = tables_.find(table);
  if (run != run_ || found == tables_.end()) return absl::OkStatus();
  const auto& rows = found->second;
  for (auto row = rows.lower_bound(begin);
       row != rows.end() && (end.empty() || row->first < end); ++row) {
    visit({.key = row->first, .value = row->second, .version = kRowVersion});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint64_t>> RecordedRows::Runs() {
  if (empty()) return std::vector<std::uint64_t>{};
  return std::vector<std::uint64_t>{run_};
}

}  // namespace firekeeper::server
