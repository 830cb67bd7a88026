// Trains on the real digits.

#include "client/cpp/examples/digits_trainer/training_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "tests/support/digits_file.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::digits {
namespace {

using ::firekeeper::testing::IsOk;

class CountingObserver final : public RunObserver {
 public:
  bool Wants(std::int64_t step) override { return step % 3 == 0; }
  void Observe(const trainer::StepRecord<float>& record) override {
    observed.push_back(record.step);
  }
  void ObservePass(const trainer::Network<float>& network, core::Phase phase,
                   std::int64_t step, std::uint32_t part) override {
    rows[phase] += network.layer(0).output.rows();
    passes.emplace_back(step, part);
    if (phase == core::Phase::kBirth) birth_hash = Fingerprint(network);
    if (phase == core::Phase::kProbe) probe_hash = Fingerprint(network);
  }
  void StepDone(std::int64_t step) override { done.push_back(step); }

  std::vector<std::int64_t> observed;
  std::map<core::Phase, std::int64_t> rows;
  std::vector<std::pair<std::int64_t, std::uint32_t>> passes;
  std::vector<std::int64_t> done;
  std::uint64_t birth_hash = 0;
  std::uint64_t probe_hash = 0;
};

class TrainingRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = ::firekeeper::testing::DigitsFile();
    if (path.empty()) GTEST_SKIP() << "no digits: FIREKEEPER_DIGITS is not set";
    auto digits = LoadDigits(path);
    ASSERT_THAT(digits, IsOk());
    examples_ = Prepare(*digits, /*raw_inputs=*/false);
    options_.epochs = 3;
  }

  trainer::Network<float> Build() const {
    auto network = BuildNetwork(options_, examples_);
    EXPECT_THAT(network, IsOk());
    return *std::move(network);
  }

  RunResult Run(RunObserver* observer = nullptr) const {
    trainer::Network<float> network = Build();
    return Train(options_, examples_, network, observer, nullptr);
  }

  Examples examples_;
  TrainingOptions options_;
};

TEST_F(TrainingRunTest, FourFifthsAreForTraining) {
  EXPECT_EQ(examples_.train.size(), 1437);
  EXPECT_EQ(examples_.test.size(), 360);
}

TEST_F(TrainingRunTest, TrainingInputsHaveZeroMeanAndUnitOrNoVariance) {
  const auto& inputs = examples_.train.inputs;
  const auto variance = inputs.cwiseAbs2().colwise().mean().eval();

  EXPECT_LT(inputs.colwise().mean().cwiseAbs().maxCoeff(), 1e-5F);
  for (Eigen::Index i = 0; i < variance.size(); ++i) {
    EXPECT_TRUE(variance(i) == 0.0F || std::abs(variance(i) - 1.0F) < 1e-4F);
  }
  // Corner pixels are blank on every image.
  EXPECT_EQ(variance(0), 0.0F);
}

TEST_F(TrainingRunTest, ReadsUnseenDigitsAfterThreeEpochs) {
  const RunResult result = Run();

  EXPECT_EQ(result.steps, 3 * 23);
  EXPECT_GT(result.test.accuracy, 0.85);
  EXPECT_LT(result.train.loss, 0.5);
}

TEST_F(TrainingRunTest, AnObserverChangesNoBitOfTheWeights) {
  CountingObserver observer;

  EXPECT_EQ(Run(&observer).weights_hash, Run().weights_hash);
}

TEST_F(TrainingRunTest, BirthAndProbeShowTheWholeTrainingSetFrozen) {
  CountingObserver observer;

  const RunResult result = Run(&observer);

  EXPECT_EQ(observer.rows[core::Phase::kBirth], 1437);
  EXPECT_EQ(observer.rows[core::Phase::kProbe], 1437);
  EXPECT_THAT(observer.passes,
              ::testing::ElementsAre(std::pair(0, 0U), std::pair(0, 1U),
                                     std::pair(0, 2U), std::pair(69, 0U),
                                     std::pair(69, 1U), std::pair(69, 2U)));
  EXPECT_EQ(observer.birth_hash, Fingerprint(Build()));
  EXPECT_EQ(observer.probe_hash, result.weights_hash);
}

TEST_F(TrainingRunTest, EveryStepIsDoneInOrderAndTheProbeLast) {
  CountingObserver observer;

  Run(&observer);

  ASSERT_EQ(observer.done.size(), 70U);
  for (std::size_t i = 0; i < observer.done.size(); ++i) {
    EXPECT_EQ(observer.done[i], static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(observer.observed.size(), 23U);
}

TEST_F(TrainingRunTest, AHugeLearningRateKillsUnitsAndAModestOneDoesNot) {
  const auto never_fired = [this](double learning_rate) {
    options_.optimizer.learning_rate = learning_rate;
    std::int64_t sum = 0;
    for (const auto& layer : Run().silent_units) sum += layer.never_fired;
    return sum;
  };
  options_.epochs = 10;

  EXPECT_LE(never_fired(1e-3), 4);
  EXPECT_GE(never_fired(1e-1), 192 / 5);
}

TEST_F(TrainingRunTest, TheOutputLayerIsDrawnWithoutTheOffsets) {
  options_.initialization.bias = -3.0;
  options_.initialization.weight_mean = -5.0;
  trainer::Network<float> network = Build();
  network.Forward(examples_.test.inputs, trainer::Mode::kEvaluate);

  EXPECT_TRUE(network.layer(0).bias.value.isApproxToConstant(-3.0F));
  EXPECT_TRUE(network.layer(3).bias.value.isZero(0.0F));
  // LeCun: standard deviation 1/8, so the mean of 640 lies within
  // 5/8/sqrt(640).
  EXPECT_NEAR(network.layer(3).weight.value.mean(), 0.0F, 0.025F);
  EXPECT_NEAR(network.layer(3).weight.value.squaredNorm() / 640, 1.0F / 64,
              5 * std::sqrt(2.0F / 640) / 64);
}

}  // namespace
}  // namespace firekeeper::digits
