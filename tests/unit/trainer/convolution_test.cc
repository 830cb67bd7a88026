#include "client/cpp/examples/trainer/convolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/examples/trainer/evaluation.h"
#include "client/cpp/examples/trainer/network.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::trainer {
namespace {

using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr ImageShape kImage{.channels = 1, .height = 3, .width = 3};

Matrix<double> CountingImage() {
  Matrix<double> image(1, 9);
  image << 1, 2, 3,  //
      4, 5, 6,       //
      7, 8, 9;
  return image;
}

// What a convolution of one channel with this 3 x 3 kernel and bias makes.
Matrix<double> Convolved(const Matrix<double>& kernel, double bias,
                         Eigen::Index stride) {
  Random random(1, RandomStream::kWeights);
  Convolution<double> layer(kImage, {.channels = 1, .stride = stride}, {},
                            random);
  layer.Parameters()[0]->value = kernel;
  layer.Parameters()[1]->value.setConstant(bias);
  Matrix<double> output;
  layer.Forward(CountingImage(), Mode::kTrain, output);
  return output;
}

TEST(ConvolutionTest, AKernelOfOneInTheMiddleKeepsTheImage) {
  Matrix<double> kernel = Matrix<double>::Zero(1, 9);
  kernel(0, 4) = 1.0;

  EXPECT_EQ(Convolved(kernel, 0.5, 1),
            (CountingImage().array() + 0.5).matrix());
}

TEST(ConvolutionTest, OutsideTheImageThereIsZero) {
  const Matrix<double> sums = Convolved(Matrix<double>::Ones(1, 9), 0.0, 1);

  EXPECT_EQ(sums(0, 0), 1 + 2 + 4 + 5);
  EXPECT_EQ(sums(0, 4), 45);
  EXPECT_EQ(sums(0, 5), 2 + 3 + 5 + 6 + 8 + 9);
}

TEST(ConvolutionTest, AStrideOfTwoTakesEverySecondPlace) {
  Matrix<double> kernel = Matrix<double>::Zero(1, 9);
  kernel(0, 4) = 1.0;
  Matrix<double> corners(1, 4);
  corners << 1, 3, 7, 9;

  EXPECT_EQ(Convolved(kernel, 0.0, 2), corners);
}

TEST(ConvolutionTest, ChannelsFollowOneAnother) {
  Random random(1, RandomStream::kWeights);
  Convolution<double> layer({.channels = 2, .height = 2, .width = 2},
                            {.channels = 2, .kernel = 1}, {}, random);
  // The first output channel is the second input channel, and the reverse.
  layer.Parameters()[0]->value << 0, 1, 1, 0;
  Matrix<double> input(1, 8);
  input << 1, 2, 3, 4, 5, 6, 7, 8;
  Matrix<double> swapped(1, 8);
  swapped << 5, 6, 7, 8, 1, 2, 3, 4;
  Matrix<double> output;

  layer.Forward(input, Mode::kTrain, output);

  EXPECT_EQ(output, swapped);
}

PerceptronSpec ImageSpec() {
  return {.input_units = 9,
          .hidden_units = {5},
          .output_units = 2,
          .activation = {.kind = core::Activation::kRelu},
          .hidden_init = {},
          .output_init = {},
          .seed = 1,
          .convolutions = {{.channels = 4}, {.channels = 6, .stride = 2}},
          .image_width = 3};
}

TEST(ConvolutionalNetworkTest, ALayerTellsItsChannelsAndTheirPixels) {
  const auto network = *Network<float>::Create(ImageSpec());

  ASSERT_EQ(network.layer_count(), 4U);
  const LayerPlace& first = network.place(0);
  EXPECT_EQ(first.name, "conv.0");
  EXPECT_EQ(first.units, 4);
  EXPECT_EQ(first.fan_in, 9);
  EXPECT_EQ(first.positions, 9);
  EXPECT_EQ(first.input_units, 1);
  EXPECT_TRUE(first.is_convolution);
  const LayerPlace& second = network.place(1);
  EXPECT_EQ(second.fan_in, 4 * 9);
  EXPECT_EQ(second.positions, 4);
  EXPECT_EQ(second.input_units, 4);
  EXPECT_EQ(network.place(2).name, "hidden.0");
  EXPECT_EQ(network.place(2).fan_in, 6 * 4);
  EXPECT_EQ(network.place(2).positions, 1);
}

TEST(ConvolutionalNetworkTest, AChannelIsSilentIfNoPixelOfItFires) {
  PerceptronSpec spec = ImageSpec();
  spec.convolutions = {{.channels = 2, .kernel = 1}};
  auto network = *Network<float>::Create(spec);
  network.Parameters()[0]->value << 1.0F, -1.0F;
  Matrix<float> images = Matrix<float>::Zero(3, 9);
  images(1, 7) = 1.0F;

  const SilentUnits counts = CountSilentUnits(network, images)[0];

  EXPECT_EQ(counts.units, 2);
  EXPECT_EQ(counts.never_fired, 1);
}

TEST(ConvolutionalNetworkTest, WhatIsNoImageIsRefused) {
  PerceptronSpec spec = ImageSpec();
  spec.image_width = 2;
  EXPECT_THAT(Network<float>::Create(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("9 inputs are no image that is 2 wide")));
  spec = ImageSpec();
  spec.convolutions[1].kernel = 2;
  EXPECT_THAT(
      Network<float>::Create(spec),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("odd kernel")));
}

}  // namespace
}  // namespace firekeeper::trainer
