#include "client/cpp/summary_encoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "core/reduce.h"

namespace firekeeper::client {
namespace {

constexpr core::ColumnSet kAll{
    .firings = true, .clusters = true, .gate = true, .moments = true};

// The columns by name, each entry widened; the test's own reading of
// summary.proto.
struct Decoded {
  std::map<v1::SummaryColumn, std::vector<double>> values;
  std::map<v1::SummaryColumn, std::uint32_t> widths;
};

template <typename Entry>
void Read(const std::string& data, std::vector<double>* values) {
  for (std::size_t at = 0; at < data.size(); at += sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, data.data() + at, sizeof(Entry));
    values->push_back(static_cast<double>(entry));
  }
}

void ReadReals(const v1::SummaryColumnData& column,
               std::vector<double>* values) {
  if (column.width() == 4) Read<float>(column.data(), values);
  if (column.width() == 8) Read<double>(column.data(), values);
}

void ReadCounts(const v1::SummaryColumnData& column,
                std::vector<double>* values) {
  if (column.width() == 1) Read<std::uint8_t>(column.data(), values);
  if (column.width() == 2) Read<std::uint16_t>(column.data(), values);
  if (column.width() == 4) Read<std::uint32_t>(column.data(), values);
  if (column.width() == 8) Read<std::uint64_t>(column.data(), values);
}

Decoded Decode(const v1::UnitSummary& proto) {
  Decoded decoded;
  for (const auto& column : proto.columns()) {
    auto& values = decoded.values[column.column()];
    decoded.widths[column.column()] = column.width();
    const bool real = column.column() >= v1::SUMMARY_COLUMN_ABS_SUM;
    if (column.width() == 0) {
      EXPECT_EQ(column.data(), "");
      continue;
    }
    EXPECT_EQ(column.data().size() % column.width(), 0U);
    if (real) {
      ReadReals(column, &values);
    } else {
      ReadCounts(column, &values);
    }
  }
  return decoded;
}

core::UnitSummary SummaryWithObservations(const core::CountArray& counts) {
  core::UnitSummary summary(counts.size(), {});
  summary.observations = core::UnitCounts::FromArray(counts);
  return summary;
}

TEST(SummaryEncodingTest, CarriesEveryColumnOfATensor) {
  const std::vector<float> values = {1.0F, -2.0F, 0.0F, 3.0F, 0.5F, -1.0F};
  const std::vector<std::int64_t> shape = {3, 2};
  const core::TensorView view{
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  const auto summary = core::Reduce(
      view, {.rule = core::FiringRule::Positive(), .columns = kAll});
  ASSERT_TRUE(summary.ok());

  const v1::UnitSummary proto = EncodeSummary(*summary);

  EXPECT_EQ(proto.unit_count(), 2U);
  EXPECT_FALSE(proto.cluster_is_step());
  const Decoded decoded = Decode(proto);
  const auto column = [&decoded](v1::SummaryColumn name) {
    return decoded.values.at(name);
  };
  using Values = std::vector<double>;
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_OBSERVATIONS), Values{3});
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_FIRINGS), (Values{2, 1}));
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_CLUSTERS), Values{3});
  EXPECT_EQ(decoded.widths.at(v1::SUMMARY_COLUMN_FIRING_CLUSTERS), 0U);
  EXPECT_EQ(decoded.widths.at(v1::SUMMARY_COLUMN_POSITIVES), 0U);
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_CLOSED_HIGH), Values{0});
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_ZEROS), (Values{1, 0}));
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_NON_FINITE), Values{0});
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_ABS_SUM), (Values{1.5, 6}));
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_MIN), (Values{0, -2}));
  EXPECT_EQ(column(v1::SUMMARY_COLUMN_MAX), (Values{1, 3}));
  EXPECT_DOUBLE_EQ(column(v1::SUMMARY_COLUMN_MEAN)[0], 0.5);
  EXPECT_EQ(proto.sketch().zero_count(), 1U);
  EXPECT_EQ(proto.sketch().positive_offset(),
            core::QuantileSketch::BucketOf(0.5));
  EXPECT_EQ(proto.sketch().positive_counts_size(),
            core::QuantileSketch::BucketOf(3.0) -
                core::QuantileSketch::BucketOf(0.5) + 1);
  EXPECT_EQ(proto.sketch().negative_offset(), 0) << "|-1| is 1";
  EXPECT_DOUBLE_EQ(column(v1::SUMMARY_COLUMN_M2)[0], 0.5);
}

