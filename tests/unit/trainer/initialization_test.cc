#include "client/cpp/examples/trainer/initialization.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "client/cpp/examples/trainer/network.h"

namespace firekeeper::trainer {
namespace {

constexpr Eigen::Index kUnits = 400;
constexpr Eigen::Index kFanIn = 250;
constexpr double kEntries = kUnits * kFanIn;

struct Layer {
  Matrix<double> weight{kUnits, kFanIn};
  Matrix<double> bias{1, kUnits};
};

Layer Draw(const InitializationSpec& spec, std::uint64_t seed = 5) {
  Random random(seed, RandomStream::kWeights);
  Layer layer;
  Initialize(spec, random, layer.weight, layer.bias);
  return layer;
}

// `kurtosis` is E z^4 / (E z^2)^2 of the distribution; the variance of a
// variance estimate is (kurtosis - 1) sigma^4 / n.
void ExpectMoments(const Matrix<double>& values, double variance,
                   double kurtosis) {
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(values.mean(), 0.0, 5 * std::sqrt(variance / n));
  EXPECT_NEAR(values.squaredNorm() / n, variance,
              5 * variance * std::sqrt((kurtosis - 1.0) / n));
}

TEST(InitializationTest, NormalKindsHaveTheirMeanAndVariance) {
  ExpectMoments(Draw({.kind = Initialization::kHe}).weight, 2.0 / kFanIn, 3.0);
  ExpectMoments(Draw({.kind = Initialization::kGlorot}).weight,
                2.0 / (kFanIn + kUnits), 3.0);
  ExpectMoments(Draw({.kind = Initialization::kLecun}).weight, 1.0 / kFanIn,
                3.0);
  ExpectMoments(
      Draw({.kind = Initialization::kNormal, .standard_deviation = 0.3}).weight,
      0.09, 3.0);
}

TEST(InitializationTest, NormalKindsStartWithZeroBias) {
  for (const auto kind : {Initialization::kHe, Initialization::kGlorot,
                          Initialization::kLecun, Initialization::kNormal}) {
    EXPECT_TRUE(Draw({.kind = kind}).bias.isZero(0.0));
  }
}

TEST(InitializationTest, PytorchIsUniformWithinTheRootOfFanIn) {
  const Layer layer = Draw({.kind = Initialization::kPytorch});
  const double limit = 1.0 / std::sqrt(kFanIn);

  ExpectMoments(layer.weight, limit * limit / 3.0, 9.0 / 5.0);
  ExpectMoments(layer.bias, limit * limit / 3.0, 9.0 / 5.0);
  EXPECT_LE(layer.weight.cwiseAbs().maxCoeff(), limit);
  EXPECT_GT(layer.weight.cwiseAbs().maxCoeff(), 0.99 * limit);
}

TEST(InitializationTest, OffsetsMoveEveryWeightAndBias) {
  const Layer plain = Draw({.kind = Initialization::kHe});
  const Layer moved =
      Draw({.kind = Initialization::kHe, .weight_mean = -0.5, .bias = -3.0});
  const double shift = -0.5 * std::sqrt(2.0 / kFanIn);

  EXPECT_LT(
      (moved.weight.array() - plain.weight.array() - shift).abs().maxCoeff(),
      1e-15);
  EXPECT_TRUE(moved.bias.isApproxToConstant(-3.0));
}

TEST(InitializationTest, TheGainStretchesTheDistribution) {
  const Layer plain = Draw({.kind = Initialization::kLecun});
  const Layer stretched =
      Draw({.kind = Initialization::kLecun, .gain = 5.0 / 3.0});

  EXPECT_TRUE(stretched.weight.isApprox(5.0 / 3.0 * plain.weight, 1e-14));
}

TEST(InitializationTest, FloatDrawsTheSameNumbersAsDouble) {
  Random random(5, RandomStream::kWeights);
  Matrix<float> weight(kUnits, kFanIn);
  Matrix<float> bias(1, kUnits);

  Initialize({.kind = Initialization::kRai}, random, weight, bias);

  const Layer layer = Draw({.kind = Initialization::kRai});
  EXPECT_EQ(weight, layer.weight.cast<float>());
  EXPECT_EQ(bias, layer.bias.cast<float>());
}

TEST(RaiTest, GivesEachUnitOneLargePositiveEntry) {
  const Layer layer = Draw({.kind = Initialization::kRai});
  const double deviation = 0.6007 / std::sqrt(kFanIn);

  // A normal entry beyond 6 deviations (2e-4 of all Beta draws are smaller
  // than 0.23, 6 deviations) is a Beta draw.
  const auto units_with_beta =
      ((layer.weight.array() > 6 * deviation).rowwise().count() +
       (layer.bias.array() > 6 * deviation).transpose().cast<Eigen::Index>())
          .eval();
  EXPECT_EQ(units_with_beta.maxCoeff(), 1);
  // Beta(2, 1) is below 6 deviations with probability (6 deviation)^2 = 0.052.
  const double share = 1.0 - 36 * deviation * deviation;
  EXPECT_NEAR(static_cast<double>((units_with_beta == 1).count()) / kUnits,
              share, 5 * std::sqrt(share * (1 - share) / kUnits));
}

TEST(RaiTest, TheOtherEntriesAreNormalWithTheVarianceOfThePaper) {
  const Layer layer = Draw({.kind = Initialization::kRai});
  const double variance = 0.6007 * 0.6007 / kFanIn;

  // Negative entries are never Beta draws, and half of a symmetric
  // distribution: their mean square is the variance.
  const auto negative = (layer.weight.array() < 0.0).cast<double>().eval();
  const double count = negative.sum();
  const double square =
      (negative * layer.weight.array().square()).sum() / count;
  EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(2.0 / count));
  // Each unit lost one of fan_in + 1 entries to a positive draw.
  const double share = 0.5 * kFanIn / (kFanIn + 1.0);
  EXPECT_NEAR(count / kEntries, share,
              5 * std::sqrt(share * (1 - share) / kEntries));
}

TEST(RaiTest, TheLargeEntryIsABetaDrawAnywhereInTheRow) {
  // With one input the row is (w, b): each holds half of the Beta draws.
  constexpr Eigen::Index kManyUnits = 20'000;
  Random random(5, RandomStream::kWeights);
  Matrix<double> weight(kManyUnits, 1);
  Matrix<double> bias(1, kManyUnits);
  Initialize({.kind = Initialization::kRai}, random, weight, bias);

  // Var = (0.6007^2 + 1/2) / 2 - (1/3)^2 for either, mean (2/3) / 2.
  const double error = std::sqrt((0.4304 - 1.0 / 9.0) / kManyUnits);
  EXPECT_NEAR(weight.mean(), 1.0 / 3.0, 5 * error);
  EXPECT_NEAR(bias.mean(), 1.0 / 3.0, 5 * error);
}

// Share of networks, each with a seed of its own, whose last hidden layer is
// constant on a grid over [-sqrt 3, sqrt 3].
struct BornDead {
  double share;
  double standard_error;
};

BornDead MeasureBornDead(const InitializationSpec& init, Eigen::Index width,
                         std::size_t depth, int networks) {
  const Matrix<double> grid =
      Eigen::VectorXd::LinSpaced(41, -std::sqrt(3.0), std::sqrt(3.0));
  int dead = 0;
  for (int seed = 0; seed < networks; ++seed) {
    auto network = Network<double>::Create(
        {.input_units = 1,
         .hidden_units = std::vector<Eigen::Index>(depth, width),
         .output_units = 1,
         .activation = {.kind = core::Activation::kRelu},
         .hidden_init = init,
         .output_init = {},
         .seed = static_cast<std::uint64_t>(seed)});
    network->Forward(grid, Mode::kEvaluate);
    const Matrix<double>& last = network->layer(depth - 1).output;
    const bool constant =
        (last.rowwise() - last.row(0)).cwiseAbs().maxCoeff() == 0.0;
    dead += constant ? 1 : 0;
  }
  const double share = static_cast<double>(dead) / networks;
  return {.share = share,
          .standard_error = std::sqrt(share * (1 - share) / networks)};
}

// The table was measured on 8,000 networks or more.
void ExpectBornDead(const BornDead& measured, double table) {
  const double table_error = std::sqrt(table * (1 - table) / 8'000);
  EXPECT_NEAR(measured.share, table,
              5 * std::hypot(measured.standard_error, table_error));
}

TEST(BornDeadTest, RaiReproducesTheTable) {
  // STATISTICS.md 2.2, (d, N, H) = (1, 2, 9) and (1, 3, 9).
  ExpectBornDead(MeasureBornDead({.kind = Initialization::kRai}, 2, 9, 4'000),
                 0.232);
  ExpectBornDead(MeasureBornDead({.kind = Initialization::kRai}, 3, 9, 4'000),
                 0.062);
}

TEST(BornDeadTest, HeReproducesTheTableForEveryBias) {
  const auto he = [](double bias) {
    return MeasureBornDead({.kind = Initialization::kHe, .bias = bias}, 2, 9,
                           4'000);
  };

  ExpectBornDead(he(0.0), 0.883);
  ExpectBornDead(he(0.1), 0.426);
  ExpectBornDead(he(1.0), 0.449);
  ExpectBornDead(he(-0.5), 0.994);
}

}  // namespace
}  // namespace firekeeper::trainer
