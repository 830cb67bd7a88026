#include "core/certificate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace firekeeper::core {
namespace {

constexpr std::uint64_t kMillion = 1000000;

TEST(RoundUpToPowerOfTwoTest, RoundsUpAndSaturates) {
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
  EXPECT_EQ(RoundUpToPowerOfTwo(0), 1U);
  EXPECT_EQ(RoundUpToPowerOfTwo(1), 1U);
  EXPECT_EQ(RoundUpToPowerOfTwo(2), 2U);
  EXPECT_EQ(RoundUpToPowerOfTwo(3), 4U);
  EXPECT_EQ(RoundUpToPowerOfTwo(4), 4U);
  EXPECT_EQ(RoundUpToPowerOfTwo(5), 8U);
  EXPECT_EQ(RoundUpToPowerOfTwo(kTop - 1), kTop);
  EXPECT_EQ(RoundUpToPowerOfTwo(kTop), kTop);
  EXPECT_EQ(RoundUpToPowerOfTwo(kTop + 1), kTop);
  EXPECT_EQ(RoundUpToPowerOfTwo(std::numeric_limits<std::uint64_t>::max()),
            kTop);
}

// STATISTICS.md 2.6: n for 0 firings.
TEST(SilenceNeededFixedStartTest, EqualsTheTable) {
  struct Row {
    double p0;
    std::uint64_t one_unit_5_percent;
    std::uint64_t million_units_5_percent;
    std::uint64_t million_units_1_percent;
  };
  for (const Row& row :
       {Row{1e-2, 299, 1673, 1833}, Row{1e-3, 2995, 16803, 18412},
        Row{1e-4, 29956, 168105, 184198},
        Row{1e-5, 299572, 1681116, 1842059}}) {
    EXPECT_EQ(SilenceNeededFixedStart(row.p0, 0.05, 1), row.one_unit_5_percent);
    EXPECT_EQ(SilenceNeededFixedStart(row.p0, 0.05, kMillion),
              row.million_units_5_percent);
    EXPECT_EQ(SilenceNeededFixedStart(row.p0, 0.01, kMillion),
              row.million_units_1_percent);
  }
}

// STATISTICS.md 2.6: 1e5 units, 5 %. Too little silence has no power at all,
// and the certificate is reached between 1e5 and 145 081 observations.
TEST(SilenceNeededFixedStartTest, HundredThousandUnitsNeed145081Observations) {
  EXPECT_EQ(SilenceNeededFixedStart(1e-4, 0.05, 100000), 145080U);
}

// STATISTICS.md 4.2 tabulates n0 for h = ln(M (T p0 + 1) / alpha); the rule
// adds ln(j (j + 1)) for the doublings and rounds T up.
TEST(SilenceNeededTest, EqualsTheFormulaOfTheRule) {
  struct Row {
    double p0;
    double units;
    double trials_rounded;
    double doubling;
  };
  for (const Row& row :
       {Row{1e-3, 1e6, 1073741824.0, 30}, Row{1e-5, 1e6, 1073741824.0, 30},
        Row{1e-2, 1e5, 16777216.0, 24}, Row{0.5, 1, 1, 1}, Row{0.5, 1, 2, 1},
        Row{0.1, 3, 4, 2}}) {
    const double h = std::log(row.units * (row.trials_rounded * row.p0 + 1) *
                              row.doubling * (row.doubling + 1) / 0.01);
    EXPECT_EQ(SilenceNeeded(row.p0, 0.01, static_cast<std::uint64_t>(row.units),
                            static_cast<std::uint64_t>(row.trials_rounded)),
              static_cast<std::uint64_t>(std::ceil(h / -std::log1p(-row.p0))));
  }
}

TEST(SilenceNeededTest, TrialsCountAsTheNextPowerOfTwo) {
  const std::uint64_t at_1024 = SilenceNeeded(1e-2, 0.01, 64, 1024);

  EXPECT_EQ(SilenceNeeded(1e-2, 0.01, 64, 513), at_1024);
  EXPECT_LT(SilenceNeeded(1e-2, 0.01, 64, 512), at_1024);
  EXPECT_GT(SilenceNeeded(1e-2, 0.01, 64, 1025), at_1024);
}

TEST(SilenceNeededTest, NoTrialsAreLikeOneTrial) {
  EXPECT_EQ(SilenceNeeded(1e-2, 0.01, 64, 0), SilenceNeeded(1e-2, 0.01, 64, 1));
}

// ln(M / alpha) / -ln(1 - 1/2) is an integer for powers of two.
TEST(SilenceNeededTest, AskForNothingBeyondTheBoundary) {
  EXPECT_EQ(SilenceNeededFixedStart(0.5, 0.5, 1), 1U);
  EXPECT_EQ(SilenceNeededFixedStart(0.5, 0.25, 1), 2U);
  EXPECT_EQ(SilenceNeededFixedStart(0.5, 0.25, std::uint64_t{1} << 40), 42U);
  EXPECT_EQ(SilenceNeededFixedStart(0.75, 0.0625, 1), 2U);
  EXPECT_EQ(SilenceNeededFixedStart(0.5, 0.24999, 1), 3U);
}

TEST(SilenceNeededTest, TinyRatesKeepTheirPrecision) {
  const auto n = static_cast<double>(SilenceNeededFixedStart(1e-12, 0.05, 1));
  EXPECT_NEAR(n * 1e-12, -std::log(0.05), 1e-10);
}

TEST(SilenceNeededTest, SaturatesWhereNoCountIsEnough) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(SilenceNeededFixedStart(1e-300, 0.01, 1), kMost);
  EXPECT_EQ(SilenceNeededFixedStart(std::numeric_limits<double>::denorm_min(),
                                    0.01, kMost),
            kMost);
  EXPECT_EQ(SilenceNeeded(1e-300, 0.01, kMost, kMost), kMost);
}

