#include "core/interval_proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/reduce.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::core {
namespace {

using Rows =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::ArrayXd;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

PreActivationBounds BoundOne(const ArrayXd& weights, double bias,
                             const ArrayXd& low, const ArrayXd& high) {
  const Rows rows = weights.matrix().transpose();
  return BoundPreActivations(rows, ArrayXd::Constant(1, bias), low, high)[0];
}

TEST(IntervalProofTest, ProvesAUnitThatCannotFire) {
  const ArrayXd weights{{1.0, -2.0}};

  // At most 1 * 1 - 2 * 0 - 1.5.
  const auto bounds =
      BoundOne(weights, -1.5, ArrayXd::Zero(2), ArrayXd::Ones(2));

  EXPECT_NEAR(bounds.high, -0.5, 1e-12);
  EXPECT_NEAR(bounds.low, -3.5, 1e-12);
  EXPECT_EQ(ProofOf(bounds), UnitProof::kNeverFires);
}

TEST(IntervalProofTest, ProvesNothingOfAUnitThatMayFire) {
  const ArrayXd weights{{1.0, -2.0}};

  EXPECT_EQ(
      ProofOf(BoundOne(weights, -0.5, ArrayXd::Zero(2), ArrayXd::Ones(2))),
      UnitProof::kNone);
}

TEST(IntervalProofTest, ProvesAUnitThatAlwaysFires) {
  const ArrayXd weights{{1.0, 2.0}};

  EXPECT_EQ(ProofOf(BoundOne(weights, 0.5, ArrayXd::Zero(2), ArrayXd::Ones(2))),
            UnitProof::kAlwaysFires);
}

TEST(IntervalProofTest, AZeroUnitIsNotProvenByItsRounding) {
  // Exactly 0 at its highest: the proof would have to trust its own rounding.
  const ArrayXd weights{{0.1, 0.2}};

  EXPECT_EQ(
      ProofOf(BoundOne(weights, -0.3, ArrayXd::Zero(2), ArrayXd::Ones(2))),
      UnitProof::kNone);
}

TEST(IntervalProofTest, BehindAShutLayerZIsTheBiasExactly) {
  const ArrayXd weights{{1.0, -2.0}};
  const ArrayXd zeros = ArrayXd::Zero(2);

  EXPECT_EQ(ProofOf(BoundOne(weights, 0.0, zeros, zeros)),
            UnitProof::kNeverFires);
  EXPECT_EQ(ProofOf(BoundOne(weights, 1e-300, zeros, zeros)),
            UnitProof::kAlwaysFires);
}

TEST(IntervalProofTest, BoundsHoldInMorePrecisionThanTheirOwn) {
  std::mt19937 engine(11);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  for (int round = 0; round < 300; ++round) {
    const Eigen::Index n = 1 + round;
    ArrayXd weights(n);
    ArrayXd low(n);
    ArrayXd high(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      weights[i] = normal(engine) * std::pow(10.0, normal(engine));
      const double a = normal(engine);
      const double b = normal(engine);
      low[i] = std::min(a, b);
      high[i] = std::max(a, b);
    }
    const double bias = normal(engine);
    const auto bounds = BoundOne(weights, bias, low, high);
    // The corners that reach the bounds, and a point between.
    long double most = bias;
    long double least = bias;
    long double inside = bias;
    for (Eigen::Index i = 0; i < n; ++i) {
      const long double w = weights[i];
      most += w * (w > 0 ? high[i] : low[i]);
      least += w * (w > 0 ? low[i] : high[i]);
      inside += w * (low[i] + uniform(engine) * (high[i] - low[i]));
    }
    EXPECT_LE(most, bounds.high);
    EXPECT_GE(least, bounds.low);
    EXPECT_LE(inside, bounds.high);
    EXPECT_GE(inside, bounds.low);
    EXPECT_NEAR(static_cast<double>(most), bounds.high,
                1e-9 * std::max(1.0, std::abs(bounds.high)));
  }
}

TEST(IntervalProofTest, WhatIsNotFiniteProvesNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const ArrayXd ones = ArrayXd::Ones(2);

  for (const double bad : {nan, infinity, -infinity}) {
    const ArrayXd broken{{bad, 1.0}};
    EXPECT_EQ(ProofOf(BoundOne(broken, -9.0, -ones, ones)), UnitProof::kNone);
    EXPECT_EQ(ProofOf(BoundOne(-ones, bad, -ones, ones)), UnitProof::kNone);
    EXPECT_EQ(ProofOf(BoundOne(ones, -9.0, broken, ones)), UnitProof::kNone);
    EXPECT_EQ(ProofOf(BoundOne(ones, -9.0, -ones, broken)), UnitProof::kNone);
  }
}

TEST(IntervalProofTest, ACoarserArithmeticMakesTheProofHarder) {
  // The bound is -0.001. A sum of a thousand products in binary32 may be off by
  // more than that.
  const ArrayXd weights = ArrayXd::Constant(1000, 0.1);
  const Rows rows = weights.matrix().transpose();
  const ArrayXd bias = ArrayXd::Constant(1, -100.001);
  const ArrayXd low = ArrayXd::Zero(1000);
  const ArrayXd high = ArrayXd::Ones(1000);

  const auto exact = BoundPreActivations(rows, bias, low, high);
  const auto single =
      BoundPreActivations(rows, bias, low, high, kSingleRoundoff);

  EXPECT_EQ(ProofOf(exact[0]), UnitProof::kNeverFires);
  EXPECT_EQ(ProofOf(single[0]), UnitProof::kNone);
}

TEST(IntervalProofTest, OnlyAUnitThatIsSilentBelowZeroIsProvenByItsBound) {
  const auto holds = [](Activation kind) {
    return ProofsHold(FiringRuleFor(Signal::kPreActivation, {.kind = kind}),
                      /*norm_before=*/false, /*residual=*/false);
  };

  EXPECT_TRUE(holds(Activation::kRelu));
  EXPECT_TRUE(holds(Activation::kRelu6));
  EXPECT_TRUE(holds(Activation::kSquaredRelu));
  EXPECT_FALSE(holds(Activation::kHardSigmoid)) << "open from -3 on";
  EXPECT_FALSE(holds(Activation::kSilu));
  EXPECT_FALSE(holds(Activation::kSigmoid));
}

TEST(IntervalProofTest, WhatComesBetweenTheProductAndZTakesItsForce) {
  const FiringRule relu =
      FiringRuleFor(Signal::kPreActivation, {.kind = Activation::kRelu});

  EXPECT_FALSE(ProofsHold(relu, /*norm_before=*/true, /*residual=*/false));
  EXPECT_FALSE(ProofsHold(relu, /*norm_before=*/false, /*residual=*/true));
}

TEST(IntervalProofTest, SumsOfATrainerInBinary32StayInside) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 200; ++round) {
    const Eigen::Index n = 1 + 7 * round;
    Eigen::ArrayXf weights(n);
    Eigen::ArrayXf inputs(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      weights[i] = normal(engine);
      inputs[i] = normal(engine);
    }
    const float bias = normal(engine);
    float forward = bias;
    float backward = 0.0F;
    for (Eigen::Index i = 0; i < n; ++i) {
      forward += weights[i] * inputs[i];
      backward += weights[n - 1 - i] * inputs[n - 1 - i];
    }
    backward += bias;
    // The range is a point: nothing but roundings is left.
    const ArrayXd point = inputs.cast<double>();
    const Rows rows = weights.cast<double>().matrix().transpose();
    const auto bounds = BoundPreActivations(rows, ArrayXd::Constant(1, bias),
                                            point, point, kSingleRoundoff)[0];
    EXPECT_LE(std::max(forward, backward), bounds.high);
    EXPECT_GE(std::min(forward, backward), bounds.low);
  }
}

