#include "tests/unit/core/tensor_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace firekeeper::testing {
namespace {

using core::DataType;
using core::Index;
using core::TensorLayout;

template <typename Stored>
void Write(Stored value, std::byte* to) {
  std::memcpy(to, &value, sizeof(value));
}

double LargestOf(DataType dtype) {
  switch (dtype) {
    case DataType::kF64:
      return 1e300;  // its squares overflow, its sums do not
    case DataType::kF32:
      return static_cast<double>(std::numeric_limits<float>::max());
    case DataType::kF16:
      return 65504.0;
    case DataType::kBf16:
      break;
  }
  return 3.3895e38;
}

double NonFinite(std::mt19937_64& generator) {
  switch (generator() % 3) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    default:
      return -std::numeric_limits<double>::infinity();
  }
}

double Draw(DataType dtype, Values values, std::mt19937_64& generator) {
  const double normal = std::normal_distribution<double>()(generator);
  switch (values) {
    case Values::kNormal:
    case Values::kAnyBits:
      return normal;
    case Values::kRectified:
      return std::max(normal, generator() % 2 == 0 ? 0.0 : -0.0);
    case Values::kRarelyNegative:
      return generator() % 10'000 == 0 ? -1.0 : std::abs(normal);
    case Values::kSparse:
      return generator() % 50 == 0 ? normal : 0.0;
    case Values::kFar:
      return 1000.0 + normal;
    case Values::kConstant:
      return 3.0;
    case Values::kNonFinite:
      return generator() % 20 == 0 ? NonFinite(generator) : normal;
    case Values::kPositiveNonFinite:
      return generator() % 500 == 0 ? std::abs(NonFinite(generator))
                                    : std::abs(normal);
    case Values::kPositiveHuge:
      return std::abs(std::tanh(normal)) * LargestOf(dtype);
    case Values::kHuge:
      return std::tanh(normal) * LargestOf(dtype);
    case Values::kSubnormal:
      return generator() % 3 == 0 ? 0.0
                                  : normal * core::SmallestNormal(dtype) / 8.0;
    case Values::kAllZero:
      break;
  }
  return 0.0;
}

template <typename Value>
const Value& Pick(const std::vector<Value>& of, std::mt19937_64& generator) {
  return of[generator() % of.size()];
}

void ExpectSameMoments(const core::UnitSummary& actual,
                       const core::UnitSummary& expected, Index unit,
                       double tolerance) {
  const double size = expected.abs_sum[unit];
  ASSERT_FALSE(std::isnan(actual.mean[unit]));
  ASSERT_FALSE(std::isnan(actual.m2[unit]));
  if (std::isinf(size)) {  // the end of the range of double itself
    ASSERT_EQ(actual.abs_sum[unit], size);
    return;
  }
  if (std::isinf(actual.abs_sum[unit])) {
    // Sums are of stored values: they may leave the range before scale enters.
    ASSERT_GE(size, std::numeric_limits<double>::max() / 4096.0);
    return;
  }
  const double n =
      std::max(static_cast<double>(expected.observations[unit]), 1.0);
  ASSERT_NEAR(actual.abs_sum[unit], size, tolerance * size);
  ASSERT_NEAR(actual.mean[unit], expected.mean[unit], tolerance * size / n);
  if (std::isinf(expected.m2[unit])) {
    ASSERT_EQ(actual.m2[unit], expected.m2[unit]);
  } else {
    ASSERT_NEAR(actual.m2[unit], expected.m2[unit],
                tolerance * expected.m2[unit]);
  }
}

}  // namespace

void Encode(DataType dtype, double value, std::byte* to) {
  switch (dtype) {
    case DataType::kF64:
      Write(value, to);
      return;
    case DataType::kF32:
      Write(static_cast<float>(value), to);
      return;
    case DataType::kF16:
      Write(static_cast<Eigen::half>(static_cast<float>(value)), to);
      return;
    case DataType::kBf16:
      Write(static_cast<Eigen::bfloat16>(static_cast<float>(value)), to);
      return;
  }
}

OwnedTensor DenseTensor(const TensorShape& shape, Values values,
                        std::mt19937_64& generator) {
  const TensorLayout layout = *TensorLayout::Create(
      shape.dtype, shape.shape, shape.unit_axis, shape.cluster_axis);
  const std::size_t offset = 1 + generator() % 16;
  OwnedTensor tensor{.view = {.layout = layout},
                     .memory = std::vector<std::byte>(
                         offset + static_cast<std::size_t>(layout.byte_size())),
                     .mask = {}};
  std::byte* const data = tensor.memory.data() + offset;
  const std::size_t size = core::SizeOf(shape.dtype);
  for (std::int64_t i = 0; i < layout.element_count(); ++i) {
    std::byte* const to = data + static_cast<std::size_t>(i) * size;
    Encode(shape.dtype, Draw(shape.dtype, values, generator), to);
    if (values != Values::kAnyBits) continue;
    const std::uint64_t bits = generator();
    std::memcpy(to, &bits, size);
  }
  tensor.view.data = data;
  return tensor;
}

