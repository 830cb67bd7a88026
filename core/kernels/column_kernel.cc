#include "core/kernels/column_kernel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "core/kernels/spread.h"

// As in plane_kernel.cc.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/column_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/kernels/values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace firekeeper::core::kernels::HWY_NAMESPACE {
namespace {

// Rows in one pass over the tile. No more: rows are often a multiple of the
// page apart and then share one set of the first-level cache, which has 8 ways.
constexpr std::size_t kPassRows = 8;

// Fewer rows are not worth a second try.
constexpr std::size_t kLeastRowsToExpect = 16;
// How many of them are looked at first.
constexpr std::size_t kRowsToLookAt = 3;

// Partial sums of a tile, one entry a column, with a vector to spare.
template <typename Real>
struct Partials {
  using Count = hwy::MakeSigned<Real>;

  explicit Partials(std::byte* memory) {
    for (Real** array : {&pivot, &distances, &squares, &sizes, &min, &max}) {
      *array = reinterpret_cast<Real*>(memory);
      memory += TileBuffer::kArrayBytes;
    }
    for (Count*& array : counts) {
      array = reinterpret_cast<Count*>(memory);
      memory += TileBuffer::kArrayBytes;
    }
    edge = memory;
  }

  Real* pivot = nullptr;
  Real* distances = nullptr;
  Real* squares = nullptr;
  Real* sizes = nullptr;
  Real* min = nullptr;
  Real* max = nullptr;
  std::array<Count*, kMaxLimits> counts{};
  std::byte* edge = nullptr;  // the last columns of every row, 64 bytes each
};

// NonNegative: requires that no value is negative; Complete() tells.
template <typename Values, std::size_t LimitCount, bool SkipZeros,
          bool NonNegative>
class TileSums {
  using Real = typename Values::Real;
  using D = hn::ScalableTag<Real>;
  using S = Sums<D, LimitCount, SkipZeros>;
  using V = hn::Vec<D>;

 public:
  TileSums(const Comparisons& comparisons, const Partials<Real>& partials)
      : partials_(partials) {
    SetLimits<LimitCount>(d_, comparisons, limits_);
  }

  // Whole vectors of columns, from `column` on; `rows` point at `column`.
  void AddVectors(std::span<const std::byte* const> rows,
                  std::size_t byte_offset, std::size_t column,
                  std::size_t vectors) {
    const std::size_t vectors_in_line =
        std::max<std::size_t>(1, 64 / (hn::Lanes(d_) * Values::kSize));
    for (std::size_t first = 0; first < rows.size(); first += kPassRows) {
      const auto left = rows.subspan(first);
      const auto pass = left.first(std::min(kPassRows, left.size()));
      // The next rows lie in other pages, where the processor's own prefetcher
      // begins anew.
      const auto next = left.subspan(pass.size());
      const auto ahead = next.first(std::min(kPassRows, next.size()));
      std::size_t offset = byte_offset;
      std::size_t at = column;
      for (std::size_t i = 0; i < vectors; ++i) {
        if (i % vectors_in_line == 0) {
          for (const std::byte* row : ahead) __builtin_prefetch(row + offset);
        }
        if (first == 0) Start(pass, offset, at);
        Pass(pass, offset, at);
        offset += hn::Lanes(d_) * Values::kSize;
        at += hn::Lanes(d_);
      }
    }
  }

  // Fills in what follows where no value of the first `columns` is negative.
  // False: some are, or are NaN, and the sums are to be made anew.
  [[nodiscard]] bool Complete(std::size_t row_count, std::size_t columns) {
    static_assert(NonNegative);
    const typename S::DI di;
    const auto all =
        hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(row_count));
    const V rows = hn::Set(d_, static_cast<Real>(row_count));
    for (std::size_t at = 0; at < columns; at += hn::Lanes(d_)) {
      const V min = hn::Load(d_, partials_.min + at);
      if (!hn::AllTrue(d_, hn::Ge(min, hn::Zero(d_)))) return false;
      const V sizes = hn::MulAdd(hn::Load(d_, partials_.pivot + at), rows,
                                 hn::Load(d_, partials_.distances + at));
      hn::Store(sizes, d_, partials_.sizes + at);
      hn::Store(all, di, partials_.counts[Comparisons::kNotNegative] + at);
    }
    return true;
  }

