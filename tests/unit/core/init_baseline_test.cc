#include "core/init_baseline.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <random>

namespace firekeeper::core {
namespace {

// Cosine of the inputs of hidden layer `layer`, counted from 1, on N(0, I).
double CosineAtLayer(int layer) {
  double cosine = 0.0;
  for (int i = 1; i < layer; ++i) cosine = NextCosine(cosine);
  return cosine;
}

// STATISTICS.md 2.4, the columns of theory.
TEST(InitBaselineTest, EqualsTheTableByDepth) {
  struct Row {
    int layer;
    double cosine;
    double share_of_128;
    double share_of_1024;
  };
  for (const Row& row :
       {Row{1, 0.0, 0.0, 0.0}, Row{3, 0.4937, 0.0072, 0.0009},
        Row{5, 0.6810, 0.0435, 0.0151}, Row{10, 0.8548, 0.1460, 0.0925},
        Row{20, 0.9445, 0.2658, 0.2163}, Row{30, 0.9705, 0.3259, 0.2859},
        Row{50, 0.9874, 0.3850, 0.3572}}) {
    SCOPED_TRACE(::testing::Message() << "layer " << row.layer);
    const double cosine = CosineAtLayer(row.layer);
    EXPECT_NEAR(cosine, row.cosine, 6e-5);
    EXPECT_NEAR(NeverFiredShare(cosine, 128), row.share_of_128, 1e-4);
    EXPECT_NEAR(NeverFiredShare(cosine, 1024), row.share_of_1024, 1e-4);
  }
}

TEST(InitBaselineTest, EqualsTheTableOfInputsThatAreNotCentred) {
  struct Row {
    double gamma;
    double share;
  };
  for (const Row& row :
       {Row{0.5, 0.0}, Row{1, 0.0010}, Row{2, 0.0547}, Row{3, 0.1411},
        Row{5, 0.2585}, Row{10, 0.3727}, Row{30, 0.4569}, Row{100, 0.4870}}) {
    EXPECT_NEAR(NeverFiredShare(InputCosine(row.gamma), 1024), row.share, 1e-4)
        << "gamma " << row.gamma;
  }
}

TEST(InitBaselineTest, OneInputIsMissedByHalfTheUnitsAtAnyCosine) {
  for (const double cosine : {0.0, 0.1, 0.499, 0.5, 0.501, 0.9, 0.999999}) {
    EXPECT_NEAR(NeverFiredShare(cosine, 1), 0.5, 1e-12) << cosine;
  }
}

// Two normals of correlation c are both negative with probability
// 1/4 + arcsin(c) / (2 pi) (Sheppard 1899).
TEST(InitBaselineTest, TwoInputsFollowTheOrthantProbability) {
  for (const double cosine : {0.0, 0.1, 0.499, 0.501, 0.9, 0.999999}) {
    const double exact = 0.25 + std::asin(cosine) / (2.0 * std::numbers::pi);
    EXPECT_NEAR(NeverFiredShare(cosine, 2), exact, 1e-12) << cosine;
  }
}

TEST(InitBaselineTest, IndependentInputsHalveTheShareEachTime) {
  for (const std::uint64_t samples : {1U, 2U, 10U, 50U}) {
    const double exact = std::ldexp(1.0, -static_cast<int>(samples));
    EXPECT_NEAR(NeverFiredShare(0.0, samples) / exact, 1.0, 1e-11) << samples;
  }
}

TEST(InitBaselineTest, CosineOfOneLeavesHalfTheUnitsSilent) {
  EXPECT_EQ(NeverFiredShare(1.0, 1024), 0.5);
  EXPECT_NEAR(NeverFiredShare(std::nextafter(1.0, 0.0), 1024), 0.5, 1e-6);
}

// Both forms of the integral meet at cosine 1/2.
TEST(InitBaselineTest, IsContinuousWhereTheMethodChanges) {
  for (const std::uint64_t samples :
       {std::uint64_t{3}, std::uint64_t{1024}, std::uint64_t{1} << 40}) {
    const double below = NeverFiredShare(0.5, samples);
    const double above = NeverFiredShare(std::nextafter(0.5, 1.0), samples);
    EXPECT_NEAR(below / above, 1.0, 1e-9) << samples;
  }
}

TEST(InitBaselineTest, FallsWithSamplesAndRisesWithCosine) {
  double previous = 1.0;
  for (std::uint64_t samples = 1; samples < std::uint64_t{1} << 62;
       samples *= 8) {
    const double share = NeverFiredShare(0.9, samples);
    EXPECT_LT(share, previous);
    EXPECT_LT(NeverFiredShare(0.8, samples), share + (samples == 1 ? 1e-9 : 0));
    previous = share;
  }
  EXPECT_GE(NeverFiredShare(0.9, std::numeric_limits<std::uint64_t>::max()),
            0.0);
}

TEST(InitBaselineTest, CosineRisesTowardsOneWithDepth) {
  EXPECT_NEAR(NextCosine(0.0), std::numbers::inv_pi, 1e-15);
  EXPECT_EQ(NextCosine(1.0), 1.0);
  double cosine = 0.0;
  for (int layer = 0; layer < 1000; ++layer) {
    const double next = NextCosine(cosine);
    ASSERT_GT(next, cosine);
    ASSERT_LE(next, 1.0);
    cosine = next;
  }
  EXPECT_GT(cosine, 0.9999);
}

TEST(InitBaselineTest, InputCosineSurvivesExtremeMeans) {
  EXPECT_EQ(InputCosine(0.0), 0.0);
  EXPECT_DOUBLE_EQ(InputCosine(1.0), 0.5);
  EXPECT_DOUBLE_EQ(InputCosine(3.0), 0.9);
  EXPECT_EQ(InputCosine(1e300), 1.0);
  EXPECT_EQ(InputCosine(std::numeric_limits<double>::infinity()), 1.0);
}

// Finite width against the theory, as 2.4 measured it: 0.05 absolute.
TEST(InitBaselineTest, PredictsSilentUnitsOfRealNets) {
  constexpr int kWidth = 128;
  constexpr int kInputs = 128;
  constexpr int kDepth = 10;
  constexpr int kNets = 6;
  std::mt19937_64 random(20240);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  Eigen::Index silent = 0;
  for (int net = 0; net < kNets; ++net) {
    Eigen::MatrixXd a = Eigen::MatrixXd::NullaryExpr(kWidth, kInputs, draw);
    for (int layer = 0; layer < kDepth; ++layer) {
      const Eigen::MatrixXd he =
          std::sqrt(2.0 / kWidth) *
          Eigen::MatrixXd::NullaryExpr(kWidth, kWidth, draw);
      a = (he * a).cwiseMax(0.0).eval();
    }
    silent += (a.rowwise().maxCoeff().array() == 0.0).count();
  }

  const double share = static_cast<double>(silent) / (kWidth * kNets);
  EXPECT_NEAR(share, NeverFiredShare(CosineAtLayer(kDepth), kInputs), 0.05);
}

}  // namespace
}  // namespace firekeeper::core