OwnedTensor Scattered(const OwnedTensor& dense, std::mt19937_64& generator) {
  const TensorLayout& layout = dense.view.layout;
  const std::size_t rank = layout.rank();
  std::vector<std::size_t> order(rank);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), generator);

  OwnedTensor tensor{.view = dense.view, .memory = {}, .mask = dense.mask};
  tensor.view.is_dense = false;
  tensor.view.validity_mask = tensor.mask;
  const auto size = static_cast<std::int64_t>(core::SizeOf(layout.dtype()));
  std::int64_t extent = size;
  std::int64_t start = 1;
  for (const std::size_t axis : order) {
    const std::int64_t length = layout.shape()[axis];
    const std::int64_t gap = generator() % 3 == 0 ? size : 0;
    const std::int64_t stride = extent + gap;
    extent = stride * std::max<std::int64_t>(length, 1);
    const bool backwards = generator() % 4 == 0;
    if (backwards && length > 0) start += stride * (length - 1);
    tensor.view.strides[axis] = backwards ? -stride : stride;
  }
  tensor.memory.resize(static_cast<std::size_t>(extent + 1));
  tensor.view.data = tensor.memory.data() + start;

  for (std::int64_t i = 0; i < layout.element_count(); ++i) {
    std::int64_t rest = i;
    std::int64_t offset = start;
    for (std::size_t axis = rank; axis-- > 0;) {
      offset += rest % layout.shape()[axis] * tensor.view.strides[axis];
      rest /= layout.shape()[axis];
    }
    std::memcpy(tensor.memory.data() + offset, dense.view.data + i * size,
                static_cast<std::size_t>(size));
  }
  return tensor;
}

void AddMask(OwnedTensor& tensor, std::mt19937_64& generator) {
  const auto rows = static_cast<std::size_t>(tensor.view.layout.row_count());
  tensor.mask.assign((rows + 7) / 8, std::byte{0});
  for (std::size_t row = 0; row < rows; ++row) {
    if (generator() % 3 == 0) continue;
    tensor.mask[row / 8] |= std::byte{1} << (row % 8);
  }
  tensor.view.validity_mask = tensor.mask;
}

TensorShape RandomShape(DataType dtype, std::mt19937_64& generator) {
  static const std::vector<std::int64_t> kLengths = {1,  2,  3,  4,  5,  7, 8,
                                                     15, 16, 17, 31, 33, 65};
  TensorShape shape;
  shape.dtype = dtype;
  const std::size_t rank = 1 + generator() % 5;
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::int64_t length = Pick(kLengths, generator);
    if (count * length > 20000) length = 2;
    if (generator() % 60 == 0) length = 0;
    shape.shape.push_back(length);
    count *= std::max<std::int64_t>(length, 1);
  }
  shape.unit_axis = static_cast<int>(generator() % rank);
  const int cluster_axis = static_cast<int>(generator() % (rank + 1));
  if (cluster_axis < static_cast<int>(rank) &&
      cluster_axis != shape.unit_axis) {
    shape.cluster_axis = cluster_axis;
  }
  return shape;
}

void ExpectSameSummary(const core::UnitSummary& actual,
                       const core::UnitSummary& expected, double tolerance) {
  ASSERT_EQ(actual.unit_count(), expected.unit_count());
  ASSERT_EQ(actual.columns, expected.columns);
  EXPECT_EQ(actual.observations, expected.observations);
  EXPECT_EQ(actual.non_finite, expected.non_finite);
  EXPECT_EQ(actual.clusters, expected.clusters);
  EXPECT_TRUE((actual.firings == expected.firings).all());
  EXPECT_TRUE((actual.firing_clusters == expected.firing_clusters).all());
  EXPECT_TRUE((actual.positives == expected.positives).all());
  EXPECT_TRUE((actual.closed_high == expected.closed_high).all());
  EXPECT_TRUE((actual.zeros == expected.zeros).all());
  EXPECT_TRUE((actual.min == expected.min).all());
  EXPECT_TRUE((actual.max == expected.max).all());
  EXPECT_EQ(Fingerprint(actual), Fingerprint(expected));
  EXPECT_EQ(actual.sketch, expected.sketch);
  for (Index unit = 0; unit < expected.mean.size(); ++unit) {
    SCOPED_TRACE(::testing::Message() << "unit " << unit);
    ExpectSameMoments(actual, expected, unit, tolerance);
  }
}

}  // namespace firekeeper::testing
