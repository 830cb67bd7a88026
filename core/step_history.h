// Values by training step, thinned so that a run of any length fits.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace firekeeper::core {

// Keeps every step below `dense_steps`; of the later ones the first of every
// `stride` steps, where the stride is the least power of two that keeps them
// within `capacity`; and always the newest. What is kept depends on what was
// inserted, not on the order.
//
// Thread-compatible.
template <typename Value>
class StepHistory {
 public:
  // Requires: dense_steps >= 0, capacity >= 2.
  StepHistory(std::int64_t dense_steps, std::size_t capacity)
      : dense_steps_(dense_steps), capacity_(capacity) {
    assert(dense_steps >= 0 && capacity >= 2);
  }

  // Replaces what was there at `step`. Requires: step >= 0.
  void Insert(std::int64_t step, Value value) {
    assert(step >= 0);
    if (newest_.empty() || step >= newest_.begin()->first) {
      newest_.clear();
      newest_.emplace(step, value);
    }
    if (step < dense_steps_) {
      dense_.insert_or_assign(step, std::move(value));
      return;
    }
    InsertThinned(step, std::move(value));
    while (thinned_.size() > capacity_) Thin();
  }

  // A new attempt takes the steps from `step` on anew.
  void EraseFrom(std::int64_t step) {
    dense_.erase(dense_.lower_bound(step), dense_.end());
    std::erase_if(thinned_, [step](const auto& entry) {
      return entry.second.first >= step;
    });
    if (newest_.empty() || newest_.begin()->first < step) return;
    newest_.clear();
    if (!thinned_.empty()) {
      newest_.insert(thinned_.rbegin()->second);
    } else if (!dense_.empty()) {
      newest_.insert(*dense_.rbegin());
    }
  }

  // Ascending.
  [[nodiscard]] std::vector<std::pair<std::int64_t, Value>> Values() const {
    std::vector<std::pair<std::int64_t, Value>> values(dense_.begin(),
                                                       dense_.end());
    values.reserve(size() + 1);
    for (const auto& [bucket, entry] : thinned_) values.push_back(entry);
    if (!newest_.empty() &&
        (values.empty() || values.back().first < newest_.begin()->first)) {
      values.push_back(*newest_.begin());
    }
    return values;
  }

  // Entries held, the newest not counted twice.
  [[nodiscard]] std::size_t size() const {
    return dense_.size() + thinned_.size();
  }
  [[nodiscard]] bool empty() const { return newest_.empty(); }

 private:
  void InsertThinned(std::int64_t step, Value value) {
    const auto [entry, is_new] = thinned_.try_emplace(step / stride_);
    // Of two in one bucket the earlier stays, whichever came first.
    if (!is_new && entry->second.first < step) return;
    entry->second = {step, std::move(value)};
  }

  void Thin() {
    stride_ *= 2;
    std::map<std::int64_t, std::pair<std::int64_t, Value>> kept;
    for (auto& [bucket, entry] : thinned_) {
      kept.try_emplace(entry.first / stride_, std::move(entry));
    }
    thinned_ = std::move(kept);
  }

  std::int64_t dense_steps_;
  std::size_t capacity_;
  std::int64_t stride_ = 1;
  std::map<std::int64_t, Value> dense_;
  // By step / stride_; the step and its value.
  std::map<std::int64_t, std::pair<std::int64_t, Value>> thinned_;
  // The greatest step; empty before the first Insert().
  std::map<std::int64_t, Value> newest_;
};

}  // namespace firekeeper::core
