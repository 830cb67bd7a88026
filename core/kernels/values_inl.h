// What both kernels share, compiled once for every instruction set: reading a
// vector of values of any dtype, and adding it to running sums.

#if defined(FIREKEEPER_CORE_KERNELS_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FIREKEEPER_CORE_KERNELS_VALUES_INL_H_
#undef FIREKEEPER_CORE_KERNELS_VALUES_INL_H_
#else
#define FIREKEEPER_CORE_KERNELS_VALUES_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/comparisons.h"
#include "core/tensor_view.h"

HWY_BEFORE_NAMESPACE();
namespace firekeeper::core::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Loads are of bytes, because tensors promise no alignment.
template <typename D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const std::byte* data) {
#if HWY_TARGET == HWY_SCALAR
  hn::TFromD<D> value{};
  hwy::CopyBytes<sizeof(value)>(data, &value);
  return hn::Set(d, value);
#else
  const hn::Repartition<std::uint8_t, D> bytes;
  return hn::BitCast(
      d, hn::LoadU(bytes, reinterpret_cast<const std::uint8_t*>(data)));
#endif
}

// How values of one dtype become a vector of the type Real.
struct F64Values {
  using Real = double;
  static constexpr std::size_t kSize = 8;
  template <typename D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* data) {
    return LoadBytes(d, data);
  }
};

struct F32Values {
  using Real = float;
  static constexpr std::size_t kSize = 4;
  template <typename D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* data) {
    return LoadBytes(d, data);
  }
};

struct F16Values {
  using Real = float;
  static constexpr std::size_t kSize = 2;

  // Exponent and mantissa move to their places in binary32; the product with
  // 2^112 corrects the bias, of subnormals as well.
  template <typename D>
  static HWY_INLINE hn::Vec<D> Widen(
      D d, hn::Vec<hn::Rebind<std::uint16_t, D>> halves) {
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::PromoteTo(du, halves);
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000U)));
    const auto rest = hn::And(bits, hn::Set(du, 0x7FFFU));
    const auto size =
        hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(rest)), hn::Set(d, 0x1p112F));
    const auto is_finite = hn::Lt(size, hn::Set(d, 65536.0F));
    const auto special =
        hn::Or(hn::BitCast(du, size), hn::Set(du, 0x7F800000U));
    const auto value = hn::IfThenElse(is_finite, size, hn::BitCast(d, special));
    return hn::Or(value, hn::BitCast(d, sign));
  }

  template <typename D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* data) {
    const hn::Rebind<std::uint16_t, D> halves;
    const auto bits = LoadBytes(halves, data);
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    const hn::Rebind<hwy::float16_t, D> f16;
    return hn::PromoteTo(d, hn::BitCast(f16, bits));
#else
    // Highway 1.0.3 takes infinities and NaN for numbers where the machine has
    // no such instruction.
    return Widen(d, bits);
#endif
  }
};

struct Bf16Values {
  using Real = float;
  static constexpr std::size_t kSize = 2;
  template <typename D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* data) {
    const hn::Rebind<std::uint16_t, D> halves;
    const hn::RebindToUnsigned<D> words;
    return hn::BitCast(
        d, hn::ShiftLeft<16>(hn::PromoteTo(words, LoadBytes(halves, data))));
  }
};

// Running sums of the lanes of some vectors. Distances are from a pivot: the
// variance of values far from zero would drown otherwise. NaN and infinities
// make `squares` or `sizes` not finite.
template <typename D, std::size_t LimitCount, bool SkipZeros>
struct Sums {
  using Real = hn::TFromD<D>;
  using V = hn::Vec<D>;
  using DI = hn::RebindToSigned<D>;

  D d;
  V distances = hn::Zero(d);
  V squares = hn::Zero(d);
  V sizes = hn::Zero(d);
  V min = hn::Set(d, std::numeric_limits<Real>::infinity());
  V max = hn::Set(d, -std::numeric_limits<Real>::infinity());
  std::array<hn::Vec<DI>, LimitCount> counts;

  HWY_INLINE Sums() {
    for (auto& count : counts) count = hn::Zero(DI());
  }

