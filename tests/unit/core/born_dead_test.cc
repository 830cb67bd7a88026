// How often networks and neurons are dead at birth: STATISTICS.md 2.1 and 2.3
// simulated. Counts are judged by our own Clopper-Pearson bounds at the one-
// sided probability of five standard errors. All seeds are fixed.

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <random>

#include "core/certificate.h"
#include "core/incomplete_beta.h"

namespace firekeeper::core {
namespace {

constexpr double kFiveSigma = 2.87e-7;
constexpr std::uint64_t kNets = 100000;

struct Shape {
  int width;
  int depth;  // hidden layers
};

// A network without biases is positively homogeneous, f(c x) = c f(x) for
// c > 0: on the line only the sign of x matters, so +1 and -1 stand for all
// inputs.
class BornDead {
 public:
  explicit BornDead(std::uint64_t seed) : random_(seed) {}

  // Of kNets random networks, how many have a last hidden layer that is silent
  // for every input. `inputs` is 2 for the line, 1 for a single input.
  std::uint64_t Count(Shape shape, int inputs) {
    std::uint64_t dead = 0;
    for (std::uint64_t net = 0; net < kNets; ++net) {
      if (IsDead(shape, inputs)) ++dead;
    }
    return dead;
  }

 private:
  // Fixed capacity: no allocation in the inner loop.
  static constexpr int kMaxWidth = 10;
  using Layer = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0,
                              kMaxWidth, kMaxWidth>;

  Layer Weights(int rows, int columns) {
    return Layer::NullaryExpr(rows, columns,
                              [this] { return normal_(random_); });
  }

