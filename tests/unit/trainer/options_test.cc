#include "client/cpp/examples/digits_trainer/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace firekeeper::digits {
namespace {

using ::testing::ElementsAre;

std::variant<Options, int> Parse(std::vector<const char*> arguments) {
  // The defaults are tested, not the machine.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  unsetenv("FIREKEEPER_DIGITS");
  arguments.insert(arguments.begin(), "digits_trainer");
  return ParseOptions(static_cast<int>(arguments.size()), arguments.data());
}

Options Parsed(std::vector<const char*> arguments) {
  auto parsed = Parse(std::move(arguments));
  EXPECT_TRUE(std::holds_alternative<Options>(parsed));
  return std::get<Options>(std::move(parsed));
}

// The exit code, or -1 where the arguments were taken.
int ExitCode(std::vector<const char*> arguments) {
  const auto parsed = Parse(std::move(arguments));
  const int* const code = std::get_if<int>(&parsed);
  return code == nullptr ? -1 : *code;
}

TEST(OptionsTest, WithoutArgumentsAHealthyRunIsSet) {
  const Options options = Parsed({});

  EXPECT_THAT(options.training.hidden_units, ElementsAre(64, 64, 64));
  EXPECT_EQ(options.training.activation.kind, core::Activation::kRelu);
  EXPECT_EQ(options.training.optimizer.rule, trainer::UpdateRule::kAdam);
  EXPECT_EQ(options.training.optimizer.learning_rate, 1e-3);
  EXPECT_EQ(options.data, kDefaultPath);
  EXPECT_EQ(options.streaming.every, 2);
  EXPECT_FALSE(options.raw_inputs);
}

TEST(OptionsTest, EveryFlagArrives) {
  const Options options = Parsed({"--hidden",
                                  "10,20",
                                  "--activation",
                                  "gelu-tanh",
                                  "--init",
                                  "normal",
                                  "--init-std",
                                  "0.5",
                                  "--bias",
                                  "-3",
                                  "--weight-mean",
                                  "-0.25",
                                  "--optimizer",
                                  "momentum",
                                  "--learning-rate",
                                  "0.3",
                                  "--momentum",
                                  "0.8",
                                  "--weight-decay",
                                  "0.1",
                                  "--batch-size",
                                  "32",
                                  "--epochs",
                                  "7",
                                  "--seed",
                                  "9",
                                  "--raw-inputs",
                                  "--run",
                                  "r",
                                  "--endpoint",
                                  "h:1",
                                  "--every",
                                  "8",
                                  "--token",
                                  "t",
                                  "--ca-cert",
                                  "c",
                                  "--send-tensors",
                                  "--quiet",
                                  "--json"});
  const TrainingOptions& training = options.training;

  EXPECT_THAT(training.hidden_units, ElementsAre(10, 20));
  EXPECT_EQ(training.activation.kind, core::Activation::kGeluTanh);
  EXPECT_EQ(training.initialization.kind, trainer::Initialization::kNormal);
  EXPECT_EQ(training.initialization.standard_deviation, 0.5);
  EXPECT_EQ(training.initialization.bias, -3.0);
  EXPECT_EQ(training.initialization.weight_mean, -0.25);
  EXPECT_EQ(training.optimizer.rule, trainer::UpdateRule::kMomentum);
  EXPECT_EQ(training.optimizer.learning_rate, 0.3);
  EXPECT_EQ(training.optimizer.momentum, 0.8);
  EXPECT_EQ(training.optimizer.weight_decay, 0.1);
  EXPECT_EQ(training.batch_size, 32);
  EXPECT_EQ(training.epochs, 7);
  EXPECT_EQ(training.seed, 9U);
  EXPECT_TRUE(options.raw_inputs && options.quiet && options.json);
  EXPECT_EQ(options.streaming.run, "r");
  EXPECT_EQ(options.streaming.endpoint, "h:1");
  EXPECT_EQ(options.streaming.every, 8);
  EXPECT_EQ(options.streaming.token, "t");
  EXPECT_EQ(options.streaming.ca_cert_file, "c");
  EXPECT_TRUE(options.streaming.send_tensors);
}

TEST(OptionsTest, FlagsOfTheRemediesArrive) {
  const TrainingOptions training =
      Parsed({"--norm", "layer", "--residual", "scaled", "--clip", "0.1",
              "--warmup", "300", "--init-gain", "2", "--conv", "8,16"})
          .training;

  EXPECT_EQ(training.normalization, trainer::Normalization::kLayer);
  EXPECT_EQ(training.residual, trainer::Residual::kScaled);
  EXPECT_EQ(training.optimizer.clip_norm, 0.1);
  EXPECT_EQ(training.optimizer.warmup_steps, 300);
  EXPECT_EQ(training.initialization.gain, 2.0);
  EXPECT_THAT(training.convolution_channels, ElementsAre(8, 16));
  EXPECT_EQ(Parsed({"--norm", "batch"}).training.normalization,
            trainer::Normalization::kBatch);
  EXPECT_EQ(Parsed({"--residual", "plain"}).training.residual,
            trainer::Residual::kPlain);
}

TEST(OptionsTest, TheLearningRateFollowsTheOptimizerUnlessGiven) {
  const auto rate = [](std::vector<const char*> arguments) {
    return Parsed(std::move(arguments)).training.optimizer.learning_rate;
  };

  EXPECT_EQ(rate({"--optimizer", "sgd"}), 0.05);
  EXPECT_EQ(rate({"--optimizer", "momentum"}), 0.01);
  EXPECT_EQ(rate({"--optimizer", "adamw"}), 1e-3);
  EXPECT_EQ(rate({"--optimizer", "sgd", "--learning-rate", "2"}), 2.0);
}

TEST(OptionsTest, NoFirekeeperAndAnEmptyEndpointStreamNowhere) {
  EXPECT_EQ(Parsed({"--no-firekeeper"}).streaming.endpoint, "");
  EXPECT_EQ(Parsed({"--endpoint", "h:1", "--no-firekeeper"}).streaming.endpoint,
            "");
  EXPECT_EQ(Parsed({"--endpoint", ""}).streaming.endpoint, "");
}

TEST(OptionsTest, HelpEndsWithZero) { EXPECT_EQ(ExitCode({"--help"}), 0); }

TEST(OptionsTest, WrongArgumentsEndWithAnotherCode) {
  EXPECT_GT(ExitCode({"--every", "12"}), 0);
  EXPECT_GT(ExitCode({"--every", "0"}), 0);
  EXPECT_GT(ExitCode({"--hidden", "64,0"}), 0);
  EXPECT_GT(ExitCode({"--hidden", "64,x"}), 0);
  EXPECT_GT(ExitCode({"--activation", "rellu"}), 0);
  EXPECT_GT(ExitCode({"--init", "zero"}), 0);
  EXPECT_GT(ExitCode({"--optimizer", "lion"}), 0);
  EXPECT_GT(ExitCode({"--learning-rate", "-1"}), 0);
  EXPECT_GT(ExitCode({"--learning-rate", "nan"}), 0);
  EXPECT_GT(ExitCode({"--bias", "inf"}), 0);
  EXPECT_GT(ExitCode({"--momentum", "1.5"}), 0);
  EXPECT_GT(ExitCode({"--batch-size", "0"}), 0);
  EXPECT_GT(ExitCode({"--epochs", "0"}), 0);
  EXPECT_GT(ExitCode({"--seed", "-1"}), 0);
  EXPECT_GT(ExitCode({"--norm", "group"}), 0);
  EXPECT_GT(ExitCode({"--residual", "1"}), 0);
  EXPECT_GT(ExitCode({"--conv", "8,0"}), 0);
  EXPECT_GT(ExitCode({"--clip", "-1"}), 0);
  EXPECT_GT(ExitCode({"--warmup", "-1"}), 0);
  EXPECT_GT(ExitCode({"--unknown"}), 0);
}

}  // namespace
}  // namespace firekeeper::digits