TEST(SilenceNeededTest, LargestArgumentsStayFinite) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  // ln(2^64 * 2^63 * 0.5 * 63 * 64 / 0.01) / ln 2 = 144.6.
  EXPECT_EQ(SilenceNeeded(0.5, 0.01, kMost, kMost), 145U);
  EXPECT_EQ(SilenceNeededFixedStart(std::nextafter(1.0, 0.0), 0.5, 1), 1U);
}

// STATISTICS.md 2.6.
TEST(RateUpperBoundTest, WithoutFiringEqualsTheTable) {
  EXPECT_NEAR(RateUpperBound(0, 30, 0.05), 0.09503385, 5e-9);
  EXPECT_NEAR(RateUpperBound(0, 100, 0.05), 0.02951305, 5e-9);
  EXPECT_NEAR(RateUpperBound(0, 1000, 0.05), 0.00299125, 5e-9);
  EXPECT_NEAR(RateUpperBound(0, 1024, 0.05), 0.00292124, 5e-9);
}

TEST(RateUpperBoundTest, WithFiringsEqualsTheTable) {
  EXPECT_NEAR(RateUpperBound(1, 1000, 0.05), 0.00473499, 5e-9);
  EXPECT_NEAR(RateUpperBound(5, 1000, 0.05), 0.01048408, 5e-9);
}

TEST(RateUpperBoundTest, IsNotWilsonsAntiConservativeBound) {
  EXPECT_GT(RateUpperBound(0, 1000, 0.05), 0.00269824 + 1e-4);
}

TEST(RateUpperBoundTest, IsOneWhereNothingIsKnown) {
  EXPECT_EQ(RateUpperBound(0, 0, 0.05), 1.0);
  EXPECT_EQ(RateUpperBound(7, 7, 0.05), 1.0);
}

TEST(RateUpperBoundTest, MatchesTheBinomialItInverts) {
  // P(X <= 2) of Binomial(20, p) is alpha at the bound, by definition.
  const double p = RateUpperBound(2, 20, 0.01);
  const double q = 1.0 - p;
  const double at_most_two = std::pow(q, 20) + 20 * p * std::pow(q, 19) +
                             190 * p * p * std::pow(q, 18);
  EXPECT_NEAR(at_most_two, 0.01, 1e-12);
}

TEST(RateUpperBoundTest, HugeCountsKeepTheirPrecision) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
  EXPECT_NEAR(RateUpperBound(0, kHuge, 0.05) * static_cast<double>(kHuge),
              -std::log(0.05), 1e-12);
  const double half = RateUpperBound(kHuge / 2, kHuge, 0.05);
  // 1.6448536 standard deviations of 2^-32.
  EXPECT_NEAR((half - 0.5) * 4294967296.0, 1.6448536, 1e-5);
}

TEST(RateLowerBoundTest, MirrorsTheUpperBound) {
  for (const std::uint64_t k : {1U, 2U, 10U, 19U, 20U}) {
    EXPECT_NEAR(RateLowerBound(k, 20, 0.05),
                1.0 - RateUpperBound(20 - k, 20, 0.05), 1e-13);
  }
}

TEST(RateLowerBoundTest, IsZeroWithoutFiring) {
  EXPECT_EQ(RateLowerBound(0, 0, 0.05), 0.0);
  EXPECT_EQ(RateLowerBound(0, 1000, 0.05), 0.0);
}

TEST(RateLowerBoundTest, OneFiringInManyIsExact) {
  // P(X >= 1) = 1 - (1 - p)^n = alpha.
  const double exact = -std::expm1(std::log1p(-0.05) / 1e9);
  EXPECT_NEAR(RateLowerBound(1, 1000000000, 0.05) / exact, 1.0, 1e-12);
}

TEST(RateBoundsTest, EncloseTheObservedRateAndGrowWithFirings) {
  double last_low = -1.0;
  double last_high = 0.0;
  for (std::uint64_t k = 0; k < 5000; ++k) {
    const double low = RateLowerBound(k, 5000, 0.01);
    const double high = RateUpperBound(k, 5000, 0.01);
    const double rate = static_cast<double>(k) / 5000;
    ASSERT_LE(low, rate);
    ASSERT_GE(high, rate);
    ASSERT_GT(low, last_low);
    ASSERT_GT(high, last_high);
    last_low = low;
    last_high = high;
  }
}

}  // namespace
}  // namespace firekeeper::core
