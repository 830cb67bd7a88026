#include "client/cpp/examples/trainer/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "client/cpp/examples/trainer/activation.h"
#include "client/cpp/examples/trainer/evaluation.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::trainer {
namespace {

using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

PerceptronSpec SmallSpec() {
  return {.input_units = 3,
          .hidden_units = {4, 2},
          .output_units = 2,
          .activation = {.kind = core::Activation::kRelu},
          .hidden_init = {},
          .output_init = {},
          .seed = 1};
}

TEST(NetworkTest, NamesItsLayersInOrder) {
  auto network = *Network<float>::Create(SmallSpec());
  const Matrix<float> inputs = Matrix<float>::Ones(5, 3);
  network.Forward(inputs, Mode::kEvaluate);

  ASSERT_EQ(network.layer_count(), 3U);
  EXPECT_EQ(network.layer(0).name, "hidden.0");
  EXPECT_EQ(network.layer(1).name, "hidden.1");
  EXPECT_EQ(network.layer(2).name, "output");
  EXPECT_EQ(network.layer(2).activation.kind, core::Activation::kLinear);
  EXPECT_FALSE(network.layer(1).is_output);
  EXPECT_TRUE(network.layer(2).is_output);
}

TEST(NetworkTest, EveryLayerShowsItsOwnPass) {
  auto network = *Network<float>::Create(SmallSpec());
  const Matrix<float> inputs = Matrix<float>::Random(5, 3);

  const Matrix<float> logits = network.Forward(inputs, Mode::kEvaluate);

  Matrix<float> expected = inputs;
  for (std::size_t i = 0; i < network.layer_count(); ++i) {
    const LayerView<float> layer = network.layer(i);
    EXPECT_EQ(layer.input, expected);
    Matrix<float> z = expected * layer.weight.value.transpose();
    z.rowwise() += layer.bias.value.row(0);
    EXPECT_TRUE(layer.pre_activation.isApprox(z));
    expected = layer.is_output ? z : Matrix<float>(z.cwiseMax(0.0F));
    EXPECT_TRUE(layer.output.isApprox(expected));
    expected = layer.output;
  }
  EXPECT_EQ(expected, logits);
}

PerceptronSpec EqualWidths() {
  PerceptronSpec spec = SmallSpec();
  spec.hidden_units = {4, 4, 4, 2};
  return spec;
}

TEST(NetworkTest, ShowsWhatTheActivationSeesAfterTheNorm) {
  PerceptronSpec spec = EqualWidths();
  spec.normalization = Normalization::kLayer;
  auto network = *Network<float>::Create(spec);
  const Matrix<float> inputs = Matrix<float>::Random(5, 3);

  network.Forward(inputs, Mode::kEvaluate);

  const LayerView<float> layer = network.layer(1);
  EXPECT_TRUE(layer.pre_activation.rowwise().mean().isZero(1e-6F));
  EXPECT_EQ(layer.output, layer.pre_activation.cwiseMax(0.0F));
  EXPECT_TRUE(network.place(1).norm_before);
  EXPECT_FALSE(network.place(4).norm_before) << "the output layer";
  EXPECT_FALSE(network.place(1).residual);
}

TEST(NetworkTest, AResidualLayerHandsOnTheSum) {
  PerceptronSpec spec = EqualWidths();
  for (const auto residual : {Residual::kPlain, Residual::kScaled}) {
    spec.residual = residual;
    auto network = *Network<float>::Create(spec);
    const Matrix<float> inputs = Matrix<float>::Random(5, 3);

    network.Forward(inputs, Mode::kEvaluate);

    const LayerView<float> layer = network.layer(1);
    EXPECT_EQ(layer.output, layer.pre_activation.cwiseMax(0.0F));
    const float scale = residual == Residual::kPlain ? 1.0F : 0.5F;
    EXPECT_TRUE(
        network.layer(2).input.isApprox(layer.input + scale * layer.output));
  }
}

TEST(NetworkTest, OnlyLayersAsWideAsTheirInputHaveASum) {
  PerceptronSpec spec = EqualWidths();
  spec.input_units = 4;
  spec.residual = Residual::kPlain;
  const auto network = *Network<float>::Create(spec);

  EXPECT_FALSE(network.place(0).residual) << "its input is the data";
  EXPECT_TRUE(network.place(1).residual);
  EXPECT_TRUE(network.place(2).residual);
  EXPECT_FALSE(network.place(3).residual);
  EXPECT_FALSE(network.place(4).residual);
}

TEST(NetworkTest, RefusesWidthsThatAreNotPositive) {
  PerceptronSpec spec = SmallSpec();
  spec.hidden_units = {4, 0};
  EXPECT_THAT(Network<float>::Create(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at least one unit; got 0")));
  spec = SmallSpec();
  spec.input_units = -1;
  EXPECT_THAT(
      Network<float>::Create(spec),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got -1 and 2")));
}

TEST(NetworkTest, RefusesActivationsThatItCannotTrain) {
  PerceptronSpec spec = SmallSpec();
  spec.activation.kind = core::Activation::kSparseLatents;

  EXPECT_THAT(
      Network<float>::Create(spec),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("activation")));
}

TEST(NetworkTest, TheSeedDecidesTheWeights) {
  PerceptronSpec spec = SmallSpec();
  const auto first = *Network<float>::Create(spec);
  const auto second = *Network<float>::Create(spec);
  spec.seed = 2;
  const auto other = *Network<float>::Create(spec);

  EXPECT_EQ(Fingerprint(first), Fingerprint(second));
  EXPECT_NE(Fingerprint(first), Fingerprint(other));
}

TEST(NetworkTest, TheFingerprintSeesTheLastBitOfEveryParameter) {
  PerceptronSpec spec = SmallSpec();
  spec.activation = *ParseActivation("prelu");
  auto network = *Network<float>::Create(spec);
  const std::uint64_t before = Fingerprint(network);

  // Three weights and biases, and the slopes of two hidden layers.
  ASSERT_EQ(network.Parameters().size(), 8U);
  for (Parameter<float>* parameter : network.Parameters()) {
    float& last = parameter->value.data()[parameter->value.size() - 1];
    const float kept = last;
    last = std::nextafter(last, 1e9F);
    EXPECT_NE(Fingerprint(network), before);
    last = kept;
  }
  EXPECT_EQ(Fingerprint(network), before);
}

// One hidden unit of weight 1: fires where its input is positive.
Network<float> OneUnitNetwork(float bias) {
  PerceptronSpec spec = SmallSpec();
  spec.input_units = 1;
  spec.hidden_units = {1};
  auto network = *Network<float>::Create(spec);
  network.Parameters()[0]->value.setOnes();
  network.Parameters()[1]->value.setConstant(bias);
  return network;
}

TEST(EvaluationTest, CountsTheUnitsThatFireOnNoExample) {
  const Matrix<float> inputs = Matrix<float>::Ones(4, 1);
  auto firing = OneUnitNetwork(-0.5F);
  auto silent = OneUnitNetwork(-1.0F);

  EXPECT_EQ(CountSilentUnits(firing, inputs)[0].never_fired, 0);
  EXPECT_EQ(CountSilentUnits(silent, inputs)[0].never_fired, 1);
  EXPECT_EQ(CountSilentUnits(silent, inputs)[0].units, 1);
  EXPECT_EQ(CountSilentUnits(silent, inputs)[1].layer, "output");
}

TEST(EvaluationTest, AUnitWithNanIsNotCalledSilent) {
  Matrix<float> inputs = Matrix<float>::Constant(4, 1, -1.0F);
  inputs(2, 0) = std::numeric_limits<float>::quiet_NaN();
  auto network = OneUnitNetwork(0.0F);

  const SilentUnits counts = CountSilentUnits(network, inputs)[0];

  EXPECT_EQ(counts.never_fired, 0);
  EXPECT_EQ(counts.non_finite, 1);
}

TEST(EvaluationTest, AccuracyIsTheShareOfRightExamples) {
  auto network = OneUnitNetwork(0.0F);
  // Logits (h, 0): class 0 exactly where the unit fires.
  network.Parameters()[2]->value << 1.0F, 0.0F;
  network.Parameters()[3]->value << 0.0F, 0.5F;
  Dataset<float> data{.inputs = Matrix<float>(4, 1),
                      .targets = Matrix<float>::Zero(4, 2)};
  data.inputs << 1.0F, 2.0F, -1.0F, std::numeric_limits<float>::quiet_NaN();
  data.targets.col(0).setOnes();

  EXPECT_EQ(Evaluate(network, data).accuracy, 0.5);
}

}  // namespace
}  // namespace firekeeper::trainer
