#include "core/kernels/plane_kernel.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/kernels/spread.h"

// Instruction sets that add code and no speed, and those whose vectors have no
// size at compile time.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/plane_kernel.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/kernels/values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace firekeeper::core::kernels::HWY_NAMESPACE {
namespace {

// Vectors that are added up before they enter the sums of the run: short sums
// of short sums round less. About the root of the vectors in a run.
template <typename D>
HWY_INLINE constexpr std::size_t GroupSize(D d) {
  if (hn::MaxLanes(d) >= 16) return 16;
  return hn::MaxLanes(d) >= 4 ? 32 : 64;
}

// The arithmetic keeps the processor from running far ahead on its own. What
// follows a run is the next one.
constexpr std::size_t kAheadBytes = 4096;

template <typename Values>
HWY_INLINE typename Values::Real First(const std::byte* data) {
  const hn::CappedTag<typename Values::Real, 1> one;
  return hn::GetLane(Values::Load(one, data));
}

// The middle one of three entries: one outlier does not become the pivot.
template <typename Values>
HWY_INLINE typename Values::Real Pivot(const std::byte* data,
                                       std::size_t count) {
  const auto a = First<Values>(data);
  const auto b = First<Values>(data + count / 2 * Values::kSize);
  const auto c = First<Values>(data + (count - 1) * Values::kSize);
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// A vector of which only the lanes of `valid` are entries: the others become
// the pivot, which adds no distance; what it adds to counts and sizes is taken
// off again.
template <typename S, typename D, std::size_t LimitCount>
HWY_INLINE void AddPart(D d, hn::Vec<D> loaded, hn::Mask<D> valid,
                        const std::array<hn::Vec<D>, LimitCount>& limits,
                        hn::Vec<D> pivot, S& sums) {
  const auto x = hn::IfThenElse(valid, loaded, pivot);
  const auto padding = hn::IfThenZeroElse(valid, pivot);
  sums.Add(x, pivot, limits);
  sums.sizes = hn::Sub(sums.sizes, hn::Abs(padding));
  const typename S::DI di;
  for (std::size_t i = 0; i < LimitCount; ++i) {
    const auto counted = hn::AndNot(valid, hn::Ge(pivot, limits[i]));
    sums.counts[i] =
        hn::Add(sums.counts[i], hn::BitCast(di, hn::VecFromMask(d, counted)));
  }
}

// The last of `count` entries, fewer than a vector. Where it can, reads the
// vector that ends with them.
template <typename Values, typename S, typename D, std::size_t LimitCount>
HWY_INLINE void AddTail(D d, const std::byte* data, std::size_t count,
                        const std::array<hn::Vec<D>, LimitCount>& limits,
                        hn::Vec<D> pivot, S& sums) {
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t tail = count % lanes;
  if (count >= lanes) {
    const auto loaded = Values::Load(d, data + (count - lanes) * Values::kSize);
    const auto valid = hn::Not(hn::FirstN(d, lanes - tail));
    return AddPart(d, loaded, valid, limits, pivot, sums);
  }
  alignas(64) std::array<std::byte, 64> bytes{};
  std::copy_n(data, count * Values::kSize, bytes.data());
  AddPart(d, Values::Load(d, bytes.data()), hn::FirstN(d, tail), limits, pivot,
          sums);
}

// False where the sums are not good enough.
template <typename Real, typename D, std::size_t LimitCount, bool SkipZeros>
HWY_INLINE bool Finish(const Sums<D, LimitCount, SkipZeros>& sums,
                       std::size_t entries, double pivot, Piece& piece) {
  using S = Sums<D, LimitCount, SkipZeros>;
  const D d;
  const typename S::DI di;
  const auto sum = [d](hn::Vec<D> v) {
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, v)));
  };
  for (std::size_t i = 0; i < LimitCount; ++i) {
    piece.at_least[i] = static_cast<std::uint64_t>(
        hn::GetLane(hn::SumOfLanes(di, sums.counts[i])));
  }
  piece.abs_sum = sum(sums.sizes);
  piece.min = static_cast<double>(hn::GetLane(hn::MinOfLanes(d, sums.min)));
  piece.max = static_cast<double>(hn::GetLane(hn::MaxOfLanes(d, sums.max)));
  piece.finite = entries;
  const std::uint64_t out = SkipZeros ? Comparisons::Zeros(piece.at_least) : 0;
  const double squares = sum(sums.squares);
  // One test for every entry that is not finite and every overflow.
  if (!std::isfinite(squares + piece.abs_sum)) return false;
  if (entries == out) return true;

  const auto count = static_cast<double>(entries - out);
  const double mean_distance = sum(sums.distances) / count;
  const double m2 = squares - mean_distance * mean_distance * count;
  piece.moments = {
      .count = count, .mean = pivot + mean_distance, .m2 = std::max(m2, 0.0)};
  const bool underflows =
      squares < kLeastSquares<Real> && piece.min < piece.max;
  return squares <= m2 * kMostCancellation && !underflows;
}

template <typename Values, std::size_t LimitCount, bool SkipZeros>
bool Run(const std::byte* data, std::size_t count,
         const Comparisons& comparisons, Piece& piece) {
  using Real = typename Values::Real;
  const hn::ScalableTag<Real> d;
  using S = Sums<hn::ScalableTag<Real>, LimitCount, SkipZeros>;
  const std::size_t lanes = hn::Lanes(d);
  const Real first = Pivot<Values>(data, count);
  const auto pivot = hn::Set(d, first);
  std::array<hn::Vec<hn::ScalableTag<Real>>, LimitCount> limits;
  SetLimits<LimitCount>(d, comparisons, limits);

  S sums;
  typename S::Reals total;
  std::size_t i = 0;
  while (i + lanes <= count) {
    const std::size_t end = std::min(count, i + GroupSize(d) * lanes);
    for (; i + lanes <= end; i += lanes) {
      __builtin_prefetch(data + i * Values::kSize + kAheadBytes);
      sums.Add(Values::Load(d, data + i * Values::kSize), pivot, limits);
    }
    sums.MoveRealsTo(total);
  }
  if (i < count) {
    AddTail<Values>(d, data, count, limits, pivot, sums);
  }
  sums.AddReals(total);
  return Finish<Real>(sums, count, static_cast<double>(first), piece);
}

bool ReduceRunOn(DataType dtype, const std::byte* data, std::size_t count,
                 const Comparisons& comparisons, bool skip_zeros,
                 Piece& piece) {
  return WithValues(
      dtype, comparisons.limit_count, skip_zeros,
      [&]<typename Values, std::size_t LimitCount, bool SkipZeros>() {
        return Run<Values, LimitCount, SkipZeros>(data, count, comparisons,
                                                  piece);
      });
}

std::string_view TargetOn() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace firekeeper::core::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace firekeeper::core::kernels {

HWY_EXPORT(ReduceRunOn);
HWY_EXPORT(TargetOn);

bool ReduceRun(DataType dtype, const std::byte* data, std::size_t count,
               const Comparisons& comparisons, bool skip_zeros, Piece& piece) {
  return HWY_DYNAMIC_DISPATCH(ReduceRunOn)(dtype, data, count, comparisons,
                                           skip_zeros, piece);
}

std::string_view Target() { return HWY_DYNAMIC_DISPATCH(TargetOn)(); }

}  // namespace firekeeper::core::kernels
#endif
