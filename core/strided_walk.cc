#include "core/strided_walk.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include "core/validity.h"

namespace firekeeper::core {
namespace {

// An axis, by how far one step along it goes in memory and in the mask.
struct Axis {
  std::int64_t length = 1;
  std::int64_t stride = 0;
  std::int64_t bits = 0;
};

// A place in memory and in the mask.
struct Place {
  std::int64_t offset = 0;
  std::int64_t bit = 0;
};

// Every combination of the steps along some axes.
class Steps {
 public:
  void Add(const Axis& axis) { axes_[rank_++] = axis; }

  // The axis with the shortest stride comes last, so that it goes fastest.
  void Sort() {
    std::sort(axes_.begin(), axes_.begin() + rank_,
              [](const Axis& a, const Axis& b) {
                return std::abs(a.stride) > std::abs(b.stride);
              });
  }

  // Takes the fastest axis out.
  Axis TakeFastest() { return rank_ > 0 ? axes_[--rank_] : Axis{}; }

  // Calls visit(place) for every combination, from `start` on.
  template <typename Visit>
  void ForEach(Place start, const Visit& visit) const {
    for (std::size_t i = 0; i < rank_; ++i) {
      if (axes_[i].length == 0) return;
    }
    std::array<std::int64_t, kMaxRank> index{};
    for (;;) {
      visit(start);
      if (!Next(index, start)) return;
    }
  }

 private:
  bool Next(std::array<std::int64_t, kMaxRank>& index, Place& place) const {
    for (std::size_t i = rank_; i-- > 0;) {
      const Axis& axis = axes_[i];
      place.offset += axis.stride;
      place.bit += axis.bits;
      if (++index[i] < axis.length) return true;
      place.offset -= axis.stride * axis.length;
      place.bit -= axis.bits * axis.length;
      index[i] = 0;
    }
    return false;
  }

  std::array<Axis, kMaxRank> axes_{};
  std::size_t rank_ = 0;
};

std::array<std::int64_t, kMaxRank> StridesOf(const TensorView& view) {
  if (!view.is_dense) return view.strides;
  std::array<std::int64_t, kMaxRank> strides{};
  auto stride = static_cast<std::int64_t>(SizeOf(view.layout.dtype()));
  for (std::size_t axis = view.layout.rank(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= view.layout.shape()[axis];
  }
  return strides;
}

class StridedWalk {
 public:
  StridedWalk(const TensorView& view, UnitAccumulator& accumulator)
      : view_(view), accumulator_(accumulator), size_(SizeOf(dtype())) {
    const auto strides = StridesOf(view);
    const bool marked = StridedClusters(view.layout) == Clusters::kMarked;
    std::int64_t bits = 1;
    for (std::size_t axis = view.layout.rank(); axis-- > 0;) {
      const std::int64_t length = view.layout.shape()[axis];
      if (axis == view.layout.unit_axis()) {
        units_ = {length, strides[axis], 0};
        continue;
      }
      const Axis step{length, strides[axis], bits};
      if (marked && axis == view.layout.cluster_axis()) {
        clusters_ = step;
      } else {
        positions_.Add(step);
      }
      bits *= length;
    }
    positions_.Sort();
  }

  void Walk() {
    const bool in_rows = units_.stride == static_cast<std::int64_t>(size_);
    const Axis fastest = in_rows ? Axis{} : positions_.TakeFastest();
    Place start;
    for (std::int64_t i = 0; i < clusters_.length; ++i) {
      if (in_rows) {
        WalkRows(start);
      } else {
        WalkRuns(start, fastest);
      }
      accumulator_.EndCluster();
      start.offset += clusters_.stride;
      start.bit += clusters_.bits;
    }
  }

 private:
  [[nodiscard]] DataType dtype() const { return view_.layout.dtype(); }

  void WalkRows(Place start) {
    std::array<const std::byte*, UnitAccumulator::kMaxRows> rows;
    std::size_t count = 0;
    const auto flush = [this, &rows, &count] {
      accumulator_.AddRows(0, units_.length, {rows.data(), count});
      count = 0;
    };
    positions_.ForEach(start, [&](const Place& place) {
      if (!IsValid(view_.validity_mask, place.bit)) return;
      rows[count++] = view_.data + place.offset;
      if (count == rows.size()) flush();
    });
    flush();
  }

  void WalkRuns(Place start, const Axis& fastest) {
    const bool is_run = fastest.stride == static_cast<std::int64_t>(size_) &&
                        view_.validity_mask.empty();
    for (Index unit = 0; unit < units_.length; ++unit) {
      positions_.ForEach(start, [&](const Place& place) {
        if (is_run) {
          accumulator_.AddRun(unit, view_.data + place.offset,
                              static_cast<std::size_t>(fastest.length));
        } else {
          Gather(unit, place, fastest);
        }
      });
      Flush(unit);
      start.offset += units_.stride;
    }
  }

  void Gather(Index unit, Place place, const Axis& axis) {
    for (std::int64_t i = 0; i < axis.length; ++i) {
      if (IsValid(view_.validity_mask, place.bit)) {
        std::memcpy(gathered_.data() + gathered_size_,
                    view_.data + place.offset, size_);
        gathered_size_ += size_;
        if (gathered_size_ == gathered_.size()) Flush(unit);
      }
      place.offset += axis.stride;
      place.bit += axis.bits;
    }
  }

  void Flush(Index unit) {
    accumulator_.AddRun(unit, gathered_.data(), gathered_size_ / size_);
    gathered_size_ = 0;
  }

  const TensorView& view_;
  UnitAccumulator& accumulator_;
  std::size_t size_;
  Axis units_;
  Axis clusters_;
  Steps positions_;
  // Entries of one unit side by side; a whole number of every dtype's size.
  std::array<std::byte, 16384> gathered_;
  std::size_t gathered_size_ = 0;
};

}  // namespace

Clusters StridedClusters(const TensorLayout& layout) {
  if (!layout.cluster_axis().has_value()) return Clusters::kNone;
  return layout.position_count() == 1 ? Clusters::kEntry : Clusters::kMarked;
}

void WalkStrided(const TensorView& view, UnitAccumulator& accumulator) {
  StridedWalk(view, accumulator).Walk();
}

}  // namespace firekeeper::core