TEST(IntervalProofTest, PartialSumsThatOverflowProveNothing) {
  const ArrayXd weights{{2e38, -4e38}};
  const Rows rows = weights.matrix().transpose();
  const ArrayXd bias = ArrayXd::Constant(1, -1.0);
  const ArrayXd ones = ArrayXd::Ones(2);

  EXPECT_EQ(ProofOf(BoundPreActivations(rows, bias, ones, ones)[0]),
            UnitProof::kNeverFires);
  EXPECT_EQ(
      ProofOf(BoundPreActivations(rows, bias, ones, ones, kSingleRoundoff)[0]),
      UnitProof::kNone);
}

// Two units over two features, the inputs in [0, 1]: z_0 <= 1 - 1.5 and z_1 may
// reach 1.5.
class ProveUnitsTest : public ::testing::Test {
 protected:
  static TensorView ViewOf(const std::vector<float>& values,
                           std::vector<std::int64_t> shape, int unit_axis,
                           std::optional<int> cluster_axis = std::nullopt) {
    return {.layout = *TensorLayout::Create(DataType::kF32, shape, unit_axis,
                                            cluster_axis),
            .data = reinterpret_cast<const std::byte*>(values.data())};
  }

  [[nodiscard]] AffineLayer Layer() const {
    return {.weight = ViewOf(weight_, {2, 2}, 0),
            .bias = ViewOf(bias_, {2}, 0),
            .input = ViewOf(input_, {3, 2}, 1, 0)};
  }

  static UnitSummary Summarise(const TensorView& weight) {
    return *Reduce(weight, {.rule = FiringRule::Positive(),
                            .columns = ColumnsFor(Signal::kWeight, true)});
  }

  std::vector<float> weight_{1.0F, -2.0F, 0.5F, 1.0F};
  std::vector<float> bias_{-1.5F, 0.0F};
  std::vector<float> input_{0.0F, 1.0F, 1.0F, 0.0F, 0.5F, 0.5F};
};