 private:
  // The middle one of the first three rows: one outlier does not become the
  // pivot.
  HWY_INLINE V Pivot(std::span<const std::byte* const> rows,
                     std::size_t offset) const {
    const V a = Values::Load(d_, rows[0] + offset);
    if (rows.size() < 3) return a;
    const V b = Values::Load(d_, rows[1] + offset);
    const V c = Values::Load(d_, rows[2] + offset);
    return hn::Max(hn::Min(a, b), hn::Min(hn::Max(a, b), c));
  }

  HWY_INLINE void Start(std::span<const std::byte* const> rows,
                        std::size_t offset, std::size_t at) const {
    hn::Store(Pivot(rows, offset), d_, partials_.pivot + at);
    Store(S(), at);
  }

  HWY_INLINE void Store(const S& sums, std::size_t at) const {
    hn::Store(sums.distances, d_, partials_.distances + at);
    hn::Store(sums.squares, d_, partials_.squares + at);
    if constexpr (!NonNegative) {
      hn::Store(sums.sizes, d_, partials_.sizes + at);
    }
    hn::Store(sums.min, d_, partials_.min + at);
    hn::Store(sums.max, d_, partials_.max + at);
    for (std::size_t i = kFirstLimit; i < LimitCount; ++i) {
      hn::Store(sums.counts[i], typename S::DI(), partials_.counts[i] + at);
    }
  }

  HWY_INLINE void Pass(std::span<const std::byte* const> rows,
                       std::size_t offset, std::size_t at) const {
    const V pivot = hn::Load(d_, partials_.pivot + at);
    S sums;
    sums.min = hn::Load(d_, partials_.min + at);
    sums.max = hn::Load(d_, partials_.max + at);
    for (std::size_t i = kFirstLimit; i < LimitCount; ++i) {
      sums.counts[i] = hn::Load(typename S::DI(), partials_.counts[i] + at);
    }
    for (const std::byte* row : rows) {
      sums.template Add<NonNegative>(Values::Load(d_, row + offset), pivot,
                                     limits_);
    }
    sums.distances =
        hn::Add(sums.distances, hn::Load(d_, partials_.distances + at));
    sums.squares = hn::Add(sums.squares, hn::Load(d_, partials_.squares + at));
    if constexpr (!NonNegative) {
      sums.sizes = hn::Add(sums.sizes, hn::Load(d_, partials_.sizes + at));
    }
    Store(sums, at);
  }

  // Complete() fills what is left out before.
  static constexpr std::size_t kFirstLimit = NonNegative ? 1 : 0;

  D d_;
  Partials<Real> partials_;
  std::array<V, LimitCount> limits_;
};

// A vector of doubles from partial sums or counts of either width.
template <typename D64, typename Partial>
HWY_INLINE hn::Vec<D64> ToDouble(D64 d, const Partial* from) {
  const hn::Rebind<Partial, D64> narrow;
  const auto values = hn::LoadU(narrow, from);
  if constexpr (std::is_same_v<Partial, double>) {
    return values;
  } else if constexpr (std::is_same_v<Partial, std::int64_t>) {
    return hn::ConvertTo(d, values);
  } else {
    return hn::PromoteTo(d, values);
  }
}

// Moves the partial sums of a tile into the state of its units.
template <typename Real, bool SkipZeros>
class Folding {
 public:
  using Count = hwy::MakeSigned<Real>;

  Folding(const Tile& tile, std::size_t limit_count,
          const Partials<Real>& partials, UnitColumns& state)
      : partials_(partials),
        state_(state),
        first_(tile.first_unit),
        width_(tile.width),
        rows_(static_cast<double>(tile.rows.size())),
        limit_count_(limit_count) {}

  std::size_t Fold(std::span<std::uint32_t> left_out) {
    const hn::ScalableTag<double> d;
    std::size_t left = 0;
    std::size_t column = 0;
    for (; column + hn::Lanes(d) <= width_; column += hn::Lanes(d)) {
      FoldVector(d, column, left_out, left);
    }
    const hn::CappedTag<double, 1> one;
    for (; column < width_; ++column) {
      FoldVector(one, column, left_out, left);
    }
    return left;
  }