  bool IsDead(Shape shape, int inputs) {
    Layer signal(1, inputs);
    signal(0, 0) = 1.0;
    if (inputs == 2) signal(0, 1) = -1.0;
    for (int layer = 0; layer < shape.depth; ++layer) {
      const auto fan_in = static_cast<int>(signal.rows());
      signal = (Weights(shape.width, fan_in) * signal).cwiseMax(0.0).eval();
      // Without a bias silence stays silence.
      if ((signal.array() == 0.0).all()) return true;
    }
    return false;
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

void ExpectShareWithin(std::uint64_t count, double low, double high) {
  EXPECT_LE(RateLowerBound(count, kNets, kFiveSigma), high);
  EXPECT_GE(RateUpperBound(count, kNets, kFiveSigma), low);
}

// Single input: every layer is silent with probability 2^-N.
double SingleInputShare(Shape shape) {
  return 1.0 - std::pow(1.0 - std::ldexp(1.0, -shape.width), shape.depth);
}

// Lower bound of Lu, Shin, Su and Karniadakis (arXiv 1903.06733) on the line;
// exact for two hidden layers. The single input is the upper bound.
double LowerBoundOnLine(Shape shape) {
  const double half = std::ldexp(1.0, -shape.width);
  const double a1 = 1.0 - half;
  const double a2 = 1.0 - 2.0 * half - (shape.width - 1) * half * half;
  const double weight =
      (1.0 - 2.0 * half) * (1.0 - half) / (1.0 + (shape.width - 1) * half);
  const double first = std::pow(a1, shape.depth - 1);
  return 1.0 - first + weight * (std::pow(a2, shape.depth - 1) - first);
}

TEST(BornDeadTest, TwoHiddenLayersAreExact) {
  struct Row {
    int width;
    double exact;
  };
  BornDead nets(1);
  for (const Row& row : {Row{1, 0.5}, Row{2, 0.156250}, Row{3, 0.042969},
                         Row{4, 0.011230}, Row{5, 0.002869}}) {
    SCOPED_TRACE(row.width);
    const Shape shape{.width = row.width, .depth = 2};
    EXPECT_NEAR(LowerBoundOnLine(shape), row.exact, 5e-7);
    ExpectShareWithin(nets.Count(shape, 2), row.exact, row.exact);
  }
}

TEST(BornDeadTest, DeepNetsLieWithinTheBoundsAndOnTheTable) {
  struct Row {
    Shape shape;
    double low;
    double high;
    double table;
  };
  BornDead nets(2);
  for (const Row& row :
       {Row{{2, 3}, 0.3262, 0.5781, 0.3397},
        Row{{2, 9}, 0.8703, 0.9249, 0.8812}, Row{{2, 10}, 0.0, 1.0, 0.9108},
        Row{{3, 9}, 0.5134, 0.6993, 0.5795}, Row{{3, 10}, 0.0, 1.0, 0.6316},
        Row{{4, 9}, 0.2042, 0.4406, 0.2943},
        Row{{5, 9}, 0.0640, 0.2485, 0.1271}, Row{{5, 10}, 0.0, 1.0, 0.1513},
        Row{{8, 9}, 0.0, 0.0346, 0.0086}, Row{{10, 9}, 0.0, 0.0088, 0.0011},
        Row{{2, 20}, 0.9945, 0.9968, 0.9950},
        Row{{5, 20}, 0.2301, 0.4701, 0.3791}}) {
    SCOPED_TRACE(::testing::Message()
                 << row.shape.width << " wide, " << row.shape.depth << " deep");
    const std::uint64_t dead = nets.Count(row.shape, 2);
    ExpectShareWithin(dead, row.low, row.high);
    ExpectShareWithin(dead, LowerBoundOnLine(row.shape),
                      SingleInputShare(row.shape));
    // The table's own sample was at least as large as this one.
    const double error =
        std::sqrt(2.0 * row.table * (1.0 - row.table) / kNets) + 1e-5;
    EXPECT_NEAR(static_cast<double>(dead) / kNets, row.table, 5.0 * error);
  }
}

TEST(BornDeadTest, OneHiddenLayerIsNeverDead) {
  BornDead nets(3);
  EXPECT_EQ(nets.Count({.width = 1, .depth = 1}, 2), 0U);
  EXPECT_EQ(nets.Count({.width = 3, .depth = 1}, 2), 0U);
}

TEST(BornDeadTest, SingleInputIsExact) {
  struct Row {
    Shape shape;
    double exact;
  };
  BornDead nets(4);
  for (const Row& row :
       {Row{{2, 3}, 0.57812}, Row{{3, 9}, 0.69934}, Row{{5, 9}, 0.24854}}) {
    SCOPED_TRACE(row.shape.width);
    EXPECT_NEAR(SingleInputShare(row.shape), row.exact, 6e-6);
    const double exact = SingleInputShare(row.shape);
    ExpectShareWithin(nets.Count(row.shape, 1), exact, exact);
  }
}

// A neuron fires somewhere on the ball |x| <= r unless w x + b is at most 0 at
// its best point, x = r w / |w|.
TEST(BornDeadTest, NeuronsDeadOnABallFollowTheClosedForm) {
  struct Row {
    int dimensions;
    double r;
  };
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const Row& row : {Row{1, 1.0}, Row{1, std::sqrt(3.0)}, Row{1, 0.5},
                         Row{2, 1.0}, Row{5, 1.0}, Row{10, 0.3}}) {
    SCOPED_TRACE(::testing::Message() << row.dimensions << ", " << row.r);
    std::uint64_t dead = 0;
    for (std::uint64_t i = 0; i < kNets; ++i) {
      double squared_norm = 0.0;
      for (int d = 0; d < row.dimensions; ++d) {
        const double w = normal(random);
        squared_norm += w * w;
      }
      const double bias = normal(random);
      if (bias + row.r * std::sqrt(squared_norm) <= 0.0) ++dead;
    }
    const double x = row.r * row.r / (1.0 + row.r * row.r);
    const double exact = 0.5 * BetaUpperTail(0.5, 0.5 * row.dimensions, x);
    ExpectShareWithin(dead, exact, exact);
  }
}

}  // namespace
}  // namespace firekeeper::core
