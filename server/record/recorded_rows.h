// The rows at the beginning of a recording, as a store that can only be read.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "firekeeper/record/v1/recording.pb.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Thread-compatible.
class RecordedRows final : public Store {
 public:
  explicit RecordedRows(std::uint64_t run) : run_(run) {}

  void Add(const record::v1::StoredRow& row);
  [[nodiscard]] bool empty() const { return tables_.empty(); }

  // kUnimplemented.
  absl::Status Commit(const WriteBatch& batch) override;
  absl::Status Read(Table table, std::uint64_t run, const std::string& begin,
                    const std::string& end, const Visitor& visit,
                    std::vector<std::string>* corrupt) override;
  absl::StatusOr<std::vector<std::uint64_t>> Runs() override;
  [[nodiscard]] StoreFigures Figures() const override { return {}; }

 private:
  const std::uint64_t run_;
  std::map<Table, std::map<std::string, std::string>> tables_;
};

}  // namespace firekeeper::server