  // The sums that round, of many groups of vectors.
  struct Reals {
    V distances;
    V squares;
    V sizes;

    HWY_INLINE Reals()
        : distances(hn::Zero(D())),
          squares(hn::Zero(D())),
          sizes(hn::Zero(D())) {}
  };
  HWY_INLINE void AddReals(const Reals& reals) {
    distances = hn::Add(distances, reals.distances);
    squares = hn::Add(squares, reals.squares);
    sizes = hn::Add(sizes, reals.sizes);
  }
  // Adds them to `total` and begins them anew.
  HWY_INLINE void MoveRealsTo(Reals& total) {
    AddReals(total);
    total.distances = distances;
    total.squares = squares;
    total.sizes = sizes;
    distances = squares = sizes = hn::Zero(d);
  }

  // NonNegative: `sizes` and the count of Comparisons::kNotNegative are left
  // alone, because they follow from the rest where no value is negative.
  template <bool NonNegative = false>
  HWY_INLINE void Add(V x, V pivot, const std::array<V, LimitCount>& limits) {
    static_assert(Comparisons::kNotNegative == 0);
    for (std::size_t i = NonNegative ? 1 : 0; i < LimitCount; ++i) {
      counts[i] = AddTrue(counts[i], hn::Ge(x, limits[i]));
    }
    if constexpr (!NonNegative) sizes = hn::Add(sizes, hn::Abs(x));
    V distance = hn::Sub(x, pivot);
    if constexpr (SkipZeros) {
      const auto is_zero = hn::Eq(x, hn::Zero(d));
      distance = hn::IfThenZeroElse(is_zero, distance);
      min = hn::Min(min, hn::IfThenElse(is_zero, min, x));
      max = hn::Max(max, hn::IfThenElse(is_zero, max, x));
    } else {
      min = hn::Min(min, x);
      max = hn::Max(max, x);
    }
    distances = hn::Add(distances, distance);
    squares = hn::MulAdd(distance, distance, squares);
  }

 private:
  static HWY_INLINE hn::Vec<DI> AddTrue(hn::Vec<DI> count, hn::Mask<D> mask) {
    const DI di;
#if HWY_TARGET <= HWY_AVX3
    // One masked addition; a vector from a mask would be one more.
    return hn::IfThenElse(hn::RebindMask(di, mask),
                          hn::Add(count, hn::Set(di, 1)), count);
#else
    return hn::Sub(count, hn::BitCast(di, hn::VecFromMask(D(), mask)));
#endif
  }
};

template <std::size_t LimitCount, typename D>
HWY_INLINE void SetLimits(D d, const Comparisons& comparisons,
                          std::array<hn::Vec<D>, LimitCount>& limits) {
  for (std::size_t i = 0; i < LimitCount; ++i) {
    limits[i] = hn::Set(d, static_cast<hn::TFromD<D>>(comparisons.limits[i]));
  }
}

// Calls run.template operator()<Values, LimitCount, SkipZeros>() for what the
// arguments say. Few variants: unused limits cost less than compiled code.
template <typename Values, typename Run>
HWY_INLINE auto WithVariant(std::size_t limit_count, bool skip_zeros,
                            const Run& run) {
  if (skip_zeros) return run.template operator()<Values, kMaxLimits, true>();
  if (limit_count <= 2) return run.template operator()<Values, 2, false>();
  if (limit_count <= 4) return run.template operator()<Values, 4, false>();
  return run.template operator()<Values, kMaxLimits, false>();
}

template <typename Run>
HWY_INLINE auto WithValues(DataType dtype, std::size_t limit_count,
                           bool skip_zeros, const Run& run) {
  switch (dtype) {
    case DataType::kF64:
      return WithVariant<F64Values>(limit_count, skip_zeros, run);
    case DataType::kF32:
      return WithVariant<F32Values>(limit_count, skip_zeros, run);
    case DataType::kF16:
      return WithVariant<F16Values>(limit_count, skip_zeros, run);
    case DataType::kBf16:
      break;
  }
  return WithVariant<Bf16Values>(limit_count, skip_zeros, run);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace firekeeper::core::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // FIREKEEPER_CORE_KERNELS_VALUES_INL_H_