TEST_F(ProveUnitsTest, CountsTheWeightsOfProvenUnits) {
  UnitSummary summary = Summarise(Layer().weight);

  EXPECT_THAT(ProveUnits(Layer(), &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 2U);
  EXPECT_EQ(summary.proven[1], 0U);
}

TEST_F(ProveUnitsTest, ReadsWeightsOfAnyLayout) {
  weight_ = {1.0F, 0.5F, -2.0F, 1.0F};
  AffineLayer layer = Layer();
  layer.weight = ViewOf(weight_, {2, 2}, 1);
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 2U);
  EXPECT_EQ(summary.proven[1], 0U);
}

TEST_F(ProveUnitsTest, ReadsStridedWeights) {
  // Every second entry of memory, backwards.
  const std::vector<float> memory{1.0F,  9.0F, 0.5F, 9.0F,
                                  -2.0F, 9.0F, 1.0F, 9.0F};
  AffineLayer layer = Layer();
  layer.weight = ViewOf(memory, {2, 2}, 0);
  layer.weight.data += 6 * sizeof(float);
  layer.weight.is_dense = false;
  layer.weight.strides = {-8, -16};  // rows {1, 0.5} and {-2, 1}
  bias_ = {-2.0F, -1.5F};
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_THAT(summary.proven, ::testing::ElementsAre(2, 2));
}

TEST_F(ProveUnitsTest, WithoutABiasItIsZero) {
  weight_ = {-1.0F, -2.0F, 0.5F, 1.0F};
  input_ = {0.5F, 1.0F, 1.0F, 0.5F, 0.5F, 0.5F};
  AffineLayer layer = Layer();
  layer.bias.reset();
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_THAT(summary.proven, ::testing::ElementsAre(2, 0));
}

TEST_F(ProveUnitsTest, SixteenBitsNeedMoreRoom) {
  // z_0 <= -0.01: certain in binary32, within the roundings of BF16.
  bias_ = {-1.01F, 0.0F};
  AffineLayer layer = Layer();
  UnitSummary summary = Summarise(layer.weight);
  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());
  EXPECT_EQ(summary.proven[0], 2U);

  const std::vector<std::uint16_t> bf16{0x3F80, 0xC000, 0x3F00, 0x3F80};
  layer.weight = {
      .layout = *TensorLayout::Create(
          DataType::kBf16, std::vector<std::int64_t>{2, 2}, 0, std::nullopt),
      .data = reinterpret_cast<const std::byte*>(bf16.data())};
  UnitSummary coarse = Summarise(layer.weight);
  EXPECT_THAT(ProveUnits(layer, &coarse), IsOk());
  EXPECT_EQ(coarse.proven[0], 0U);
}

TEST_F(ProveUnitsTest, AMaskOnWeightOrBiasProvesNothing) {
  const std::array<std::byte, 1> mask{std::byte{0b11}};
  AffineLayer layer = Layer();
  layer.weight.validity_mask = mask;
  UnitSummary summary = Summarise(Layer().weight);
  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());
  EXPECT_EQ(summary.proven[0], 0U);

  layer = Layer();
  layer.bias->validity_mask = mask;
  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());
  EXPECT_EQ(summary.proven[0], 0U);
}

TEST_F(ProveUnitsTest, AScaleIsPartOfTheValue) {
  AffineLayer layer = Layer();
  layer.bias->scale = 0.5;  // -0.75: z_0 may reach 0.25
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 0U);
}

TEST_F(ProveUnitsTest, AnInputThatIsNotFiniteProvesNothing) {
  input_[3] = std::numeric_limits<float>::quiet_NaN();
  UnitSummary summary = Summarise(Layer().weight);

  EXPECT_THAT(ProveUnits(Layer(), &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 0U);
}

TEST_F(ProveUnitsTest, NoInputProvesNothing) {
  AffineLayer layer = Layer();
  layer.input = ViewOf(input_, {0, 2}, 1, 0);
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 0U);
}

TEST_F(ProveUnitsTest, AMaskedInputProvesNothing) {
  const std::array<std::byte, 1> mask{std::byte{0b011}};
  AffineLayer layer = Layer();
  layer.input.validity_mask = mask;
  UnitSummary summary = Summarise(layer.weight);

  EXPECT_THAT(ProveUnits(layer, &summary), IsOk());

  EXPECT_EQ(summary.proven[0], 0U);
}

TEST_F(ProveUnitsTest, ShapesThatDoNotFitAreRefused) {
  const auto refused = [this](const AffineLayer& layer, const char* message) {
    UnitSummary summary = Summarise(Layer().weight);
    EXPECT_THAT(
        ProveUnits(layer, &summary),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    EXPECT_EQ(summary.proven[0], 0U);
  };
  AffineLayer layer = Layer();
  layer.weight = ViewOf(weight_, {2, 2, 1}, 0);
  refused(layer, "weight has rank 3");
  layer = Layer();
  layer.weight = ViewOf(weight_, {1, 2}, 0);
  refused(layer, "weight has 1 units");
  layer = Layer();
  layer.bias = ViewOf(bias_, {1}, 0);
  refused(layer, "bias must have the shape [2]");
  layer = Layer();
  layer.input = ViewOf(input_, {2, 3}, 1, 0);
  refused(layer, "input has 3 features");
}

}  // namespace
}  // namespace firekeeper::core
