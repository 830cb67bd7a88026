#include "core/reduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "tests/support/status_matchers.h"
#include "tests/unit/core/forced_target.h"
#include "tests/unit/core/tensor_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::AddMask;
using ::firekeeper::testing::DenseTensor;
using ::firekeeper::testing::ExpectSameSummary;
using ::firekeeper::testing::ForcedTarget;
using ::firekeeper::testing::kAllValues;
using ::firekeeper::testing::KernelTargets;
using ::firekeeper::testing::OwnedTensor;
using ::firekeeper::testing::RandomShape;
using ::firekeeper::testing::Scattered;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::TensorShape;
using ::firekeeper::testing::Values;
using ::testing::HasSubstr;

// Binary32 sums of at most 256 rows or 4,096 entries of a run.
constexpr double kTolerance = 1e-5;

const std::array<FiringRule, 7> kRules = {
    FiringRule::Positive(),
    FiringRule::NonZero(),
    FiringRule::Always(),
    FiringRule::None(),
    FiringRule{.kind = FiringRule::Kind::kBand, .low = -0.7, .high = 0.4},
    FiringRule{.kind = FiringRule::Kind::kBand, .low = 0.0, .high = 0.0},
    FiringRule{.kind = FiringRule::Kind::kBand,
               .low = -1.1,
               .hole_low = -0.3,
               .hole_high = 0.2},
};

constexpr ColumnSet kAllColumns = {
    .firings = true, .clusters = true, .gate = true, .moments = true};

ReduceOptions RandomOptions(std::mt19937_64& generator) {
  ReduceOptions options{.rule = kRules[generator() % kRules.size()],
                        .columns = kAllColumns,
                        .zeros_may_be_underflow = generator() % 4 != 0};
  if (generator() % 3 == 0) {
    options.columns = {.firings = generator() % 2 == 0,
                       .clusters = generator() % 2 == 0,
                       .gate = generator() % 2 == 0,
                       .moments = generator() % 2 == 0};
  }
  return options;
}

double RandomScale(std::mt19937_64& generator) {
  constexpr std::array<double, 4> kScales = {1.0, 1.0, 0.37, 1.0 / 3000.0};
  return kScales[generator() % kScales.size()];
}

void ExpectReduceEqualsReference(const TensorView& view,
                                 const ReduceOptions& options) {
  const auto actual = Reduce(view, options);
  const auto expected = ReduceReference(view, options);
  ASSERT_TRUE(actual.ok() && expected.ok());
  ExpectSameSummary(*actual, *expected, kTolerance);
}

class ReduceTest
    : public ::testing::TestWithParam<std::tuple<DataType, std::int64_t>> {
 protected:
  [[nodiscard]] static DataType dtype() { return std::get<0>(GetParam()); }

  // Reduces random tensors of the given layout with every kind of values.
  void CheckShape(const TensorShape& shape) {
    for (const Values values : kAllValues) {
      SCOPED_TRACE(static_cast<int>(values));
      OwnedTensor tensor = DenseTensor(shape, values, generator_);
      if (generator_() % 4 == 0) AddMask(tensor, generator_);
      ExpectReduceEqualsReference(tensor.view, RandomOptions(generator_));
    }
  }

  std::mt19937_64 generator_{20230611};

 private:
  ForcedTarget target_{std::get<1>(GetParam())};
};

