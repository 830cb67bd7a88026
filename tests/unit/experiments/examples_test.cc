#include "tests/experiments/trainer/examples.h"

#include <gtest/gtest.h>

#include <cmath>

namespace firekeeper::experiments {
namespace {

constexpr auto kUniform = DataSpec::Source::kUniform;

TEST(SyntheticTest, HasTheSizesOfTheReferenceTask) {
  const Examples examples = MakeSynthetic({}, 1);

  EXPECT_EQ(examples.train.inputs.rows(), 2048);
  EXPECT_EQ(examples.train.inputs.cols(), 20);
  EXPECT_EQ(examples.train.targets.cols(), 4);
  EXPECT_EQ(examples.test.size(), 1024);
}

TEST(SyntheticTest, FeaturesHaveZeroMeanAndUnitVariance) {
  for (const auto source : {DataSpec::Source::kSynthetic, kUniform}) {
    const auto inputs = MakeSynthetic({.source = source}, 1).train.inputs;
    const double error = 5.0 / std::sqrt(static_cast<double>(inputs.size()));

    EXPECT_NEAR(inputs.mean(), 0.0F, error);
    EXPECT_NEAR(inputs.squaredNorm() / static_cast<float>(inputs.size()), 1.0F,
                2.0 * error);
  }
}

TEST(SyntheticTest, NoClassIsRareOrCommon) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto targets = MakeSynthetic({}, seed).train.targets;
    const auto shares = (targets.colwise().sum() / 2048.0F).eval();

    EXPECT_GT(shares.minCoeff(), 0.15F) << seed;
    EXPECT_LT(shares.maxCoeff(), 0.35F) << seed;
  }
}

TEST(SyntheticTest, ShowingTheFeaturesOtherwiseChangesNoLabel) {
  const Examples plain = MakeSynthetic({}, 3);
  const Examples shown = MakeSynthetic({.mean = 100.0, .scale = 20.0}, 3);

  EXPECT_EQ(plain.train.targets, shown.train.targets);
  EXPECT_TRUE(shown.train.inputs.isApprox(
      (20.0F * plain.train.inputs.array() + 100.0F).matrix(), 1e-6F));
}

TEST(SyntheticTest, TheSeedDecidesTheTask) {
  EXPECT_EQ(MakeSynthetic({}, 1).train.inputs,
            MakeSynthetic({}, 1).train.inputs);
  EXPECT_NE(MakeSynthetic({}, 1).train.inputs,
            MakeSynthetic({}, 2).train.inputs);
}

// Pixels that count up; the label is the row's number.
trainer::Dataset<float> SomeDigits() {
  trainer::Dataset<float> digits{
      .inputs = trainer::Matrix<float>(10, 2),
      .targets = trainer::Matrix<float>::Zero(10, 10)};
  for (Eigen::Index row = 0; row < 10; ++row) {
    digits.inputs.row(row).setConstant(static_cast<float>(row));
    digits.targets(row, row) = 1.0F;
  }
  return digits;
}

TEST(ShowDigitsTest, StandardisedPixelsAreShiftedAndStretched) {
  const Examples shown = ShowDigits(
      SomeDigits(),
      {.source = DataSpec::Source::kDigits, .mean = 10.0, .scale = 2.0});

  EXPECT_NEAR(shown.train.inputs.mean(), 10.0F, 1e-5F);
  const auto centred = (shown.train.inputs.array() - 10.0F).eval();
  EXPECT_NEAR(centred.square().mean(), 4.0F, 1e-4F);
}

TEST(ShowDigitsTest, UnitPixelsAreThoseOfTheImageOverSixteen) {
  const Examples shown =
      ShowDigits(SomeDigits(), {.source = DataSpec::Source::kUnitDigits});

  EXPECT_GE(shown.train.inputs.minCoeff(), 0.0F);
  EXPECT_LE(shown.train.inputs.maxCoeff(), 9.0F / 16.0F);
}

}  // namespace
}  // namespace firekeeper::experiments
