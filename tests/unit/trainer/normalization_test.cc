#include "client/cpp/examples/trainer/normalization.h"

#include <gtest/gtest.h>

#include <cmath>

namespace firekeeper::trainer {
namespace {

Matrix<double> Sample() {
  Matrix<double> values(4, 3);
  values << 1, 20, -3,  //
      2, 40, -1,        //
      3, 60, 5,         //
      6, 40, -1;
  return values;
}

Matrix<double> Normalized(Layer<double>& layer, const Matrix<double>& input,
                          Mode mode) {
  Matrix<double> output;
  layer.Forward(input, mode, output);
  return output;
}

TEST(NormalizationTest, NoneMakesNoLayer) {
  EXPECT_EQ(MakeNormalization<double>(Normalization::kNone), nullptr);
}

TEST(NormalizationTest, BatchNormGivesEachUnitZeroMeanAndUnitVariance) {
  const auto layer = MakeNormalization<double>(Normalization::kBatch);

  const Matrix<double> output = Normalized(*layer, Sample(), Mode::kTrain);

  EXPECT_TRUE(output.colwise().mean().isZero(1e-12));
  EXPECT_TRUE(
      output.cwiseAbs2().colwise().mean().isApproxToConstant(1.0, 1e-5));
}

TEST(NormalizationTest, LayerNormGivesEachExampleZeroMeanAndUnitVariance) {
  const auto layer = MakeNormalization<double>(Normalization::kLayer);

  const Matrix<double> output = Normalized(*layer, Sample(), Mode::kEvaluate);

  EXPECT_TRUE(output.rowwise().mean().isZero(1e-12));
  EXPECT_TRUE(
      output.cwiseAbs2().rowwise().mean().isApproxToConstant(1.0, 1e-5));
}

TEST(NormalizationTest, AConstantBecomesZeroAndNotNan) {
  const Matrix<double> constant = Matrix<double>::Constant(4, 3, 7.0);
  for (const auto kind : {Normalization::kBatch, Normalization::kLayer}) {
    const auto layer = MakeNormalization<double>(kind);

    EXPECT_TRUE(Normalized(*layer, constant, Mode::kTrain).isZero(1e-12));
  }
}

TEST(BatchNormTest, EvaluationBeforeTrainingUsesTheRowsThemselves) {
  const auto layer = MakeNormalization<double>(Normalization::kBatch);

  const Matrix<double> output = Normalized(*layer, Sample(), Mode::kEvaluate);

  EXPECT_TRUE(output.colwise().mean().isZero(1e-12));
}

TEST(BatchNormTest, EvaluationUsesTheRunningAverages) {
  const auto layer = MakeNormalization<double>(Normalization::kBatch);
  const Matrix<double> zeros = Matrix<double>::Zero(4, 3);
  static_cast<void>(Normalized(*layer, Sample(), Mode::kTrain));
  static_cast<void>(Normalized(*layer, Sample().array() + 10.0, Mode::kTrain));

  const Matrix<double> output = Normalized(*layer, zeros, Mode::kEvaluate);

  // The first unit has mean 3 + 0.1 * 10 and the sample variance 14 / 3.
  EXPECT_NEAR(output(0, 0),
              -4.0 / std::sqrt(14.0 / 3.0 + kNormalizationEpsilon), 1e-12);
}

TEST(BatchNormTest, EvaluationMovesNoAverage) {
  const auto disturbed = MakeNormalization<double>(Normalization::kBatch);
  const auto left_alone = MakeNormalization<double>(Normalization::kBatch);
  for (const auto& layer : {disturbed.get(), left_alone.get()}) {
    static_cast<void>(Normalized(*layer, Sample(), Mode::kTrain));
  }
  static_cast<void>(Normalized(*disturbed, 9.0 * Sample(), Mode::kEvaluate));

  EXPECT_EQ(Normalized(*disturbed, Sample(), Mode::kEvaluate),
            Normalized(*left_alone, Sample(), Mode::kEvaluate));
}

}  // namespace
}  // namespace firekeeper::trainer
