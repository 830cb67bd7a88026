#include "server/store/store.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace firekeeper::server {
namespace {

std::size_t BytesOf(const Mutation& mutation) {
  return mutation.at.key.size() + mutation.end.size() + mutation.value.size();
}

// What the later changes of a batch do to one table of a run.
class LaterChanges {
 public:
  // Whether a later one overwrites or erases what is put to `key`. The key must
  // stay where it is.
  bool Undo(std::string_view key) {
    return IsErased(key) || !puts_.insert(key).second;
  }
  void Erase(std::string_view begin, std::string_view end) {
    // What was put after this erase says nothing of what was put before.
    puts_.clear();
    auto [place, fresh] = erased_.emplace(begin, end);
    if (!fresh && !IsBefore(end, place->second)) place->second = end;
  }

 private:
  // Ends of ranges; an empty one is behind all keys.
  static bool IsBefore(std::string_view a, std::string_view b) {
    return !a.empty() && (b.empty() || a < b);
  }
  // Looks at the range that begins last: of several that overlap it may miss
  // one, and the row is then written and erased again.
  [[nodiscard]] bool IsErased(std::string_view key) const {
    auto range = erased_.upper_bound(key);
    return range != erased_.begin() && IsBefore(key, std::prev(range)->second);
  }

  std::unordered_set<std::string_view> puts_;
  std::map<std::string_view, std::string_view> erased_;
};

// Walks a batch from its end and tells which puts a later change makes useless.
class LaterPuts {
 public:
  // Call with the mutations from the last to the first. The keys that it was
  // called with must stay where they are.
  bool Undo(const Mutation& mutation) {
    const auto& [table, run, key] = mutation.at;
    switch (mutation.kind) {
      case Mutation::Kind::kPut:
        return tables_[run][table].Undo(key);
      case Mutation::Kind::kEraseRange:
        tables_[run][table].Erase(key, mutation.end);
        return false;
      case Mutation::Kind::kEraseRun:
        tables_.erase(run);
        return false;
    }
    return false;
  }

 private:
  std::map<std::uint64_t, std::map<Table, LaterChanges>> tables_;
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
    useless[i] = later.Undo(mutations_[i]);
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