TEST_P(ReduceTest, EqualsReferenceOnAnyLayout) {
  for (int i = 0; i < 150; ++i) {
    const TensorShape shape = RandomShape(dtype(), generator_);
    const Values values = kAllValues[generator_() % std::size(kAllValues)];
    SCOPED_TRACE(::testing::Message()
                 << "tensor " << i << " values " << static_cast<int>(values)
                 << " shape " << ::testing::PrintToString(shape.shape)
                 << " unit axis " << shape.unit_axis);
    OwnedTensor tensor = DenseTensor(shape, values, generator_);
    if (generator_() % 2 == 0) AddMask(tensor, generator_);
    tensor.view.scale = RandomScale(generator_);
    const ReduceOptions options = RandomOptions(generator_);

    ExpectReduceEqualsReference(tensor.view, options);
    const OwnedTensor scattered = Scattered(tensor, generator_);
    ExpectReduceEqualsReference(scattered.view, options);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ReduceTest, EqualsReferenceBeyondOneTileAndOneBlockOfRows) {
  CheckShape({dtype(), {291, 1039}, 1, 0});
}

TEST_P(ReduceTest, EqualsReferenceOnSequences) {
  CheckShape({dtype(), {5, 300, 37}, 2, 0});
}

TEST_P(ReduceTest, EqualsReferenceOnPlanesBeyondOneRun) {
  CheckShape({dtype(), {2, 3, 67, 73}, 1, 0});
}

TEST_P(ReduceTest, EqualsReferenceOnSmallPlanes) {
  CheckShape({dtype(), {21, 40, 7, 7}, 1, 0});
}

TEST_P(ReduceTest, EqualsReferenceOnShortSequences) {
  CheckShape({dtype(), {300, 3, 41}, 2, 0});
}

TEST_P(ReduceTest, EqualsReferenceOnWeights) {
  CheckShape({dtype(), {19, 4500}, 0, std::nullopt});
}

using Parameter = ::testing::TestParamInfo<ReduceTest::ParamType>;

std::string ParameterName(const Parameter& parameter) {
  constexpr std::array<const char*, 5> kNames = {"", "F64", "F32", "F16",
                                                 "Bf16"};
  const auto dtype = static_cast<std::size_t>(std::get<0>(parameter.param));
  return std::string(kNames[dtype]) +
         hwy::TargetName(std::get<1>(parameter.param));
}

INSTANTIATE_TEST_SUITE_P(
    DtypesAndTargets, ReduceTest,
    ::testing::Combine(::testing::Values(DataType::kF64, DataType::kF32,
                                         DataType::kF16, DataType::kBf16),
                       ::testing::ValuesIn(KernelTargets())),
    ParameterName);

// A column of units over `values`, one cluster each.
UnitSummary ReduceColumn(const std::vector<float>& values,
                         const ReduceOptions& options) {
  const std::array<std::int64_t, 2> shape = {
      static_cast<std::int64_t>(values.size()), 1};
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  return *Reduce(view, options);
}

UnitSummary ReduceColumn(const std::vector<float>& values) {
  return ReduceColumn(values,
                      {.rule = FiringRule::Positive(), .columns = kAllColumns});
}

TEST(ReduceValuesTest, KeepsTheVarianceOfValuesFarFromZero) {
  std::mt19937_64 generator(5);
  std::normal_distribution<double> normal(1000.0, 1.0);
  for (const TensorShape& shape :
       {TensorShape{DataType::kF32, {20000, 4}, 1, 0},
        TensorShape{DataType::kF32, {4, 20000}, 0, std::nullopt}}) {
    const OwnedTensor tensor = DenseTensor(shape, Values::kFar, generator);
    const ReduceOptions options{.rule = FiringRule::Positive(),
                                .columns = kAllColumns};

    const auto actual = Reduce(tensor.view, options);
    const auto expected = ReduceReference(tensor.view, options);

    for (Index unit = 0; unit < 4; ++unit) {
      EXPECT_NEAR(actual->m2[unit] / expected->m2[unit], 1.0, 2e-7);
    }
  }
}

TEST(ReduceValuesTest, GivesConstantsNoSpread) {
  const UnitSummary summary = ReduceColumn(std::vector<float>(1000, 0.1F));

  EXPECT_EQ(summary.m2[0], 0.0);
  EXPECT_EQ(summary.mean[0], static_cast<double>(0.1F));
}

TEST(ReduceValuesTest, SumsHugeValuesWithoutOverflow) {
  const UnitSummary summary = ReduceColumn(std::vector<float>(1000, 3e38F));

  EXPECT_DOUBLE_EQ(summary.abs_sum[0], 1000.0 * static_cast<double>(3e38F));
  EXPECT_EQ(summary.mean[0], static_cast<double>(3e38F));
  EXPECT_EQ(summary.m2[0], 0.0);
}

TEST(ReduceValuesTest, KeepsTheSpreadOfValuesWhoseSquaresUnderflow) {
  std::vector<float> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = i % 2 == 0 ? 1e-25F : -1e-25F;
  }
  values[0] = 1.0F;

  const UnitSummary summary = ReduceColumn({values.begin() + 1, values.end()},
                                           {.rule = FiringRule::Positive(),
                                            .columns = kAllColumns,
                                            .zeros_may_be_underflow = false});

  EXPECT_NEAR(summary.m2[0], 999.0 * 1e-50, 1e-49);
  EXPECT_GT(summary.m2[0], 0.0);
}

TEST(ReduceValuesTest, CountsSubnormalsAsPositiveAndNegativeZeroAsZero) {
  const float least = std::numeric_limits<float>::denorm_min();

  const UnitSummary summary = ReduceColumn({least, -least, 0.0F, -0.0F, 1.0F});

  EXPECT_EQ(summary.positives[0], 2U);
  EXPECT_EQ(summary.firings[0], 2U);
  EXPECT_EQ(summary.zeros[0], 2U);
  EXPECT_EQ(summary.min[0], -static_cast<double>(least));
}

TEST(ReduceValuesTest, KeepsNonFiniteEntriesOutOfEveryOtherFigure) {
  const float infinity = std::numeric_limits<float>::infinity();

  const UnitSummary summary =
      ReduceColumn({2.0F, std::nanf(""), infinity, -infinity, 4.0F});

  EXPECT_EQ(summary.non_finite[0], 3U);
  EXPECT_EQ(summary.observations[0], 2U);
  EXPECT_EQ(summary.clusters[0], 2U);
  EXPECT_EQ(summary.firings[0], 2U);
  EXPECT_EQ(summary.mean[0], 3.0);
  EXPECT_EQ(summary.m2[0], 2.0);
  EXPECT_EQ(summary.max[0], 4.0);
}

