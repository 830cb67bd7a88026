// Tensors of any dtype, shape, strides and alignment for the tests of the
// reduction, and what to compare two summaries by.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "core/reduce.h"
#include "core/tensor_view.h"
#include "core/unit_summary.h"

namespace firekeeper::testing {

// What the values of a random tensor are like.
enum class Values {
  kNormal,
  kRectified,          // half of them zeros, of either sign
  kRarelyNegative,     // one in ten thousand is
  kSparse,             // one in fifty is not zero
  kFar,                // mean 1000 times the deviation
  kPositiveNonFinite,  // no negative value, some NaN and infinities
  kPositiveHuge,       // kHuge without a sign
  kConstant,           // one value a unit
  kNonFinite,          // NaN and infinities among normal ones
  kHuge,               // the end of the range: sums of binary32 overflow
  kSubnormal,          // below the smallest normal, and zeros
  kAllZero,
  kAnyBits,  // every pattern of bits
};

inline constexpr std::array<Values, 13> kAllValues = {
    Values::kNormal,       Values::kRectified, Values::kRarelyNegative,
    Values::kSparse,       Values::kFar,       Values::kConstant,
    Values::kNonFinite,    Values::kHuge,      Values::kSubnormal,
    Values::kAllZero,      Values::kAnyBits,   Values::kPositiveNonFinite,
    Values::kPositiveHuge,
};

// Rounds to nearest even, by Eigen's conversions.
void Encode(core::DataType dtype, double value, std::byte* to);

// A tensor that owns its memory.
struct OwnedTensor {
  core::TensorView view;
  std::vector<std::byte> memory;
  std::vector<std::byte> mask;
};

struct TensorShape {
  core::DataType dtype = core::DataType::kF32;
  std::vector<std::int64_t> shape;
  int unit_axis = 0;
  std::optional<int> cluster_axis;
};

// Dense, from the first value on, aligned by chance only.
[[nodiscard]] OwnedTensor DenseTensor(const TensorShape& shape, Values values,
                                      std::mt19937_64& generator);

// The same values with axes in a random order in memory, gaps between them and
// some of them backwards, at an odd address.
[[nodiscard]] OwnedTensor Scattered(const OwnedTensor& dense,
                                    std::mt19937_64& generator);

// Leaves out one (cluster, position) in three.
void AddMask(OwnedTensor& tensor, std::mt19937_64& generator);

// Random rank, axes and lengths, among them 0 and 1.
[[nodiscard]] TensorShape RandomShape(core::DataType dtype,
                                      std::mt19937_64& generator);

// All integers, min and max are equal; abs_sum and m2 agree to `tolerance`
// relative, mean to `tolerance` times the mean |value|.
void ExpectSameSummary(const core::UnitSummary& actual,
                       const core::UnitSummary& expected, double tolerance);

}  // namespace firekeeper::testing
