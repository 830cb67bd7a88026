#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/reduce.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/core/tensor_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AddMask;
using ::firekeeper::testing::DenseTensor;
using ::firekeeper::testing::ExpectSameSummary;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kAllValues;
using ::firekeeper::testing::OwnedTensor;
using ::firekeeper::testing::RandomShape;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::TensorShape;
using ::firekeeper::testing::Values;
using ::testing::HasSubstr;

constexpr double kTolerance = 1e-5;

constexpr ReduceOptions kOptions = {
    .rule = FiringRule::Positive(),
    .columns = {
        .firings = true, .clusters = true, .gate = true, .moments = true}};

std::span<const std::byte> BytesOf(const TensorView& view) {
  return {view.data, static_cast<std::size_t>(view.layout.byte_size())};
}

absl::Status Begin(Reducer& reducer, const TensorView& view,
                   const ReduceOptions& options = kOptions) {
  return reducer.Begin(view.layout, options, view.validity_mask, view.scale);
}

// Cuts at the given offsets, which ascend.
UnitSummary ReduceCut(const TensorView& view,
                      const std::vector<std::size_t>& cuts,
                      const ReduceOptions& options = kOptions) {
  Reducer reducer;
  EXPECT_THAT(Begin(reducer, view, options), IsOk());
  const auto bytes = BytesOf(view);
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    EXPECT_THAT(reducer.Add(bytes.subspan(begin, cut - begin)), IsOk());
    begin = cut;
  }
  EXPECT_THAT(reducer.Add(bytes.subspan(begin)), IsOk());
  return *reducer.Finish();
}

class ReduceChunksTest : public ::testing::TestWithParam<DataType> {
 protected:
  std::mt19937_64 generator_{77};
};

TEST_P(ReduceChunksTest, EqualsTheWholeWhenCutAtEveryByte) {
  for (const TensorShape& shape :
       {TensorShape{GetParam(), {5, 3}, 1, 0},
        TensorShape{GetParam(), {3, 4, 3}, 2, 0},
        TensorShape{GetParam(), {2, 3, 2, 2}, 1, 0},
        TensorShape{GetParam(), {3, 7}, 0, std::nullopt}}) {
    for (const bool masked : {false, true}) {
      OwnedTensor tensor = DenseTensor(shape, Values::kNonFinite, generator_);
      if (masked) AddMask(tensor, generator_);
      const auto whole = ReduceReference(tensor.view, kOptions);
      const std::size_t size = BytesOf(tensor.view).size();
      for (std::size_t first = 0; first <= size; ++first) {
        ExpectSameSummary(ReduceCut(tensor.view, {first}), *whole, kTolerance);
        const std::size_t second = first + generator_() % (size - first + 1);
        ExpectSameSummary(ReduceCut(tensor.view, {first, second}), *whole,
                          kTolerance);
      }
    }
  }
}

TEST_P(ReduceChunksTest, EqualsTheWholeByteByByte) {
  const OwnedTensor tensor = DenseTensor({GetParam(), {4, 3, 5}, 2, 0},
                                         Values::kRectified, generator_);
  std::vector<std::size_t> cuts(BytesOf(tensor.view).size());
  for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] = i;

  ExpectSameSummary(ReduceCut(tensor.view, cuts),
                    *ReduceReference(tensor.view, kOptions), kTolerance);
}

