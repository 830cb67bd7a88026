#include "core/incomplete_beta.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace firekeeper::core {
namespace {

// Within `tolerance` of `expected`, relative.
::testing::AssertionResult IsClose(double actual, double expected,
                                   double tolerance) {
  if (std::abs(actual - expected) <= tolerance * std::abs(expected)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << actual << " is not within " << tolerance << " of " << expected;
}

// Summed to 30 digits from the series DLMF 8.17.8 in 40-digit arithmetic.
struct Reference {
  double a;
  double b;
  double x;
  double lower;
  double upper;
};

const std::vector<Reference>& References() {
  static const std::vector<Reference> kReferences = {
      {0.5, 0.5, 0.25, 0.33333333333333333, 0.66666666666666667},
      {2, 3, 0.4, 0.52480000000000004, 0.47519999999999996},
      {5, 0.5, 0.3, 0.00069130338576297612, 0.99930869661423702},
      {30, 970, 0.02, 0.020455055563425703, 0.9795449444365743},
      {30, 1e9, 1e-8, 2.5099522027975626e-7, 0.99999974900477972},
      {499, 501, 0.45, 0.00094783511084374552, 0.99905216488915625},
      {501, 502, 0.45, 0.00083735160832037244, 0.99916264839167963},
      {3000, 7000, 0.29, 0.014136148980603517, 0.98586385101939648},
      {1e5, 1e5, 0.498, 0.036818738827976022, 0.96318126117202398},
      {1e5, 1e9, 9.9e-5, 0.00084339737042765973, 0.99915660262957234},
  };
  return kReferences;
}

TEST(IncompleteBetaTest, TailsEqualReferenceValues) {
  for (const Reference& r : References()) {
    SCOPED_TRACE(::testing::Message() << r.a << ", " << r.b << ", " << r.x);
    EXPECT_TRUE(IsClose(BetaLowerTail(r.a, r.b, r.x), r.lower, 1e-11));
    EXPECT_TRUE(IsClose(BetaUpperTail(r.a, r.b, r.x), r.upper, 1e-11));
  }
}

TEST(IncompleteBetaTest, SwappingTheParametersMirrorsTheDistribution) {
  for (const double x : {0.125, 0.25, 0.5, 0.75, 0.875}) {
    EXPECT_TRUE(IsClose(BetaLowerTail(3.0, 8.0, x),
                        BetaUpperTail(8.0, 3.0, 1.0 - x), 1e-13));
  }
}

TEST(IncompleteBetaTest, TailsAtTheEndsAreZeroAndOne) {
  EXPECT_EQ(BetaLowerTail(2.0, 3.0, 0.0), 0.0);
  EXPECT_EQ(BetaLowerTail(2.0, 3.0, 1.0), 1.0);
  EXPECT_EQ(BetaUpperTail(2.0, 3.0, 0.0), 1.0);
  EXPECT_EQ(BetaUpperTail(2.0, 3.0, 1.0), 0.0);
}

TEST(IncompleteBetaTest, HalfLiesBelowTheMeanOfASymmetricDistribution) {
  for (const double a : {1.0, 499.0, 501.0, 1e6, 1e12}) {
    EXPECT_TRUE(IsClose(BetaLowerTail(a, a, 0.5), 0.5, 1e-11)) << a;
    EXPECT_TRUE(IsClose(BetaUpperTail(a, a, 0.5), 0.5, 1e-11)) << a;
  }
}

// Where the fraction hands over to the quadrature there must be no step: the
// identity I_x(a, b) = I_x(a + 1, b) + x^a (1 - x)^b / (a B(a, b)) ties both
// sides (DLMF 8.17.20).
TEST(IncompleteBetaTest, MethodsAgreeWhereTheyMeet) {
  const double a = 500.0;
  for (const double b : {600.0, 5000.0, 1e6}) {
    const double x = a / (a + b) * 1.01;
    // 1 / (a B(a, b)) is the binomial coefficient (a + b - 1 over a).
    double log_step = a * std::log(x) + b * std::log1p(-x);
    for (int i = 1; i <= 500; ++i) log_step += std::log((b - 1.0 + i) / i);
    const double step = std::exp(log_step);

    EXPECT_TRUE(IsClose(BetaLowerTail(a, b, x),
                        BetaLowerTail(a + 1.0, b, x) + step, 1e-9))
        << b;
  }
}

TEST(IncompleteBetaTest, QuantileInvertsTheTail) {
  for (const double a : {1.0, 2.0, 30.0, 499.0, 3000.0, 1e6}) {
    for (const double b : {1.0, 5.0, 501.0, 1e6}) {
      for (const double p : {0.9, 0.5, 0.05, 1e-4, 1e-9}) {
        SCOPED_TRACE(::testing::Message() << a << ", " << b << ", " << p);
        const double low = BetaLowerQuantile(a, b, p);
        const double high = BetaUpperQuantile(a, b, p);
        // Next to 1 a double cannot hold x well enough to give p back.
        if (low < 0.99) {
          EXPECT_TRUE(IsClose(BetaLowerTail(a, b, low), p, 1e-9));
        }
        if (high < 0.99) {
          EXPECT_TRUE(IsClose(BetaUpperTail(a, b, high), p, 1e-9));
        }
      }
    }
  }
}

TEST(IncompleteBetaTest, QuantilesOfPowerDistributionsAreExact) {
  for (const double n : {2.0, 700.0, 1e5, 1e9}) {
    for (const double p : {0.5, 0.01, 1e-9}) {
      SCOPED_TRACE(::testing::Message() << n << ", " << p);
      // Beta(1, n): P(X > x) = (1 - x)^n. Beta(n, 1): P(X <= x) = x^n.
      EXPECT_TRUE(IsClose(BetaUpperQuantile(1.0, n, p),
                          -std::expm1(std::log(p) / n), 1e-12));
      EXPECT_TRUE(IsClose(BetaLowerQuantile(1.0, n, p),
                          -std::expm1(std::log1p(-p) / n), 1e-12));
      EXPECT_TRUE(IsClose(BetaLowerQuantile(n, 1.0, p),
                          std::exp(std::log(p) / n), 1e-12));
    }
  }
}

// Share of N(0, I) neurons (w, b) that fire nowhere on the ball |x| <= r
// (STATISTICS.md 2.3).
double DeadOnBall(double dimensions, double r) {
  return 0.5 * BetaUpperTail(0.5, 0.5 * dimensions, r * r / (1.0 + r * r));
}

TEST(IncompleteBetaTest, GivesTheShareOfNeuronsDeadOnABall) {
  EXPECT_NEAR(DeadOnBall(1, 1.0), 0.250000, 5e-7);
  EXPECT_NEAR(DeadOnBall(1, std::sqrt(3.0)), 0.166667, 5e-7);
  EXPECT_NEAR(DeadOnBall(1, 0.5), 0.352416, 5e-7);
  EXPECT_NEAR(DeadOnBall(2, 1.0), 0.146447, 5e-7);
  EXPECT_NEAR(DeadOnBall(5, 1.0), 0.037793, 5e-7);
  EXPECT_NEAR(DeadOnBall(10, 0.3), 0.182572, 5e-7);
}

TEST(IncompleteBetaTest, BallInOneDimensionIsAnArcTangent) {
  for (const double r : {0.01, 0.3, 1.0, 5.0, 200.0}) {
    EXPECT_TRUE(IsClose(DeadOnBall(1, r), std::atan(1.0 / r) / std::numbers::pi,
                        1e-12));
  }
}

}  // namespace
}  // namespace firekeeper::core
