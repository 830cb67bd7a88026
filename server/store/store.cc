#include "server/store/store.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_set>
#include <utility>

namespace firekeeper::server {
namespace {

std::size_t BytesOf(const Mutation& mutation) {
  return mutation.at.key.size() + mutation.end.size() + mutation.value.size();
}

// Walks a batch from its end and tells which puts a later one makes useless.
class LaterPuts {
 public:
  // Call with the mutations from the last to the first. The key that it was
  // called with must stay where it is.
  bool Overwrites(const Mutation& mutation) {
    const auto& [table, run, key] = mutation.at;
    switch (mutation.kind) {
      case Mutation::Kind::kPut:
        return !keys_[run][table].insert(key).second;
      case Mutation::Kind::kEraseRange:
        keys_[run].erase(table);
        return false;
      case Mutation::Kind::kEraseRun:
        keys_.erase(run);
        return false;
    }
    return false;
  }

 private:
  // Of puts that no erase of their table and run precedes, so far.
  std::map<std::uint64_t, std::map<Table, std::unordered_set<std::string_view>>>
      keys_;
};

}  // namespace

void WriteBatch::Put(Table table, std::uint64_t run, std::string key,
                     std::string value) {
  mutations_.push_back(
      {.kind = Mutation::Kind::kPut,
       .at = {.table = table, .run = run, .key = std::move(key)},
       .end = {},
       .value = std::move(value)});
  byte_size_ += BytesOf(mutations_.back());
}

void WriteBatch::EraseRange(Table table, std::uint64_t run, std::string begin,
                            std::string end) {
  mutations_.push_back(
      {.kind = Mutation::Kind::kEraseRange,
       .at = {.table = table, .run = run, .key = std::move(begin)},
       .end = std::move(end),
       .value = {}});
  byte_size_ += BytesOf(mutations_.back());
}

void WriteBatch::EraseRun(std::uint64_t run) {
  mutations_.push_back({.kind = Mutation::Kind::kEraseRun,
                        .at = {.table = {}, .run = run, .key = {}},
                        .end = {},
                        .value = {}});
}

void WriteBatch::Append(WriteBatch other) {
  byte_size_ += other.byte_size_;
  if (mutations_.empty()) {
    mutations_ = std::move(other.mutations_);
    return;
  }
  mutations_.insert(mutations_.end(),
                    std::make_move_iterator(other.mutations_.begin()),
                    std::make_move_iterator(other.mutations_.end()));
}

void WriteBatch::Coalesce() {
  std::vector<bool> useless(mutations_.size());
  LaterPuts later;
  for (std::size_t i = mutations_.size(); i-- > 0;) {
    useless[i] = later.Overwrites(mutations_[i]);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < mutations_.size(); ++i) {
    if (useless[i]) {
      byte_size_ -= BytesOf(mutations_[i]);
      continue;
    }
    if (kept != i) mutations_[kept] = std::move(mutations_[i]);
    ++kept;
  }
  mutations_.resize(kept);
}

}  // namespace firekeeper::server