TEST(SummaryEncodingTest, LeavesAbsentColumnsOut) {
  const v1::UnitSummary proto =
      EncodeSummary(core::UnitSummary(3, {.firings = true}));

  const Decoded decoded = Decode(proto);
  EXPECT_EQ(decoded.values.size(), 3U);
  EXPECT_EQ(decoded.values.count(v1::SUMMARY_COLUMN_CLUSTERS), 0U);
  EXPECT_TRUE(proto.cluster_is_step());
}

TEST(SummaryEncodingTest, SendsProofsWhereThereAreAny) {
  core::UnitSummary summary(2, {.proof = true});
  summary.observations.AddUniform(5);
  const auto proofs = [&summary] {
    return Decode(EncodeSummary(summary))
        .values.count(v1::SUMMARY_COLUMN_PROVEN);
  };
  EXPECT_EQ(proofs(), 0U);

  summary.proven[1] = 5;

  ASSERT_EQ(proofs(), 1U);
  const v1::UnitSummary proto = EncodeSummary(summary);
  const v1::SummaryColumnData& column = *proto.columns().rbegin();
  EXPECT_EQ(column.column(), v1::SUMMARY_COLUMN_PROVEN);
  EXPECT_EQ(column.data(), std::string("\0\5", 2));
}

class CountWidthTest
    : public ::testing::TestWithParam<std::pair<std::uint64_t, std::uint32_t>> {
};

TEST_P(CountWidthTest, TakesTheNarrowestWidthThatHoldsTheGreatest) {
  const auto [greatest, width] = GetParam();
  core::CountArray counts(2);
  counts << 0, greatest;

  const v1::UnitSummary proto = EncodeSummary(SummaryWithObservations(counts));

  const Decoded decoded = Decode(proto);
  EXPECT_EQ(decoded.widths.at(v1::SUMMARY_COLUMN_OBSERVATIONS), width);
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_OBSERVATIONS)[1],
            static_cast<double>(greatest));
}

INSTANTIATE_TEST_SUITE_P(Limits, CountWidthTest,
                         ::testing::Values(std::pair{255ULL, 1U},
                                           std::pair{256ULL, 2U},
                                           std::pair{65535ULL, 2U},
                                           std::pair{65536ULL, 4U},
                                           std::pair{4294967295ULL, 4U},
                                           std::pair{4294967296ULL, 8U},
                                           std::pair{1ULL << 40U, 8U}));

TEST(SummaryEncodingTest, AUniformCountIsOneEntry) {
  const v1::UnitSummary proto = EncodeSummary(
      SummaryWithObservations(core::CountArray::Constant(1000, 70'000)));

  const Decoded decoded = Decode(proto);
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_OBSERVATIONS),
            std::vector<double>{70'000});
}

TEST(SummaryEncodingTest, ExtremesAreNarrowOnlyWhereThatIsExact) {
  core::UnitSummary summary(2, kAll);
  summary.observations.AddUniform(1);
  summary.min << -0.5, std::numeric_limits<double>::infinity();
  summary.max << 0.1, -std::numeric_limits<double>::infinity();

  const Decoded decoded = Decode(EncodeSummary(summary));

  EXPECT_EQ(decoded.widths.at(v1::SUMMARY_COLUMN_MIN), 4U);
  EXPECT_EQ(decoded.widths.at(v1::SUMMARY_COLUMN_MAX), 8U);
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_MAX)[0], 0.1);
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_MIN)[1],
            std::numeric_limits<double>::infinity());
}

// Two units of `observations` values each, of both signs.
core::UnitSummary SignedSummary(std::uint64_t observations) {
  core::UnitSummary summary(2, kAll);
  summary.observations.AddUniform(observations);
  summary.min << -2.0, -1.0;
  summary.max << 1.0, 2.0;
  return summary;
}

TEST(SummaryEncodingTest, CountsThatDifferAreNotDerived) {
  core::UnitSummary summary = SignedSummary(4);
  summary.firings << 3, 2;
  summary.firing_clusters << 2, 2;
  summary.positives << 2, 2;
  summary.zeros << 1, 0;

  const Decoded decoded = Decode(EncodeSummary(summary));

  using Values = std::vector<double>;
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_FIRING_CLUSTERS), Values{2});
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_POSITIVES), Values{2});
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_ZEROS), (Values{1, 0}));
}

