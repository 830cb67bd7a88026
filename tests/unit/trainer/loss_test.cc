#include "client/cpp/examples/trainer/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace firekeeper::trainer {
namespace {

TEST(SoftmaxCrossEntropyTest, EqualLogitsCostTheLogarithmOfTheClasses) {
  const Matrix<double> logits = Matrix<double>::Constant(3, 10, 4.2);
  Matrix<double> targets = Matrix<double>::Zero(3, 10);
  targets.col(7).setOnes();

  EXPECT_NEAR(SoftmaxCrossEntropy<double>(logits, targets, nullptr),
              std::log(10.0), 1e-14);
}

TEST(SoftmaxCrossEntropyTest, GivesLossAndGradientOfTheDefinition) {
  Matrix<double> logits(1, 2);
  logits << 1.0, 3.0;
  Matrix<double> targets(1, 2);
  targets << 1.0, 0.0;
  Matrix<double> gradient;

  const double loss = SoftmaxCrossEntropy(logits, targets, &gradient);

  const double share = 1.0 / (1.0 + std::exp(2.0));
  EXPECT_NEAR(loss, -std::log(share), 1e-15);
  EXPECT_NEAR(gradient(0, 0), share - 1.0, 1e-15);
  EXPECT_NEAR(gradient(0, 1), 1.0 - share, 1e-15);
}

TEST(SoftmaxCrossEntropyTest, TheGradientIsThatOfTheMeanOverExamples) {
  const Matrix<double> logits = Matrix<double>::Zero(4, 2);
  Matrix<double> targets = Matrix<double>::Zero(4, 2);
  targets.col(0).setOnes();
  Matrix<double> gradient;

  static_cast<void>(SoftmaxCrossEntropy(logits, targets, &gradient));

  EXPECT_TRUE(gradient.col(0).isApproxToConstant(-0.125));
  EXPECT_TRUE(gradient.col(1).isApproxToConstant(0.125));
}

TEST(SoftmaxCrossEntropyTest, HugeLogitsDoNotOverflow) {
  Matrix<float> logits(1, 2);
  logits << 3e38F, -3e38F;
  Matrix<float> targets(1, 2);
  targets << 1.0F, 0.0F;
  Matrix<float> gradient;

  EXPECT_EQ(SoftmaxCrossEntropy(logits, targets, &gradient), 0.0);
  EXPECT_EQ(gradient(0, 0), 0.0F);
}

TEST(SoftmaxCrossEntropyTest, NanInALogitReachesTheLoss) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    Matrix<float> logits = Matrix<float>::Zero(2, 3);
    logits(1, 2) = bad;
    Matrix<float> targets = Matrix<float>::Zero(2, 3);
    targets.col(0).setOnes();

    EXPECT_FALSE(
        std::isfinite(SoftmaxCrossEntropy<float>(logits, targets, nullptr)));
  }
}

TEST(MeanSquaredErrorTest, GivesLossAndGradientOfTheDefinition) {
  Matrix<double> outputs(2, 1);
  outputs << 1.0, 5.0;
  Matrix<double> targets(2, 1);
  targets << 2.0, 2.0;
  Matrix<double> gradient;

  EXPECT_DOUBLE_EQ(MeanSquaredError(outputs, targets, &gradient), 5.0);
  EXPECT_DOUBLE_EQ(gradient(0, 0), -1.0);
  EXPECT_DOUBLE_EQ(gradient(1, 0), 3.0);
}

TEST(LossTest, TheKindChooses) {
  Matrix<double> outputs(1, 2);
  outputs << 1.0, 3.0;
  Matrix<double> targets(1, 2);
  targets << 1.0, 0.0;
  const auto loss = [&](LossKind kind) {
    return Loss<double>(kind, outputs, targets, nullptr);
  };

  EXPECT_EQ(loss(LossKind::kSoftmaxCrossEntropy),
            SoftmaxCrossEntropy<double>(outputs, targets, nullptr));
  EXPECT_EQ(loss(LossKind::kMeanSquaredError),
            MeanSquaredError<double>(outputs, targets, nullptr));
}

}  // namespace
}  // namespace firekeeper::trainer
