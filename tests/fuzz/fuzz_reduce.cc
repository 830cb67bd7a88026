// Any bytes under any layout reduce to the integers of the Eigen reference,
// whole and in pieces. Input: a header that is read as choices, then values.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/reduce.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::core {
namespace {

using testing::Choices;
using testing::Require;

FiringRule RuleOf(int choice) {
  switch (choice) {
    case 0:
      return FiringRule::Positive();
    case 1:
      return FiringRule::NonZero();
    case 2:
      return FiringRule::Always();
    case 3:
      return FiringRule::None();
    default:
      return FiringRuleFor(Signal::kPreActivation,
                           {.kind = static_cast<Activation>(choice - 3)});
  }
}

struct Case {
  TensorLayout layout;
  ReduceOptions options;
  double scale;
  bool masked;
  std::size_t first_cut;
  std::size_t piece;
};

std::optional<Case> CaseFrom(Choices& choices) {
  const auto dtype = static_cast<DataType>(1 + choices.Below(4));
  const int rank = 1 + choices.Below(4);
  std::array<std::int64_t, 4> shape{};
  for (std::int64_t& length : shape) length = choices.Below(20);
  const int unit_axis = choices.Below(rank);
  const int cluster_axis = choices.Below(rank + 1);
  const auto layout = TensorLayout::Create(
      dtype, {shape.data(), static_cast<std::size_t>(rank)}, unit_axis,
      cluster_axis < rank ? std::optional<int>(cluster_axis) : std::nullopt);
  if (!layout.ok()) return std::nullopt;
  ReduceOptions options;
  options.rule = RuleOf(choices.Below(26));
  options.columns = {.firings = choices.Below(2) == 1,
                     .clusters = choices.Below(2) == 1,
                     .gate = choices.Below(2) == 1,
                     .moments = choices.Below(2) == 1};
  options.zeros_may_be_underflow = choices.Below(2) == 1;
  constexpr std::array<double, 4> kScales{1.0, 0.5, 1.0 / 1'024.0, 3.0};
  return Case{.layout = *layout,
              .options = options,
              .scale = kScales.at(static_cast<std::size_t>(choices.Below(4))),
              .masked = choices.Below(2) == 1,
              .first_cut = static_cast<std::size_t>(choices.Below(256)),
              .piece = 1 + static_cast<std::size_t>(choices.Below(256))};
}

// `size` bytes that begin with `bytes` and repeat them; zeros where there are
// none.
std::vector<std::byte> Repeated(std::span<const std::byte> bytes,
                                std::size_t size) {
  std::vector<std::byte> filled(size);
  for (std::size_t i = 0; i < size && !bytes.empty(); ++i) {
    filled[i] = bytes[i % bytes.size()];
  }
  return filled;
}

void RequireClose(const Eigen::ArrayXd& values, const Eigen::ArrayXd& expected,
                  const Eigen::ArrayXd& tolerance, const char* what) {
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    Require(std::abs(values[i] - expected[i]) <= tolerance[i], what);
  }
}

// Floating sums, where the values leave binary32 sums of squares room.
void RequireSameMoments(const UnitSummary& summary,
                        const UnitSummary& expected) {
  if (!expected.columns.moments || expected.unit_count() == 0) return;
  const Eigen::ArrayXd n =
      expected.observations.ToArray().cast<double>().max(1.0);
  const Eigen::ArrayXd largest =
      (expected.observations.ToArray() > 0)
          .select(expected.max.abs().max(expected.min.abs()), 0.0);
  if (largest.maxCoeff() > 1e15 || largest.maxCoeff() < 1e-15) return;
  RequireClose(summary.abs_sum, expected.abs_sum, 4e-6 * n * largest,
               "abs_sum equals the reference");
  RequireClose(summary.mean, expected.mean, 4e-6 * largest,
               "mean equals the reference");
  RequireClose(summary.m2, expected.m2, 1e-5 * n * largest.square(),
               "m2 equals the reference");
}

void RequireEqual(const UnitSummary& summary, const UnitSummary& expected) {
  Require(summary.columns == expected.columns, "columns equal the reference");
  Require(Fingerprint(summary) == Fingerprint(expected),
          "integers, min and max equal the reference");
  Require(summary.sketch == expected.sketch, "the sketch equals the reference");
  RequireSameMoments(summary, expected);
}

void ReduceInPieces(const Case& one, std::span<const std::byte> data,
                    std::span<const std::byte> mask,
                    const UnitSummary& expected) {
  Reducer reducer;
  const absl::Status begun =
      reducer.Begin(one.layout, one.options, mask, one.scale);
  const bool allowed = one.layout.cluster_axis().value_or(0) == 0;
  Require(begun.ok() == allowed, "clusters of a chunked tensor are axis 0");
  if (!allowed) return;
  std::size_t size = one.first_cut;
  while (!data.empty()) {
    const auto piece = data.first(std::min(size, data.size()));
    Require(reducer.Add(piece).ok(), "a piece that fits is added");
    data = data.subspan(piece.size());
    size = one.piece;
  }
  const auto summary = reducer.Finish();
  Require(summary.ok(), "all bytes came");
  RequireEqual(*summary, expected);
}

void Check(std::span<const std::uint8_t> input) {
  Choices choices(input);
  const auto one = CaseFrom(choices);
  if (!one.has_value()) return;
  const auto bytes = static_cast<std::size_t>(one->layout.byte_size());
  // One byte in front, so that no value is aligned.
  std::vector<std::byte> data = Repeated(choices.rest(), bytes + 1);
  std::vector<std::byte> mask;
  if (one->masked) {
    const auto rows = static_cast<std::size_t>(one->layout.row_count());
    mask = Repeated(choices.rest(), (rows + 7) / 8);
  }
  const TensorView view{.layout = one->layout,
                        .data = data.data() + 1,
                        .validity_mask = mask,
                        .scale = one->scale};
  const auto expected = ReduceReference(view, one->options);
  const auto summary = Reduce(view, one->options);
  Require(expected.ok() && summary.ok(), "a valid tensor is reduced");
  RequireEqual(*summary, *expected);
  ReduceInPieces(*one, {data.data() + 1, bytes}, mask, *expected);
}

}  // namespace
}  // namespace firekeeper::core

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::core::Check({data, size});
  return 0;
}