TEST(SummaryEncodingTest, ZerosAreDerivedWhereNothingIsNegative) {
  core::UnitSummary summary = SignedSummary(4);
  summary.positives << 3, 1;
  summary.zeros << 1, 3;

  EXPECT_EQ(Decode(EncodeSummary(summary)).widths.at(v1::SUMMARY_COLUMN_ZEROS),
            0U);
}

TEST(SummaryEncodingTest, ASumIsDerivedWhereEveryUnitHasOneSign) {
  core::UnitSummary summary = SignedSummary(4);
  summary.min << 0.0, -2.0;
  summary.max << 1.0, 0.0;
  const auto width = [&summary] {
    return Decode(EncodeSummary(summary)).widths.at(v1::SUMMARY_COLUMN_ABS_SUM);
  };
  EXPECT_EQ(width(), 0U);

  summary.max[1] = 0.5;

  EXPECT_EQ(width(), 4U);
}

TEST(SummaryEncodingTest, SumsAreRoundedToBinary32WhereItHoldsThem) {
  core::UnitSummary summary = SignedSummary(4);
  summary.abs_sum << 0.1, 0.2;
  summary.m2 << 0.1, 1e39;

  const Decoded decoded = Decode(EncodeSummary(summary));

  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_ABS_SUM),
            (std::vector<double>{double{0.1F}, double{0.2F}}));
  EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_M2),
            (std::vector<double>{0.1, 1e39}))
      << "beyond binary32";
  summary.m2 << 0.1, 1e-40;
  EXPECT_EQ(Decode(EncodeSummary(summary)).widths.at(v1::SUMMARY_COLUMN_M2), 8U)
      << "binary32 would keep a few digits of it";
}

TEST(SummaryEncodingTest, AMeanIsRoundedByAThousandthOfTheDeviationAtMost) {
  core::UnitSummary summary = SignedSummary(4);
  summary.mean << 1.1, 1.1;
  const double moved = double{1.1F} - 1.1;
  const double deviation = 1024.0 * std::abs(moved);
  const auto width = [&summary] {
    return Decode(EncodeSummary(summary)).widths.at(v1::SUMMARY_COLUMN_MEAN);
  };
  summary.m2 << 4.0, 4.0 * deviation * deviation * 1.001;
  EXPECT_EQ(width(), 4U);

  summary.m2[1] = 4.0 * deviation * deviation * 0.999;

  EXPECT_EQ(width(), 8U);
}

TEST(SummaryEncodingTest, AMeanThatBinary32DoesNotReachIsNotRounded) {
  core::UnitSummary summary = SignedSummary(4);
  for (const double mean : {1e-301, 1e-41, 1e39}) {
    summary.mean << mean, 1.0;
    summary.m2 << mean * mean, 1.0;

    const Decoded decoded = Decode(EncodeSummary(summary));

    EXPECT_EQ(decoded.values.at(v1::SUMMARY_COLUMN_MEAN)[0], mean);
  }
}

TEST(SummaryEncodingTest, AUniformRealIsOneEntryWhateverUnobservedUnitsHave) {
  core::UnitSummary summary = SignedSummary(0);
  summary.observations = core::UnitCounts::FromArray(core::CountArray{{4, 0}});
  summary.min << -2.0, std::numeric_limits<double>::infinity();

  EXPECT_EQ(Decode(EncodeSummary(summary)).values.at(v1::SUMMARY_COLUMN_MIN),
            std::vector<double>{-2.0});
}

TEST(SummaryEncodingTest, ReluActivationsTakeThirteenBytesAUnit) {
  constexpr core::Index kManyUnits = 1000;
  core::UnitSummary summary(kManyUnits, kAll);
  summary.observations.AddUniform(64);
  summary.clusters.AddUniform(64);
  for (core::Index i = 0; i < kManyUnits; ++i) {
    const auto fired = static_cast<std::uint64_t>(i % 65);
    summary.firings[i] = summary.firing_clusters[i] = summary.positives[i] =
        fired;
    summary.zeros[i] = 64 - fired;
    const auto size = static_cast<double>(i % 65);
    summary.mean[i] = 0.1 * size;
    summary.m2[i] = 0.3 * size;
    summary.min[i] = 0.0;
    summary.max[i] = static_cast<double>(static_cast<float>(0.7 * size));
  }

  EXPECT_LT(EncodeSummary(summary).ByteSizeLong(), 13U * kManyUnits + 120U);
}

}  // namespace
}  // namespace firekeeper::client