TEST(ReduceValuesTest, CountsSaturationHighOfABoundedGate) {
  const UnitSummary summary =
      ReduceColumn({-7.0F, -1.0F, 0.0F, 5.0F, 6.0F, 9.0F},
                   {.rule = FiringRuleFor(Signal::kPreActivation,
                                          {.kind = Activation::kRelu6}),
                    .columns = kAllColumns});

  EXPECT_EQ(summary.firings[0], 1U);
  EXPECT_EQ(summary.closed_high[0], 2U);
}

TEST(ReduceValuesTest, TakesZerosBesideTinyValuesForUnderflow) {
  const std::vector<float> values = {0.0F, 1e-36F, 0.0F, -2e-36F};

  const UnitSummary summary = ReduceColumn(values);

  EXPECT_EQ(summary.observations[0], 2U);
  EXPECT_EQ(summary.clusters[0], 2U);
  EXPECT_EQ(summary.zeros[0], 0U);
  EXPECT_EQ(summary.positives[0], 1U);
}

TEST(ReduceValuesTest, TakesZerosBesideOneNormalValueForTrueZeros) {
  const std::vector<float> values = {0.0F, 1e-36F, 0.0F, 1.0F};

  const UnitSummary summary = ReduceColumn(values);

  EXPECT_EQ(summary.observations[0], 4U);
  EXPECT_EQ(summary.zeros[0], 2U);
  EXPECT_EQ(summary.mean[0], 0.25);
}

TEST(ReduceValuesTest, TakesATensorOfZerosForUnderflowInF16Only) {
  for (const DataType dtype :
       {DataType::kF64, DataType::kF32, DataType::kBf16, DataType::kF16}) {
    const std::vector<std::byte> zeros(64);
    const std::array<std::int64_t, 2> shape = {8, 1};
    const TensorView view{.layout = *TensorLayout::Create(dtype, shape, 1, 0),
                          .data = zeros.data()};

    const auto summary =
        Reduce(view, {.rule = FiringRule::Positive(), .columns = kAllColumns});

    EXPECT_EQ(summary->observations[0], dtype == DataType::kF16 ? 0U : 8U);
  }
}

TEST(ReduceValuesTest, AProductThatUnderflowsIsNoZero) {
  const std::vector<double> values = {1.0, 5e-324, 0.0};
  const std::array<std::int64_t, 2> shape = {3, 1};
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF64, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data()),
      .scale = 0.5};
  const ReduceOptions options{.rule = FiringRule::NonZero(),
                              .columns = kAllColumns};

  for (const auto& summary :
       {Reduce(view, options), ReduceReference(view, options)}) {
    EXPECT_EQ(summary->firings[0], 2U);
    EXPECT_EQ(summary->positives[0], 2U);
    EXPECT_EQ(summary->zeros[0], 1U);
  }
}

TEST(ReduceValuesTest, DropsFiringsOfASignalThatDoesNotTell) {
  const UnitSummary summary = ReduceColumn(
      {1.0F, 2.0F}, {.rule = FiringRule::None(), .columns = kAllColumns});

  EXPECT_FALSE(summary.columns.firings);
  EXPECT_EQ(summary.firings.size(), 0);
}

TEST(ReduceValuesTest, CountsAClusterOnceHoweverOftenItFires) {
  const std::vector<float> values = {1.0F, 1.0F, 0.0F, 0.0F, 0.0F, 2.0F};
  const std::array<std::int64_t, 3> shape = {3, 2, 1};
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF32, shape, 2, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};

  const auto summary =
      Reduce(view, {.rule = FiringRule::Positive(), .columns = kAllColumns});

  EXPECT_EQ(summary->firings[0], 3U);
  EXPECT_EQ(summary->firing_clusters[0], 2U);
  EXPECT_EQ(summary->clusters[0], 3U);
}

TEST(ReduceErrorsTest, RefusesAMaskOfAnotherLength) {
  const std::vector<float> values(12);
  const std::array<std::int64_t, 2> shape = {12, 1};
  const std::array<std::byte, 1> mask{};
  TensorView view{.layout = *TensorLayout::Create(DataType::kF32, shape, 1, 0),
                  .data = reinterpret_cast<const std::byte*>(values.data())};
  view.validity_mask = mask;

  EXPECT_THAT(Reduce(view, {.rule = {}, .columns = kAllColumns}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("validity_mask has 1 bytes")));
}

TEST(ReduceErrorsTest, RefusesAScaleThatIsNotFiniteAndPositive) {
  const std::vector<float> values(3);
  const std::array<std::int64_t, 2> shape = {3, 1};
  for (const double scale : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    TensorView view{
        .layout = *TensorLayout::Create(DataType::kF32, shape, 1, 0),
        .data = reinterpret_cast<const std::byte*>(values.data())};
    view.scale = scale;

    EXPECT_THAT(
        Reduce(view, {.rule = {}, .columns = kAllColumns}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("scale")));
  }
}

TEST(KernelTargetTest, IsTheOneThatIsForced) {
  for (const std::int64_t target : KernelTargets()) {
    const ForcedTarget forced(target);

    EXPECT_EQ(KernelTarget(), hwy::TargetName(target));
  }
}

}  // namespace
}  // namespace firekeeper::core
