#include "client/cpp/examples/trainer/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "client/cpp/examples/trainer/activation.h"
#include "client/cpp/examples/trainer/loss.h"

namespace firekeeper::trainer {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kBatchSize = 8;

// Two clouds of points, one for each class.
Dataset<float> Clouds() {
  Random random(1, RandomStream::kSplit);
  Dataset<float> data{.inputs = Matrix<float>(50, 3),
                      .targets = Matrix<float>::Zero(50, 2)};
  for (Eigen::Index row = 0; row < data.size(); ++row) {
    const Eigen::Index label = row % 2;
    for (Eigen::Index col = 0; col < 3; ++col) {
      data.inputs(row, col) =
          static_cast<float>(random.Normal() + (label == 0 ? 1.0 : -1.0));
    }
    data.targets(row, label) = 1.0F;
  }
  return data;
}

Network<float> SmallNetwork(const std::string& activation,
                            std::uint64_t seed = 1) {
  return *Network<float>::Create({.input_units = 3,
                                  .hidden_units = {6, 5},
                                  .output_units = 2,
                                  .activation = *ParseActivation(activation),
                                  .hidden_init = {},
                                  .output_init = {},
                                  .seed = seed});
}

// What a record held, copied.
struct Seen {
  std::int64_t step;
  double loss;
  double learning_rate;
  Matrix<float> inputs;
  Matrix<float> targets;
  std::vector<Matrix<float>> weights;
  std::vector<Matrix<float>> biases;
  std::vector<Matrix<float>> gradients;
  std::vector<Matrix<float>> updates;
  std::vector<Matrix<float>> updated_weights;
};

class RecordingObserver final : public StepObserver<float> {
 public:
  explicit RecordingObserver(std::set<std::int64_t> wanted)
      : wanted_(std::move(wanted)) {}

  bool Wants(std::int64_t step) override {
    asked.push_back(step);
    return wanted_.contains(step);
  }

  void Observe(const StepRecord<float>& record) override {
    Seen copy{.step = record.step,
              .loss = record.loss,
              .learning_rate = record.learning_rate,
              .inputs = record.inputs,
              .targets = record.targets,
              .weights = {},
              .biases = {},
              .gradients = {},
              .updates = {},
              .updated_weights = {}};
    for (const LayerStep<float>& layer : record.layers) {
      copy.weights.push_back(layer.weight);
      copy.biases.push_back(layer.bias);
      copy.gradients.push_back(layer.view.weight.gradient);
      copy.updates.push_back(layer.weight_update);
      copy.updated_weights.push_back(layer.view.weight.value);
    }
    seen.push_back(std::move(copy));
  }

  std::vector<std::int64_t> asked;
  std::vector<Seen> seen;

 private:
  std::set<std::int64_t> wanted_;
};

std::uint64_t TrainFor(int steps, const std::string& activation,
                       StepObserver<float>* observer, std::uint64_t seed = 1) {
  const Dataset<float> data = Clouds();
  Network<float> network = SmallNetwork(activation, seed);
  Optimizer<float> optimizer(
      {.rule = UpdateRule::kAdam, .learning_rate = 0.01});
  Trainer<float> trainer(network, optimizer, data, kBatchSize, seed);
  for (int i = 0; i < steps; ++i) trainer.Step(observer);
  return Fingerprint(network);
}

TEST(TrainerTest, LowersTheLoss) {
  const Dataset<float> data = Clouds();
  Network<float> network = SmallNetwork("relu");
  Optimizer<float> optimizer({.rule = UpdateRule::kSgd, .learning_rate = 0.1});
  Trainer<float> trainer(network, optimizer, data, kBatchSize, 1);
  const auto loss = [&] {
    return SoftmaxCrossEntropy<float>(
        network.Forward(data.inputs, Mode::kEvaluate), data.targets, nullptr);
  };
  const double before = loss();

  while (trainer.step() < 20 * trainer.steps_per_epoch()) {
    trainer.Step(nullptr);
  }

  EXPECT_LT(loss(), 0.5 * before);
}

TEST(TrainerTest, AnEpochHasAStepForTheRestToo) {
  const Dataset<float> data = Clouds();
  Network<float> network = SmallNetwork("relu");
  Optimizer<float> optimizer({});

  EXPECT_EQ(Trainer<float>(network, optimizer, data, 8, 1).steps_per_epoch(),
            7);
  EXPECT_EQ(Trainer<float>(network, optimizer, data, 50, 1).steps_per_epoch(),
            1);
}

TEST(TrainerTest, TheSameSeedTrainsTheSameBits) {
  EXPECT_EQ(TrainFor(30, "relu", nullptr), TrainFor(30, "relu", nullptr));
  EXPECT_NE(TrainFor(30, "relu", nullptr, 1), TrainFor(30, "relu", nullptr, 2));
}

TEST(TrainerTest, AnObserverChangesNoBit) {
  for (const char* activation : {"relu", "prelu", "rrelu", "gelu"}) {
    RecordingObserver everything({0, 1, 2, 3, 10, 17, 29});
    EXPECT_EQ(TrainFor(30, activation, &everything),
              TrainFor(30, activation, nullptr))
        << activation;
    EXPECT_EQ(everything.seen.size(), 7U);
  }
}

TEST(TrainerTest, OnlyWantedStepsAreObserved) {
  RecordingObserver observer({1, 3});

  TrainFor(5, "relu", &observer);

  EXPECT_THAT(observer.asked, ElementsAre(0, 1, 2, 3, 4));
  ASSERT_EQ(observer.seen.size(), 2U);
  EXPECT_EQ(observer.seen[0].step, 1);
  EXPECT_EQ(observer.seen[1].step, 3);
}

TEST(TrainerTest, ARecordHoldsTheWeightsOfItsForwardPassAndTheirUpdate) {
  const Dataset<float> data = Clouds();
  Network<float> network = SmallNetwork("relu");
  const Network<float> untrained = SmallNetwork("relu");
  Optimizer<float> optimizer({.rule = UpdateRule::kSgd, .learning_rate = 0.1});
  Trainer<float> trainer(network, optimizer, data, kBatchSize, 1);
  RecordingObserver observer({0});

  const double loss = trainer.Step(&observer);

  ASSERT_EQ(observer.seen.size(), 1U);
  const Seen& seen = observer.seen[0];
  EXPECT_EQ(seen.loss, loss);
  EXPECT_EQ(seen.learning_rate, 0.1);
  ASSERT_EQ(seen.weights.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(seen.weights[i], untrained.Parameters()[2 * i]->value);
    EXPECT_EQ(seen.biases[i], untrained.Parameters()[2 * i + 1]->value);
    EXPECT_EQ(seen.updates[i], seen.updated_weights[i] - seen.weights[i]);
    EXPECT_TRUE(seen.updates[i].isApprox(-0.1F * seen.gradients[i], 1e-4F));
  }
}

TEST(TrainerTest, ARecordHoldsTheBatchThatGaveItsLoss) {
  RecordingObserver observer({0});
  TrainFor(1, "relu", &observer);
  const Seen& seen = observer.seen.at(0);
  ASSERT_EQ(seen.inputs.rows(), kBatchSize);

  Network<float> untrained = SmallNetwork("relu");
  const double loss = SoftmaxCrossEntropy<float>(
      untrained.Forward(seen.inputs, Mode::kEvaluate), seen.targets, nullptr);

  EXPECT_EQ(seen.loss, loss);
}

}  // namespace
}  // namespace firekeeper::trainer
