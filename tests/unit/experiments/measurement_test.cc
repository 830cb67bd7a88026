#include "tests/experiments/trainer/measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "client/cpp/examples/trainer/activation.h"

namespace firekeeper::experiments {
namespace {

using ::testing::ElementsAre;

// One input; hidden units with these weights and no bias.
trainer::Network<float> NetworkOf(const std::vector<float>& weights,
                                  const char* activation) {
  auto network = *trainer::Network<float>::Create(
      {.input_units = 1,
       .hidden_units = {static_cast<Eigen::Index>(weights.size())},
       .output_units = 2,
       .activation = *trainer::ParseActivation(activation),
       .hidden_init = {},
       .output_init = {},
       .seed = 1});
  for (std::size_t i = 0; i < weights.size(); ++i) {
    network.Parameters()[0]->value(static_cast<Eigen::Index>(i), 0) =
        weights[i];
  }
  return network;
}

TEST(CountUnitsTest, TellsDeadUnitsFromClosedGatesAndLinearUnits) {
  const trainer::Matrix<float> inputs = trainer::Matrix<float>::Ones(4, 1);
  auto relu = NetworkOf({-1.0F, 1.0F, 2.0F}, "relu");
  auto leaky = NetworkOf({-1.0F, 1.0F, 2.0F}, "leaky-relu");
  auto sigmoid = NetworkOf({-9.0F, 1.0F, 9.0F}, "sigmoid");

  const UnitCounts of_relu = CountUnits(relu, inputs)[0];
  const UnitCounts of_leaky = CountUnits(leaky, inputs)[0];
  const UnitCounts of_sigmoid = CountUnits(sigmoid, inputs)[0];

  EXPECT_EQ(of_relu.units, 3);
  EXPECT_EQ(of_relu.dead, 1);
  EXPECT_EQ(of_relu.gated, 1);
  EXPECT_EQ(of_relu.linear, 2);
  EXPECT_EQ(of_leaky.dead, 1);
  EXPECT_EQ(of_leaky.gated, 0) << "a leaky gate never closes";
  EXPECT_EQ(of_sigmoid.dead, 1);
  EXPECT_EQ(of_sigmoid.gated, 2) << "closed at both ends";
}

TEST(CountUnitsTest, WhatIsNotFiniteIsNotDead) {
  const trainer::Matrix<float> inputs = trainer::Matrix<float>::Constant(
      4, 1, std::numeric_limits<float>::quiet_NaN());
  auto network = NetworkOf({-1.0F, 1.0F}, "relu");

  const UnitCounts counts = CountUnits(network, inputs)[0];

  EXPECT_EQ(counts.dead, 0);
  EXPECT_EQ(counts.gated, 0);
  EXPECT_EQ(counts.linear, 0);
}

class StepRecorder final : public trainer::RunObserver {
 public:
  bool Wants(std::int64_t step) override { return step == 12; }
  void Observe(const trainer::StepRecord<float>& record) override {
    observed.push_back(record.step);
  }
  void ObservePass(const trainer::Network<float>& /*network*/,
                   core::Phase /*phase*/, std::int64_t step,
                   std::uint32_t /*part*/) override {
    passes.push_back(step);
  }
  void StepDone(std::int64_t step) override { done.push_back(step); }

  std::vector<std::int64_t> observed;
  std::vector<std::int64_t> passes;
  std::vector<std::int64_t> done;
};

TEST(MeasuringObserverTest, TheNextSeesWhatItWantsAndNoMore) {
  StepRecorder next;
  MeasuringObserver observer(20, &next);
  auto network = NetworkOf({1.0F}, "relu");
  const trainer::Dataset<float> data{
      .inputs = trainer::Matrix<float>::Ones(8, 1),
      .targets = trainer::Matrix<float>::Constant(8, 2, 0.5F)};
  trainer::Optimizer<float> optimizer({});
  trainer::Trainer<float> training(network, optimizer, data, 4, 1);

  trainer::RunToTheEnd(training, network, data, 20, &observer, nullptr);

  EXPECT_THAT(next.observed, ElementsAre(12));
  EXPECT_THAT(next.passes, ElementsAre(0, 20));
  EXPECT_EQ(next.done.size(), 21U);
  EXPECT_EQ(observer.layers().size(), 2U);
  EXPECT_FALSE(observer.diverged());
}

TEST(MeasuringObserverTest, TakesTheLargestRatioOfTheFirstTenSteps) {
  auto network = NetworkOf({1.0F}, "linear");
  network.Parameters()[2]->value << 1.0F, 0.0F;
  const trainer::Dataset<float> data{
      .inputs = trainer::Matrix<float>::Ones(1, 1),
      .targets = trainer::Matrix<float>::Constant(1, 2, 0.5F)};
  trainer::Optimizer<float> optimizer({.learning_rate = 1.0});
  trainer::Trainer<float> training(network, optimizer, data, 1, 1,
                                   trainer::LossKind::kMeanSquaredError);
  MeasuringObserver observer(1, nullptr);

  trainer::RunToTheEnd(training, network, data, 1, &observer, nullptr);

  // o = (1, 0), t = (0.5, 0.5): dL/do = (0.5, -0.5). The output weights (1, 0)
  // move by (-0.5, 0.5), the hidden weight 1 by -0.5.
  EXPECT_NEAR(observer.update_ratio(), 0.70711, 1e-5);
  EXPECT_NEAR(observer.layers()[0].first_gradient, 0.5, 1e-6);
  EXPECT_NEAR(observer.layers()[0].last_gradient, 0.5, 1e-6);
}

}  // namespace
}  // namespace firekeeper::experiments