TEST_P(ReduceChunksTest, EqualsTheWholeInRandomPieces) {
  for (int i = 0; i < 150; ++i) {
    TensorShape shape = RandomShape(GetParam(), generator_);
    if (shape.cluster_axis.has_value()) {
      shape.cluster_axis =
          shape.unit_axis != 0 ? std::optional<int>(0) : std::nullopt;
    }
    const Values values = kAllValues[generator_() % std::size(kAllValues)];
    SCOPED_TRACE(::testing::Message()
                 << "tensor " << i << " values " << static_cast<int>(values)
                 << " shape " << ::testing::PrintToString(shape.shape));
    OwnedTensor tensor = DenseTensor(shape, values, generator_);
    if (generator_() % 3 == 0) AddMask(tensor, generator_);
    ReduceOptions options = kOptions;
    if (generator_() % 2 == 0) options.rule = FiringRule::Always();
    std::vector<std::size_t> cuts(generator_() % 12);
    for (std::size_t& cut : cuts) {
      cut = generator_() % (BytesOf(tensor.view).size() + 1);
    }
    std::sort(cuts.begin(), cuts.end());

    ExpectSameSummary(ReduceCut(tensor.view, cuts, options),
                      *ReduceReference(tensor.view, options), kTolerance);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ReduceChunksTest, EqualsTheWholeBeyondOneTileAndOneBlockOfRows) {
  const OwnedTensor tensor = DenseTensor({GetParam(), {3, 290, 600}, 2, 0},
                                         Values::kSparse, generator_);
  const std::size_t size = BytesOf(tensor.view).size();

  ExpectSameSummary(
      ReduceCut(tensor.view, {size / 5 + 1, size / 3 + 2, size / 2 + 3}),
      *ReduceReference(tensor.view, kOptions), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, ReduceChunksTest,
                         ::testing::Values(DataType::kF64, DataType::kF32,
                                           DataType::kF16, DataType::kBf16));

class ReducerTest : public ::testing::Test {
 protected:
  std::mt19937_64 generator_{8};
  OwnedTensor tensor_ =
      DenseTensor({DataType::kF32, {6, 5}, 1, 0}, Values::kNormal, generator_);
  Reducer reducer_;
};

TEST_F(ReducerTest, CanBeUsedAgainForAnotherTensor) {
  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  ASSERT_THAT(reducer_.Add(BytesOf(tensor_.view).first(33)), IsOk());
  const OwnedTensor other = DenseTensor({DataType::kF64, {4, 3, 2}, 2, 0},
                                        Values::kNormal, generator_);

  ASSERT_THAT(Begin(reducer_, other.view), IsOk());
  ASSERT_THAT(reducer_.Add(BytesOf(other.view)), IsOk());

  ExpectSameSummary(*reducer_.Finish(), *ReduceReference(other.view, kOptions),
                    kTolerance);
}

TEST_F(ReducerTest, SaysHowFarItIs) {
  EXPECT_FALSE(reducer_.in_progress());
  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  ASSERT_THAT(reducer_.Add(BytesOf(tensor_.view).first(33)), IsOk());

  EXPECT_TRUE(reducer_.in_progress());
  EXPECT_EQ(reducer_.bytes_added(), 33);
}

TEST_F(ReducerTest, RefusesBytesBeyondTheTensorAndGoesOn) {
  const auto bytes = BytesOf(tensor_.view);
  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  ASSERT_THAT(reducer_.Add(bytes.first(50)), IsOk());

  EXPECT_THAT(reducer_.Add(bytes.first(71)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("data has 71 bytes; the tensor misses 70")));

  ASSERT_THAT(reducer_.Add(bytes.subspan(50)), IsOk());
  ExpectSameSummary(*reducer_.Finish(),
                    *ReduceReference(tensor_.view, kOptions), kTolerance);
}

TEST_F(ReducerTest, RefusesToFinishWhereBytesAreMissing) {
  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  ASSERT_THAT(reducer_.Add(BytesOf(tensor_.view).first(119)), IsOk());

  EXPECT_THAT(reducer_.Finish(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("misses 1 bytes")));
  EXPECT_FALSE(reducer_.in_progress());
}

TEST_F(ReducerTest, RefusesToFinishWhatWasNotBegun) {
  EXPECT_THAT(reducer_.Finish(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("begun")));
}

TEST_F(ReducerTest, RefusesAFastClusterAxisAndKeepsWhatIsInProgress) {
  const std::array<std::int64_t, 2> shape = {5, 6};
  const TensorLayout layout =
      *TensorLayout::Create(DataType::kF32, shape, 0, 1);
  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  ASSERT_THAT(reducer_.Add(BytesOf(tensor_.view).first(50)), IsOk());

  EXPECT_THAT(reducer_.Begin(layout, kOptions, {}, 1.0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cluster_axis must be 0")));
  EXPECT_THAT(reducer_.Begin(tensor_.view.layout, kOptions, {}, 0.0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("scale")));

  ASSERT_THAT(reducer_.Add(BytesOf(tensor_.view).subspan(50)), IsOk());
  ExpectSameSummary(*reducer_.Finish(),
                    *ReduceReference(tensor_.view, kOptions), kTolerance);
}

TEST_F(ReducerTest, KeepsItsMemoryFromTensorToTensor) {
  const TensorLayout wide = *TensorLayout::Create(
      DataType::kF32, std::array<std::int64_t, 3>{2, 2, 10000}, 2, 0);
  ASSERT_THAT(reducer_.Begin(wide, kOptions, {}, 1.0), IsOk());
  const std::size_t used = reducer_.MemoryUsed();

  ASSERT_THAT(Begin(reducer_, tensor_.view), IsOk());
  EXPECT_EQ(reducer_.MemoryUsed(), used);
  ASSERT_THAT(reducer_.Begin(wide, kOptions, {}, 1.0), IsOk());
  EXPECT_EQ(reducer_.MemoryUsed(), used);
  EXPECT_LT(used, 160U * 10000U + 128U * 1024U);
}

}  // namespace
}  // namespace firekeeper::core
