#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "server/state/layer_state.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::BeginAttempt;
using ::firekeeper::testing::FiringsOf;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::LayerNowhere;
using ::firekeeper::testing::ReluLayer;
using ::firekeeper::testing::ShardOf;
using ::firekeeper::testing::SmallSettings;
using ::testing::IsEmpty;

// A layer of two units in windows of 4 steps.
class DistributionTest : public ::testing::Test {
 protected:
  DistributionTest() {
    BeginAttempt(layer_, 1, 0);
    layer_.Declare(0, ShardOf(2, 0, 1));
  }

  void SendValues(std::int64_t step, const std::vector<double>& values) {
    core::UnitSummary summary = FiringsOf({1, 1}, 2, step);
    summary.sketch = {};
    for (const double value : values) summary.sketch.Add(value);
    ASSERT_THAT(layer_.Merge({.attempt = 1,
                              .signal = core::Signal::kActivation,
                              .phase = core::Phase::kTrain,
                              .step = step},
                             summary, AtSeconds(0)),
                IsOk());
  }
  void CloseBefore(std::int64_t step) {
    layer_.CloseWindows(1, step, AtSeconds(0));
  }
  DistributionView Distribution(std::size_t max_bins) {
    return layer_.Distribution({core::Phase::kTrain, core::Signal::kActivation},
                               max_bins);
  }

 private:
  MemoryBudget memory_{std::size_t{1} << 20U};
  LayerState layer_{ReluLayer("fc1", 2), SmallSettings(), memory_,
                    LayerNowhere()};
};

TEST_F(DistributionTest, IsOfTheNewestClosedWindowWithASketch) {
  SendValues(0, {1.0});
  SendValues(4, {2.0, 3.0});
  SendValues(8, {});
  SendValues(12, {4.0});

  EXPECT_EQ(Distribution(64).steps.first, 12) << "none is closed";
  EXPECT_TRUE(Distribution(64).open);
  CloseBefore(12);

  const DistributionView view = Distribution(64);
  EXPECT_EQ(view.steps.first, 4);
  EXPECT_FALSE(view.open);
  EXPECT_EQ(view.values, 2U);
  EXPECT_EQ(view.observations, 4U);
}

TEST_F(DistributionTest, EveryValueLiesInItsBinAndBinsSpanOneFactor) {
  const std::vector<double> values = {-100.0, -1.0, -0.5, 0.0, 0.0,
                                      1e-3,   0.5,  0.5,  1.0, 250.0};
  SendValues(0, values);

  for (const std::size_t max_bins : {2U, 7U, 64U, 1024U}) {
    const DistributionView view = Distribution(max_bins);

    EXPECT_LE(view.bins.size(), max_bins);
    EXPECT_EQ(view.zero_values, 2U);
    double last = -std::numeric_limits<double>::infinity();
    const double factor = view.bins.back().upper / view.bins.back().lower;
    for (const ValueBin& bin : view.bins) {
      EXPECT_LE(last, bin.lower);
      last = bin.upper;
      const double span = bin.upper / bin.lower;
      EXPECT_NEAR(bin.lower > 0 ? span : 1.0 / span, factor, 1e-9 * factor);
      EXPECT_EQ(bin.values,
                static_cast<std::uint64_t>(std::count_if(
                    values.begin(), values.end(), [&bin](double value) {
                      return value > 0.0
                                 ? bin.lower < value && value <= bin.upper
                                 : bin.lower <= value && value < bin.upper;
                    })));
    }
  }
}

TEST_F(DistributionTest, OfWhatWasNotStreamedThereIsNothing) {
  SendValues(0, {});

  EXPECT_EQ(Distribution(64).values, 0U);
  EXPECT_THAT(Distribution(64).bins, IsEmpty());
  EXPECT_THAT(Distribution(64).quantiles, IsEmpty());
}

}  // namespace
}  // namespace firekeeper::server
