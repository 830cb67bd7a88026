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

  // Calls `put` with the state as numbers and values, in an order that Read()
  // understands.
  template <typename Writer, typename PutValue>
  void Write(Writer* writer, const PutValue& put) const {
    writer->Put(stride_);
    const auto entry = [&](std::int64_t step, const Value& value) {
      writer->Put(step);
      put(value, writer);
    };
    writer->Put(static_cast<std::uint64_t>(dense_.size()));
    for (const auto& [step, value] : dense_) entry(step, value);
    writer->Put(static_cast<std::uint64_t>(thinned_.size()));
    for (const auto& [bucket, kept] : thinned_) entry(kept.first, kept.second);
    writer->Put(static_cast<std::uint64_t>(newest_.size()));
    for (const auto& [step, value] : newest_) entry(step, value);
  }

  // Takes over what Write() put; `get` reads a value of at least `value_bytes`.
  // The reader fails where it does not fit together.
  template <typename Reader, typename GetValue>
  void Read(Reader* reader, std::size_t value_bytes, const GetValue& get) {
    reader->Get(&stride_);
    if (stride_ < 1) reader->Fail();
    dense_.clear();
    thinned_.clear();
    newest_.clear();
    const auto each = [&](const auto& insert) {
      std::size_t left = reader->GetSize(sizeof(std::int64_t) + value_bytes);
      for (; left > 0 && reader->ok(); --left) {
        const auto step = reader->template Get<std::int64_t>();
        Value value = get(reader);
        if (step < 0) reader->Fail();
        if (reader->ok()) insert(step, std::move(value));
      }
    };
    each([this](std::int64_t step, Value value) {
      dense_.insert_or_assign(step, std::move(value));
    });
    each([this](std::int64_t step, Value value) {
      thinned_.insert_or_assign(step / stride_,
                                std::make_pair(step, std::move(value)));
    });
    each([this](std::int64_t step, Value value) {
      newest_.clear();
      newest_.emplace(step, std::move(value));
    });
    if (newest_.empty() != (dense_.empty() && thinned_.empty())) reader->Fail();
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