 private:
  // Chan, Golub and LeVeque 1979, as Join() of core/moments.h.
  template <typename D>
  HWY_INLINE void FoldVector(D d, std::size_t column,
                             std::span<std::uint32_t> left_out,
                             std::size_t& left) {
    using V = hn::Vec<D>;
    const std::size_t unit = first_ + column;
    const auto one = hn::Set(d, 1.0);
    V rows = hn::Set(d, rows_);
    if constexpr (SkipZeros) {
      rows = hn::Sub(rows, hn::Sub(ToDouble(d, partials_.counts[0] + column),
                                   ToDouble(d, partials_.counts[1] + column)));
    }
    const V squares = ToDouble(d, partials_.squares + column);
    const V sizes = ToDouble(d, partials_.sizes + column);
    const V min = ToDouble(d, partials_.min + column);
    const V max = ToDouble(d, partials_.max + column);
    const V shift =
        hn::Div(ToDouble(d, partials_.distances + column), hn::Max(rows, one));
    const V m2 = hn::NegMulAdd(hn::Mul(shift, shift), rows, squares);
    V mean = hn::Add(ToDouble(d, partials_.pivot + column), shift);
    if constexpr (SkipZeros) {
      mean = hn::IfThenZeroElse(hn::Eq(rows, hn::Zero(d)), mean);
    }

    const V old_count = hn::LoadU(d, state_.count.data() + unit);
    const V old_mean = hn::LoadU(d, state_.mean.data() + unit);
    const V old_m2 = hn::LoadU(d, state_.m2.data() + unit);
    const V count = hn::Add(old_count, rows);
    const V weight = hn::Div(rows, hn::Max(count, one));
    const V delta = hn::Sub(mean, old_mean);
    const V between =
        hn::Mul(hn::Mul(delta, hn::Mul(old_count, weight)), delta);

    // The difference of a number from itself is zero only if it is finite.
    const V whole = hn::Add(hn::Add(squares, sizes), delta);
    const auto is_finite = hn::Eq(hn::Sub(whole, whole), hn::Zero(d));
    const auto is_sharp =
        hn::Le(squares, hn::Mul(m2, hn::Set(d, kMostCancellation)));
    const auto is_large = hn::Or(
        hn::Ge(squares, hn::Set(d, kLeastSquares<Real>)), hn::Ge(min, max));
    const auto good = hn::And(hn::And(is_finite, is_sharp), is_large);

    const auto store = [&](V value, V old, std::vector<double>& column_of) {
      hn::StoreU(hn::IfThenElse(good, value, old), d, column_of.data() + unit);
    };
    store(count, old_count, state_.count);
    store(hn::MulAdd(delta, weight, old_mean), old_mean, state_.mean);
    store(hn::Add(old_m2, hn::Add(hn::Max(m2, hn::Zero(d)), between)), old_m2,
          state_.m2);
    FoldSizes(d, good, column);
    if (HWY_UNLIKELY(!hn::AllTrue(d, good))) {
      LeaveOut(d, good, column, left_out, left);
    }
    AddCounts(d, column);
  }

