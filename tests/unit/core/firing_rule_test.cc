#include "core/firing_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

namespace firekeeper::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

FiringRule Gate(Activation kind, double epsilon = kDefaultGateEpsilon) {
  return FiringRuleFor(Signal::kPreActivation, {.kind = kind}, epsilon);
}

FiringRule Output(Activation kind) {
  return FiringRuleFor(Signal::kActivation, {.kind = kind});
}

// STATISTICS.md 2.5: where |phi'(z)| falls to the gate epsilon. A limit above
// zero is the upper end of the band, one below zero the lower.
using LimitRow = std::tuple<Activation, double, double>;

class GateLimitTest : public ::testing::TestWithParam<LimitRow> {};

TEST_P(GateLimitTest, IsThatOfTheTable) {
  const auto [kind, epsilon, limit] = GetParam();

  const FiringRule rule = Gate(kind, epsilon);

  EXPECT_NEAR(limit > 0.0 ? rule.high : rule.low, limit, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Table, GateLimitTest,
    ::testing::Values(LimitRow{Activation::kSigmoid, 1e-7, 16.1181},
                      LimitRow{Activation::kTanh, 1e-7, 8.7522},
                      LimitRow{Activation::kElu, 1e-7, -16.1181},
                      LimitRow{Activation::kSelu, 1e-7, -16.6823},
                      LimitRow{Activation::kGelu, 1e-7, -5.8191},
                      LimitRow{Activation::kSilu, 1e-7, -19.0089},
                      LimitRow{Activation::kSoftplus, 1e-7, -16.1181},
                      LimitRow{Activation::kSigmoid, 1e-3, 6.9058},
                      LimitRow{Activation::kSigmoid, 1e-3, -6.9058},
                      LimitRow{Activation::kTanh, 1e-3, 4.1468},
                      LimitRow{Activation::kTanh, 1e-3, -4.1468},
                      LimitRow{Activation::kElu, 1e-3, -6.9078},
                      LimitRow{Activation::kSelu, 1e-3, -7.4720},
                      LimitRow{Activation::kGelu, 1e-3, -3.8103},
                      LimitRow{Activation::kSilu, 1e-3, -8.9850},
                      LimitRow{Activation::kSigmoid, 1e-2, 4.5849},
                      LimitRow{Activation::kTanh, 1e-2, 2.9932},
                      LimitRow{Activation::kElu, 1e-2, -4.6052},
                      LimitRow{Activation::kGelu, 1e-2, -3.0674},
                      LimitRow{Activation::kSilu, 1e-2, -6.2613}));

class EveryGateTest
    : public ::testing::TestWithParam<std::tuple<Activation, double>> {};

TEST_P(EveryGateTest, FiresExactlyWhereTheSlopeExceedsEpsilon) {
  const auto [kind, epsilon] = GetParam();
  const ActivationSpec activation{.kind = kind, .alpha = 0.7};
  const FiringRule rule =
      FiringRuleFor(Signal::kPreActivation, activation, epsilon);

  for (int i = -40000; i <= 40000; ++i) {
    const double z = i * 1e-3 + 1e-7;
    ASSERT_EQ(rule.Fires(z), std::abs(Derivative(activation, z)) > epsilon)
        << z;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EveryGateTest,
    ::testing::Combine(
        ::testing::Values(Activation::kLinear, Activation::kRelu,
                          Activation::kRelu6, Activation::kElu,
                          Activation::kSelu, Activation::kCelu,
                          Activation::kGelu, Activation::kGeluTanh,
                          Activation::kSilu, Activation::kMish,
                          Activation::kSoftplus, Activation::kSigmoid,
                          Activation::kTanh, Activation::kHardSigmoid,
                          Activation::kHardTanh, Activation::kHardSwish),
        ::testing::Values(1e-7, 1e-3, 1e-2, 0.1, 0.3)));

// phi(z) by its textbook form.
double Phi(Activation kind, double z) {
  constexpr double kAlpha = 1.6732632423543772;
  constexpr double kScale = 1.0507009873554805;
  switch (kind) {
    case Activation::kElu:
    case Activation::kCelu:
      return z > 0.0 ? z : std::exp(z) - 1.0;
    case Activation::kSelu:
      return kScale * (z > 0.0 ? z : kAlpha * (std::exp(z) - 1.0));
    case Activation::kSoftplus:
      return std::log(1.0 + std::exp(z));
    case Activation::kSigmoid:
      return 1.0 / (1.0 + std::exp(-z));
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kHardSigmoid:
      return std::min(std::max(z / 6.0 + 0.5, 0.0), 1.0);
    case Activation::kHardTanh:
      return std::min(std::max(z, -1.0), 1.0);
    default:
      return std::max(z, 0.0);
  }
}

class OutputGateTest : public ::testing::TestWithParam<Activation> {};

TEST_P(OutputGateTest, AgreesWithTheGateOfThePreActivation) {
  const FiringRule of_z = Gate(GetParam());
  const FiringRule of_a = Output(GetParam());

  for (int i = -12000; i <= 12000; ++i) {
    const double z = i * 1e-3 + 1e-7;
    ASSERT_EQ(of_a.Fires(Phi(GetParam(), z)), of_z.Fires(z)) << z;
  }
}

INSTANTIATE_TEST_SUITE_P(
    RisingKinds, OutputGateTest,
    ::testing::Values(Activation::kRelu, Activation::kElu, Activation::kSelu,
                      Activation::kCelu, Activation::kSoftplus,
                      Activation::kSigmoid, Activation::kTanh,
                      Activation::kHardSigmoid, Activation::kHardTanh));

TEST(FiringRuleTest, OfRectifierOutputsIsPositive) {
  for (const Activation kind :
       {Activation::kRelu, Activation::kRelu6, Activation::kSquaredRelu}) {
    EXPECT_EQ(Output(kind), FiringRule::Positive());
  }
}

TEST(FiringRuleTest, OfLeakyKindsNeverCloses) {
  for (const Activation kind :
       {Activation::kLeakyRelu, Activation::kPrelu, Activation::kRrelu}) {
    for (const Signal signal : {Signal::kActivation, Signal::kPreActivation}) {
      EXPECT_EQ(FiringRuleFor(signal, {.kind = kind, .negative_slope = 0.01}),
                FiringRule::Always());
    }
  }
}

TEST(FiringRuleTest, OfALeakySlopeOfZeroIsThatOfARectifier) {
  for (const Signal signal : {Signal::kActivation, Signal::kPreActivation}) {
    EXPECT_EQ(FiringRuleFor(signal, {.kind = Activation::kLeakyRelu,
                                     .negative_slope = 0.0}),
              FiringRule::Positive());
  }
}

TEST(FiringRuleTest, OutputsOfDippingKindsDoNotTell) {
  for (const Activation kind :
       {Activation::kGelu, Activation::kGeluTanh, Activation::kSilu,
        Activation::kMish, Activation::kHardSwish}) {
    EXPECT_FALSE(Output(kind).counts());
  }
}

TEST(FiringRuleTest, GatesOfDippingKindsHaveAHoleAroundTheDip) {
  const FiringRule gelu = Gate(Activation::kGelu);
  const FiringRule silu = Gate(Activation::kSilu);

  EXPECT_TRUE(gelu.hole_low < -0.7517916 && -0.7517916 < gelu.hole_high);
  EXPECT_TRUE(silu.hole_low < -1.2784646 && -1.2784646 < silu.hole_high);
  EXPECT_EQ(gelu.high, kInfinity);
}

TEST(FiringRuleTest, AGateThatNoSlopeReachesNeverOpens) {
  const FiringRule rule = Gate(Activation::kSigmoid, 0.3);

  for (const double z : {-1.0, 0.0, 1.0}) EXPECT_FALSE(rule.Fires(z));
}

TEST(FiringRuleTest, OfExpertsLatentsAndGradientsIsNonZero) {
  for (const Activation kind :
       {Activation::kSoftmaxExperts, Activation::kSparseLatents}) {
    EXPECT_EQ(Output(kind), FiringRule::NonZero());
  }
  for (const Signal signal :
       {Signal::kOutputGradient, Signal::kWeightGradient}) {
    EXPECT_EQ(FiringRuleFor(signal, {.kind = Activation::kGelu}),
              FiringRule::NonZero());
  }
}

TEST(FiringRuleTest, OfParametersAndDataIsPositive) {
  for (const Signal signal :
       {Signal::kWeight, Signal::kBias, Signal::kWeightUpdate, Signal::kInput,
        Signal::kTarget}) {
    EXPECT_EQ(FiringRuleFor(signal, {.kind = Activation::kTanh}),
              FiringRule::Positive());
  }
}

TEST(FiringRuleTest, BandsAreOpenAndHolesAreClosed) {
  const FiringRule rule{.kind = FiringRule::Kind::kBand,
                        .low = -2.0,
                        .high = 2.0,
                        .hole_low = -1.0,
                        .hole_high = 0.0};

  EXPECT_FALSE(rule.Fires(-2.0));
  EXPECT_TRUE(rule.Fires(-1.5));
  EXPECT_FALSE(rule.Fires(-1.0));
  EXPECT_FALSE(rule.Fires(0.0));
  EXPECT_TRUE(rule.Fires(0.5));
  EXPECT_FALSE(rule.Fires(2.0));
}

}  // namespace
}  // namespace firekeeper::core
