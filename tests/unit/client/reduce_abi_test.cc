#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/cpp/summary_columns.h"
#include "client/python/native/firekeeper_reduce.h"
#include "core/reduce.h"

namespace firekeeper::client {
namespace {

using ::testing::HasSubstr;

struct Freed {
  void operator()(fk_summary* summary) const { fk_summary_free(summary); }
};
using Summary = std::unique_ptr<fk_summary, Freed>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr fk_rule kRelu{.signal = 1,
                        .cluster_split = 0,
                        .firing_rule = {.kind = 2,
                                        .low = 0.0,
                                        .high = kInfinity,
                                        .hole_low = 1.0,
                                        .hole_high = -1.0}};

// A tensor [4, 3] of binary32, clusters first.
class ReduceAbiTest : public ::testing::Test {
 protected:
  [[nodiscard]] fk_tensor Tensor() const {
    return {.data = values_.data(),
            .shape = shape_.data(),
            .strides = nullptr,
            .mask = nullptr,
            .mask_size = 0,
            .mask_entry_bits = 1,
            .dtype = 2,
            .rank = 2,
            .unit_axis = 1,
            .cluster_axis = 0,
            .scale = 1.0};
  }

  [[nodiscard]] core::TensorView View() const {
    const std::array<std::int64_t, 2> shape{4, 3};
    return {.layout =
                *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
            .data = std::as_bytes(std::span(values_)).data()};
  }

  Summary Reduce(const fk_tensor& tensor, const fk_rule& rule = kRelu) {
    return Summary(fk_reduce(&tensor, &rule, error_.data(), error_.size()));
  }

  std::string ErrorOf(const fk_tensor& tensor, const fk_rule& rule = kRelu) {
    EXPECT_EQ(Reduce(tensor, rule), nullptr);
    return error_.data();
  }

  const std::vector<float> values_{1.0F, -1.0F, 0.0F, 2.0F, -2.0F, 0.0F,
                                   3.0F, 3.0F,  0.0F, 4.0F, 0.5F,  0.0F};
  const std::array<std::int64_t, 2> shape_{4, 3};
  std::array<char, 128> error_{};
};

void ExpectEncodes(const Summary& actual, const core::UnitSummary& expected) {
  ASSERT_NE(actual, nullptr);
  const std::vector<SummaryColumn> columns = EncodeColumns(expected);
  ASSERT_EQ(fk_summary_column_count(actual.get()), columns.size());
  EXPECT_EQ(fk_summary_unit_count(actual.get()), expected.unit_count());
  EXPECT_EQ(fk_summary_cluster_is_step(actual.get()),
            expected.columns.clusters ? 0 : 1);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    fk_column column{};
    fk_summary_column(actual.get(), static_cast<std::int32_t>(i), &column);
    EXPECT_EQ(column.id, static_cast<int>(columns[i].id));
    EXPECT_EQ(column.width, columns[i].width);
    EXPECT_EQ(std::string(static_cast<const char*>(column.data), column.size),
              columns[i].data);
  }
}

core::UnitSummary ReduceHere(const core::TensorView& view) {
  return *core::Reduce(
      view, {.rule = core::FiringRule::Positive(),
             .columns = core::ColumnsFor(core::Signal::kActivation, true)});
}

TEST_F(ReduceAbiTest, GivesTheColumnsOfCore) {
  ExpectEncodes(Reduce(Tensor()), ReduceHere(View()));
}

TEST_F(ReduceAbiTest, FollowsStridesOfAnySign) {
  fk_tensor tensor = Tensor();
  const std::array<std::int64_t, 2> strides{-12, 4};
  tensor.data = values_.data() + 9;
  tensor.strides = strides.data();

  ExpectEncodes(Reduce(tensor), ReduceHere(View()));
}

TEST_F(ReduceAbiTest, TakesAMaskOfBitsOrOfBytes) {
  const std::array<std::uint8_t, 4> as_bytes{1, 0, 7, 0};
  const std::array<std::uint8_t, 1> as_bits{0b0101};
  core::TensorView view = View();
  view.validity_mask = std::as_bytes(std::span(as_bits));
  fk_tensor tensor = Tensor();

  tensor.mask = as_bits.data();
  tensor.mask_size = 1;
  ExpectEncodes(Reduce(tensor), ReduceHere(view));
  tensor.mask = as_bytes.data();
  tensor.mask_size = 4;
  tensor.mask_entry_bits = 8;
  ExpectEncodes(Reduce(tensor), ReduceHere(view));
}

TEST_F(ReduceAbiTest, LeavesClustersOutWhereAnExampleIsSplit) {
  fk_rule rule = kRelu;
  rule.cluster_split = 1;

  const Summary summary = Reduce(Tensor(), rule);

  EXPECT_EQ(fk_summary_cluster_is_step(summary.get()), 1);
}

TEST_F(ReduceAbiTest, NamesABadArgument) {
  fk_tensor tensor = Tensor();
  tensor.rank = 9;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("shape has 9 axes"));
  tensor = Tensor();
  tensor.dtype = 5;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("dtype is 5"));
  tensor = Tensor();
  tensor.data = nullptr;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("no data"));
  tensor = Tensor();
  tensor.scale = -1.0;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("scale must be finite and positive"));
  fk_rule rule = kRelu;
  rule.signal = 10;
  EXPECT_THAT(ErrorOf(Tensor(), rule), HasSubstr("signal is 10"));
  rule = kRelu;
  rule.firing_rule.kind = 4;
  EXPECT_THAT(ErrorOf(Tensor(), rule), HasSubstr("firing rule is 4"));
}

TEST_F(ReduceAbiTest, RefusesAMaskOfAnotherLength) {
  const std::array<std::uint8_t, 4> mask{};
  fk_tensor tensor = Tensor();
  tensor.mask = mask.data();
  tensor.mask_size = 3;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("validity_mask has 3 bytes"));
  tensor.mask_entry_bits = 8;
  EXPECT_THAT(ErrorOf(tensor), HasSubstr("mask has 3 bytes"));
}

TEST_F(ReduceAbiTest, CutsATextToTheBufferOfTheCaller) {
  fk_tensor tensor = Tensor();
  tensor.rank = 9;
  std::array<char, 6> small{};

  EXPECT_EQ(fk_reduce(&tensor, &kRelu, small.data(), small.size()), nullptr);
  EXPECT_EQ(fk_reduce(&tensor, &kRelu, nullptr, 0), nullptr);

  EXPECT_STREQ(small.data(), "shape");
}

TEST_F(ReduceAbiTest, ProvesOfAWeightAlone) {
  const fk_tensor tensor = Tensor();

  EXPECT_EQ(fk_reduce_weight(&tensor, nullptr, &tensor, &kRelu, error_.data(),
                             error_.size()),
            nullptr);

  EXPECT_THAT(error_.data(), HasSubstr("a proof is of a WEIGHT"));
}

TEST(ReduceAbiFiringRuleTest, RefusesUnknownNumbers) {
  fk_firing_rule_limits limits{};

  EXPECT_EQ(fk_firing_rule(0, 2, 0.0, 1.0, &limits), -1);
  EXPECT_EQ(fk_firing_rule(1, 23, 0.0, 1.0, &limits), -1);
  EXPECT_EQ(fk_firing_rule(1, 2, 0.0, 1.0, &limits), 0);
  EXPECT_EQ(limits.kind, 2);
}

}  // namespace
}  // namespace firekeeper::client
