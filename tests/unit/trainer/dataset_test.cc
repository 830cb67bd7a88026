#include "client/cpp/examples/trainer/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

namespace firekeeper::trainer {
namespace {

using ::testing::UnorderedElementsAreArray;

// Row i holds the input i and the target 10 i.
Dataset<float> Numbered(Eigen::Index rows) {
  Dataset<float> data{.inputs = Matrix<float>(rows, 1),
                      .targets = Matrix<float>(rows, 1)};
  for (Eigen::Index row = 0; row < rows; ++row) {
    data.inputs(row, 0) = static_cast<float>(row);
    data.targets(row, 0) = static_cast<float>(10 * row);
  }
  return data;
}

std::vector<std::int64_t> Epoch(BatchOrder& order) {
  std::vector<std::int64_t> dealt;
  for (std::int64_t i = 0; i < order.batches_per_epoch(); ++i) {
    for (const std::int64_t index : order.Next()) dealt.push_back(index);
  }
  return dealt;
}

std::vector<std::int64_t> Range(std::int64_t size) {
  std::vector<std::int64_t> range(static_cast<std::size_t>(size));
  std::iota(range.begin(), range.end(), 0);
  return range;
}

TEST(DatasetTest, RowsKeepInputsAndTargetsTogether) {
  const std::array<std::int64_t, 3> indices{4, 0, 4};

  const Dataset<float> rows = Rows(Numbered(5), std::span(indices));

  EXPECT_EQ(rows.inputs.col(0), Eigen::Vector3f(4, 0, 4));
  EXPECT_EQ(rows.targets.col(0), Eigen::Vector3f(40, 0, 40));
}

TEST(BatchOrderTest, EveryEpochDealsEveryExampleOnceInANewOrder) {
  BatchOrder order(23, 5, 1);

  const std::vector<std::int64_t> first = Epoch(order);
  const std::vector<std::int64_t> second = Epoch(order);

  EXPECT_THAT(first, UnorderedElementsAreArray(Range(23)));
  EXPECT_THAT(second, UnorderedElementsAreArray(Range(23)));
  EXPECT_NE(first, second);
}

TEST(BatchOrderTest, TheLastBatchHoldsTheRest) {
  BatchOrder order(23, 5, 1);
  std::vector<std::size_t> sizes;
  sizes.reserve(6);

  for (int i = 0; i < 6; ++i) sizes.push_back(order.Next().size());

  EXPECT_THAT(sizes, ::testing::ElementsAre(5, 5, 5, 5, 3, 5));
}

TEST(BatchOrderTest, ABatchLargerThanTheSetIsTheSet) {
  BatchOrder order(4, 100, 1);

  EXPECT_EQ(order.batches_per_epoch(), 1);
  EXPECT_EQ(order.Next().size(), 4U);
}

TEST(BatchOrderTest, TheSeedDecidesTheOrder) {
  BatchOrder first(23, 5, 1);
  BatchOrder same(23, 5, 1);
  BatchOrder other(23, 5, 2);
  const std::vector<std::int64_t> dealt = Epoch(first);

  EXPECT_EQ(Epoch(same), dealt);
  EXPECT_NE(Epoch(other), dealt);
}

TEST(SplitTest, TheTwoPartsAreTheWhole) {
  const auto [train, test] = Split(Numbered(11), 0.8, 3);

  EXPECT_EQ(train.size(), 8);
  EXPECT_EQ(test.size(), 3);
  std::vector<float> all(train.inputs.data(),
                         train.inputs.data() + train.size());
  all.insert(all.end(), test.inputs.data(), test.inputs.data() + test.size());
  const std::vector<std::int64_t> range = Range(11);
  EXPECT_THAT(all, UnorderedElementsAreArray(range.begin(), range.end()));
}

TEST(StandardizerTest, GivesTheFittedSetZeroMeanAndUnitVariance) {
  Matrix<double> inputs = 3.0 * Matrix<double>::Random(100, 4);
  inputs.array() += 7.0;

  Standardizer<double>(inputs).Apply(inputs);

  EXPECT_LT(inputs.colwise().mean().cwiseAbs().maxCoeff(), 1e-14);
  const auto square = inputs.cwiseAbs2().colwise().mean().eval();
  EXPECT_TRUE(square.isApproxToConstant(1.0, 1e-13));
}

TEST(StandardizerTest, OtherSetsGetTheShiftAndScaleOfTheFittedOne) {
  Matrix<double> fitted(2, 1);
  fitted << 1.0, 5.0;
  Matrix<double> other(1, 1);
  other << 9.0;

  Standardizer<double>(fitted).Apply(other);

  EXPECT_DOUBLE_EQ(other(0, 0), 3.0);
}

TEST(StandardizerTest, AConstantFeatureBecomesZeroEverywhere) {
  const Matrix<double> fitted = Matrix<double>::Constant(5, 1, 2.0);
  Matrix<double> other(2, 1);
  other << 2.0, 100.0;

  Standardizer<double>(fitted).Apply(other);

  EXPECT_TRUE(other.isZero(0.0));
}

}  // namespace
}  // namespace firekeeper::trainer
