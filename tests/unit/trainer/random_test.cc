#include "client/cpp/examples/trainer/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

namespace firekeeper::trainer {
namespace {

using ::testing::ElementsAreArray;
using ::testing::UnorderedElementsAreArray;

constexpr std::uint64_t kSeed = 0x1234'5678'9abc'def0;

double Mean(int count, const std::function<double()>& draw) {
  double sum = 0.0;
  for (int i = 0; i < count; ++i) sum += draw();
  return sum / count;
}

TEST(RandomTest, UniformIsTheUpperBitsOfTheStandardEngine) {
  std::seed_seq sequence{0x9abc'def0U, 0x1234'5678U, 2U, 7U};
  std::mt19937_64 engine(sequence);
  Random random(kSeed, RandomStream::kWeights, 7);

  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(random.Uniform(),
              std::ldexp(static_cast<double>(engine() >> 11U), -53));
  }
}

TEST(RandomTest, EverySeedStreamAndOffsetGivesOtherNumbers) {
  const double base = Random(kSeed, RandomStream::kWeights).Uniform();

  EXPECT_EQ(Random(kSeed, RandomStream::kWeights).Uniform(), base);
  EXPECT_NE(Random(kSeed + 1, RandomStream::kWeights).Uniform(), base);
  EXPECT_NE(Random(kSeed + (1ULL << 40U), RandomStream::kWeights).Uniform(),
            base);
  EXPECT_NE(Random(kSeed, RandomStream::kBatches).Uniform(), base);
  EXPECT_NE(Random(kSeed, RandomStream::kWeights, 1).Uniform(), base);
}

TEST(RandomTest, NormalHasTheMomentsOfTheStandardNormal) {
  Random random(kSeed, RandomStream::kWeights);
  constexpr int kCount = 200'000;
  std::vector<double> draws(kCount);
  for (double& draw : draws) draw = random.Normal();
  std::size_t next = 0;
  const auto power = [&](int exponent) {
    next = 0;
    return Mean(kCount, [&] { return std::pow(draws[next++], exponent); });
  };

  // Standard errors: the root of Var(z^k) / n, with E z^2 = 1, 3, 15, 105.
  EXPECT_NEAR(power(1), 0.0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(power(2), 1.0, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(power(3), 0.0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(power(4), 3.0, 5 * std::sqrt(96.0 / kCount));
}

TEST(RandomTest, NeighbouringNormalsAreUncorrelated) {
  Random random(kSeed, RandomStream::kWeights);
  constexpr int kCount = 100'000;

  const double product = Mean(kCount, [&] {
    const double first = random.Normal();
    return first * random.Normal();
  });

  EXPECT_NEAR(product, 0.0, 5 * std::sqrt(1.0 / kCount));
}

TEST(RandomTest, Beta21HasItsMoments) {
  Random random(kSeed, RandomStream::kWeights);
  constexpr int kCount = 100'000;
  std::vector<double> draws(kCount);
  for (double& draw : draws) draw = random.Beta21();
  std::size_t next = 0;

  const double mean = Mean(kCount, [&] { return draws[next++]; });
  next = 0;
  const double square = Mean(kCount, [&] {
    const double draw = draws[next++];
    return draw * draw;
  });

  // Var(x) = 1/18; Var(x^2) = 1/3 - 1/4.
  EXPECT_NEAR(mean, 2.0 / 3.0, 5 * std::sqrt(1.0 / 18.0 / kCount));
  EXPECT_NEAR(square, 0.5, 5 * std::sqrt(1.0 / 12.0 / kCount));
}

TEST(RandomTest, BelowReachesEveryValueEquallyOften) {
  Random random(kSeed, RandomStream::kBatches);
  constexpr int kBound = 7;
  constexpr int kCount = 70'000;
  std::vector<int> counts(kBound);

  for (int i = 0; i < kCount; ++i) ++counts.at(random.Below(kBound));

  const double share = 1.0 / kBound;
  const double error = std::sqrt(kCount * share * (1.0 - share));
  for (const int count : counts) EXPECT_NEAR(count, kCount * share, 5 * error);
}

TEST(RandomTest, BelowAnEnormousBoundStaysBelowIt) {
  Random random(kSeed, RandomStream::kBatches);
  // Just above 2^63: nearly half of all draws must be rejected.
  constexpr std::uint64_t kBound = (1ULL << 63U) + 1;

  for (int i = 0; i < 1'000; ++i) EXPECT_LT(random.Below(kBound), kBound);
}

TEST(RandomTest, ShuffleGivesAPermutationThatItsSeedFixes) {
  std::vector<std::int64_t> sorted(100);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::vector<std::int64_t> first = sorted;
  std::vector<std::int64_t> second = sorted;

  Random(kSeed, RandomStream::kSplit).Shuffle(first);
  Random(kSeed, RandomStream::kSplit).Shuffle(second);

  EXPECT_THAT(first, UnorderedElementsAreArray(sorted));
  EXPECT_NE(first, sorted);
  EXPECT_THAT(second, ElementsAreArray(first));
}

TEST(RandomTest, ShuffleMakesEveryOrderEquallyLikely) {
  Random random(kSeed, RandomStream::kSplit);
  constexpr int kCount = 60'000;
  std::vector<int> counts(6);

  for (int i = 0; i < kCount; ++i) {
    std::vector<std::int64_t> order{0, 1, 2};
    random.Shuffle(order);
    ++counts.at(
        static_cast<std::size_t>(order[0] * 2 + (order[1] > order[2] ? 1 : 0)));
  }

  const double error = std::sqrt(kCount * (1.0 / 6.0) * (5.0 / 6.0));
  for (const int count : counts) EXPECT_NEAR(count, kCount / 6.0, 5 * error);
}

}  // namespace
}  // namespace firekeeper::trainer