  template <typename D>
  HWY_INLINE void FoldSizes(D d, hn::Mask<D> good, std::size_t column) {
    const auto fold = [&](const Real* partial, std::vector<double>& of,
                          const auto& join) {
      double* const to = of.data() + first_ + column;
      const auto old = hn::LoadU(d, to);
      const auto joined = join(old, ToDouble(d, partial + column));
      hn::StoreU(hn::IfThenElse(good, joined, old), d, to);
    };
    fold(partials_.sizes, state_.abs_sum,
         [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
    fold(partials_.min, state_.min,
         [](auto a, auto b) HWY_ATTR { return hn::Min(a, b); });
    fold(partials_.max, state_.max,
         [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
  }

  // Notes which columns of a vector are not good and takes their counts back.
  template <typename D>
  HWY_INLINE void LeaveOut(D d, hn::Mask<D> good, std::size_t column,
                           std::span<std::uint32_t> left_out,
                           std::size_t& left) const {
    alignas(64) std::array<double, 8> marks{};
    hn::StoreU(hn::IfThenElseZero(good, hn::Set(d, 1.0)), d, marks.data());
    for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
      if (marks[i] != 0.0) continue;
      left_out[left++] = static_cast<std::uint32_t>(column + i);
      for (std::size_t k = 0; k < limit_count_; ++k) {
        partials_.counts[k][column + i] = 0;
      }
    }
  }

  template <typename D>
  HWY_INLINE void AddCounts(D /*d*/, std::size_t column) const {
    const hn::RebindToSigned<D> d64;
    const hn::Rebind<Count, D> narrow;
    for (std::size_t k = 0; k < limit_count_; ++k) {
      auto* const to = reinterpret_cast<std::int64_t*>(
          state_.at_least[k].data() + first_ + column);
      const auto counts = hn::LoadU(narrow, partials_.counts[k] + column);
      if constexpr (sizeof(Count) == 8) {
        hn::StoreU(hn::Add(hn::LoadU(d64, to), counts), d64, to);
      } else {
        hn::StoreU(hn::Add(hn::LoadU(d64, to), hn::PromoteTo(d64, counts)), d64,
                   to);
      }
    }
  }

  const Partials<Real>& partials_;
  UnitColumns& state_;
  std::size_t first_;
  std::size_t width_;
  double rows_;
  std::size_t limit_count_;
};

// Of the first `used` counts of one column.
template <typename Count>
HWY_INLINE Count SignedSum(const std::array<Count*, kMaxLimits>& counts,
                           const std::array<Count, kMaxLimits>& signs,
                           std::size_t used, std::size_t column) {
  Count sum = 0;
  for (std::size_t k = 0; k < used; ++k) sum += signs[k] * counts[k][column];
  return sum;
}

// Notes what was seen of every unit in the open cluster. Requires: the counts
// of units that were left out are zero; `left_out` says which they are.
template <typename Count>
void MarkSeen(const Tile& tile, const Comparisons& comparisons,
              const std::array<Count*, kMaxLimits>& counts,
              std::span<const std::uint32_t> left_out, UnitColumns& state) {
  std::array<Count, kMaxLimits> signs{};
  for (std::size_t k = 0; k < kMaxLimits; ++k) {
    signs[k] = static_cast<Count>(comparisons.firing_signs[k]);
  }
  const auto rows = static_cast<Count>(tile.rows.size());
  const Count all = comparisons.firing_entries != 0 ? rows : 0;
  std::uint32_t* const seen = state.seen.data() + tile.first_unit;
  const std::size_t used = comparisons.limit_count;
  auto skipped = left_out.begin();
  for (std::size_t i = 0; i < tile.width; ++i) {
    if (skipped != left_out.end() && *skipped == i) {
      ++skipped;
      continue;
    }
    const Count firings = all + SignedSum(counts, signs, used, i);
    const Count zeros = counts[0][i] - counts[1][i];
    const Count zero_firings = comparisons.zero_fires ? zeros : 0;
    seen[i] |= kSeenFinite | (firings > 0 ? kSeenFiring : 0U) |
               (rows > zeros ? kSeenNonZero : 0U) |
               (firings > zero_firings ? kSeenNonZeroFiring : 0U);
  }
}

// Copies the last `count` columns of every row to places of 64 bytes.
template <typename Values>
void CopyEdge(const Tile& tile, std::size_t count, std::byte* edge,
              std::span<const std::byte*> rows) {
  const std::size_t offset =
      tile.byte_offset + (tile.width - count) * Values::kSize;
  for (std::size_t i = 0; i < tile.rows.size(); ++i) {
    std::byte* const to = edge + i * 64;
    std::memset(to, 0, 64);
    std::memcpy(to, tile.rows[i] + offset, count * Values::kSize);
    rows[i] = to;
  }
}

// Sums of all columns of a tile; how many columns, to whole vectors.
template <typename Values, typename Sums, typename Real>
std::size_t AddColumns(const Tile& tile, const Partials<Real>& partials,
                       Sums& sums) {
  const hn::ScalableTag<Real> d;
  const std::size_t vectors = tile.width / hn::Lanes(d);
  sums.AddVectors(tile.rows, tile.byte_offset, 0, vectors);
  const std::size_t done = vectors * hn::Lanes(d);
  if (done == tile.width) return done;
  std::array<const std::byte*, kMaxRows> rows;
  CopyEdge<Values>(tile, tile.width - done, partials.edge, rows);
  sums.AddVectors({rows.data(), tile.rows.size()}, 0, done, 1);
  return done + hn::Lanes(d);
}

// Whether a value of the first rows is negative; the last columns aside.
template <typename Values>
bool BeginsNegative(const Tile& tile) {
  const hn::ScalableTag<typename Values::Real> d;
  auto least = hn::Zero(d);
  for (const std::byte* row : tile.rows.first(kRowsToLookAt)) {
    const std::byte* from = row + tile.byte_offset;
    for (std::size_t i = hn::Lanes(d); i <= tile.width; i += hn::Lanes(d)) {
      least = hn::Min(least, Values::Load(d, from));
      from += hn::Lanes(d) * Values::kSize;
    }
  }
  return !hn::AllTrue(d, hn::Ge(least, hn::Zero(d)));
}

// The sums by the shorter way; whether it was the right one. Requires: as many
// rows as are looked at.
template <typename Values, std::size_t LimitCount>
bool AddNonNegative(const Tile& tile, const Comparisons& comparisons,
                    const Partials<typename Values::Real>& partials) {
  if (BeginsNegative<Values>(tile)) return false;
  TileSums<Values, LimitCount, false, true> sums(comparisons, partials);
  const std::size_t columns = AddColumns<Values>(tile, partials, sums);
  return sums.Complete(tile.rows.size(), columns);
}

template <typename Values, std::size_t LimitCount, bool SkipZeros>
std::size_t Add(const Tile& tile, const Comparisons& comparisons,
                UnitColumns& state, TileBuffer& buffer,
                std::span<std::uint32_t> left_out) {
  using Real = typename Values::Real;
  const Partials<Real> partials(buffer.data());
  bool done = false;
  const bool enough = tile.rows.size() >= kLeastRowsToExpect;
  if constexpr (!SkipZeros) {
    if (enough && buffer.expects_non_negative()) {
      done = AddNonNegative<Values, LimitCount>(tile, comparisons, partials);
      buffer.ExpectNonNegative(done);
    }
  }
  if (!done) {
    TileSums<Values, LimitCount, SkipZeros, false> sums(comparisons, partials);
    AddColumns<Values>(tile, partials, sums);
  }

  const std::size_t limit_count = std::min(LimitCount, comparisons.limit_count);
  const std::size_t left =
      Folding<Real, SkipZeros>(tile, limit_count, partials, state)
          .Fold(left_out);
  if (!state.seen.empty()) {
    MarkSeen(tile, comparisons, partials.counts, left_out.first(left), state);
  }
  return left;
}

std::size_t AddTileOn(const Tile& tile, const Comparisons& comparisons,
                      UnitColumns& state, TileBuffer& buffer,
                      std::span<std::uint32_t> left_out) {
  return WithValues(
      tile.dtype, comparisons.limit_count, tile.skip_zeros,
      [&]<typename Values, std::size_t LimitCount, bool SkipZeros>() {
        return Add<Values, LimitCount, SkipZeros>(tile, comparisons, state,
                                                  buffer, left_out);
      });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace firekeeper::core::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace firekeeper::core::kernels {

HWY_EXPORT(AddTileOn);

TileBuffer::TileBuffer() : bytes_(kBytes + 64) {}

std::byte* TileBuffer::data() {
  void* place = bytes_.data();
  std::size_t space = bytes_.size();
  return static_cast<std::byte*>(std::align(64, kBytes, place, space));
}

std::size_t AddTile(const Tile& tile, const Comparisons& comparisons,
                    UnitColumns& state, TileBuffer& buffer,
                    std::span<std::uint32_t> left_out) {
  return HWY_DYNAMIC_DISPATCH(AddTileOn)(tile, comparisons, state, buffer,
                                         left_out);
}

}  // namespace firekeeper::core::kernels
#endif
