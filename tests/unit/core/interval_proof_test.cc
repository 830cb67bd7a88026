#include "core/interval_proof.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace firekeeper::core {
namespace {

using Rows =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::ArrayXd;

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

TEST(IntervalProofTest, AToleranceMakesTheProofHarder) {
  const PreActivationBounds bounds{.low = -2.0, .high = -0.1};

  EXPECT_EQ(ProofOf(bounds), UnitProof::kNeverFires);
  EXPECT_EQ(ProofOf(bounds, 0.2), UnitProof::kNone);
}

}  // namespace
}  // namespace firekeeper::core
