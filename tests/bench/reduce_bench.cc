// How fast a tensor becomes a UnitSummary, beside a plain vectorised sum over
// the same bytes in the same process. One thread. Trust the ratios: clocks and
// neighbours move the gigabytes per second.
//
//   reduce_bench [--rounds N] [--case NAME]   gigabytes per second
//   reduce_bench --table [--rounds N]         rows of the table of
//   tests/bench/run

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/reduce.h"
#include "tests/bench/measure.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/reduce_bench.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

HWY_BEFORE_NAMESPACE();
namespace firekeeper::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Reads every byte once and adds: what the memory allows.
float PlainSum(const std::byte* bytes, std::size_t size) {
  const hn::ScalableTag<float> d;
  const auto* values = reinterpret_cast<const float*>(bytes);
  const std::size_t count = size / sizeof(float);
  const std::size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  auto e = hn::Zero(d);
  auto f = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    a = hn::Add(a, hn::LoadU(d, values + i));
    b = hn::Add(b, hn::LoadU(d, values + i + lanes));
    e = hn::Add(e, hn::LoadU(d, values + i + 2 * lanes));
    f = hn::Add(f, hn::LoadU(d, values + i + 3 * lanes));
  }
  float sum =
      hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(e, f))));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace
}  // namespace firekeeper::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace firekeeper::bench {
namespace {

using core::DataType;
using core::Reduce;
using core::ReduceOptions;
using core::Reducer;
using core::TensorLayout;
using core::TensorView;

HWY_EXPORT(PlainSum);

// Larger than any cache that this runs on, so that every read is cold.
constexpr std::size_t kRotatedBytes = std::size_t{256} << 20U;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20U;

struct Case {
  std::string_view name;
  DataType dtype;
  std::vector<std::int64_t> shape;
  int unit_axis;
};

std::vector<Case> Cases() {
  return {
      {"f32_4096x4096", DataType::kF32, {4096, 4096}, 1},
      {"f32_256x64x56x56", DataType::kF32, {256, 64, 56, 56}, 1},
      {"f64_4096x4096", DataType::kF64, {4096, 4096}, 1},
      {"f16_4096x4096", DataType::kF16, {4096, 4096}, 1},
      {"bf16_4096x4096", DataType::kBf16, {4096, 4096}, 1},
      {"f32_64x128x2048", DataType::kF32, {64, 128, 2048}, 2},
      {"f32_4096x8x512", DataType::kF32, {4096, 8, 512}, 2},
      {"f32_1048576x16", DataType::kF32, {1048576, 16}, 1},
      {"f32_256x512x14x14", DataType::kF32, {256, 512, 14, 14}, 1},
      {"f32_512x1024x7x7", DataType::kF32, {512, 1024, 7, 7}, 1},
  };
}

// What a rectifier puts out: half of it zeros.
std::vector<float> RectifiedValues(std::size_t count) {
  std::mt19937_64 generator(20240229);
  std::normal_distribution<float> normal;
  std::vector<float> table((std::size_t{1} << 20U) + 7);
  for (float& value : table) value = std::max(normal(generator), 0.0F);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; i += table.size()) {
    std::copy_n(table.begin(), std::min(table.size(), count - i),
                values.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return values;
}

// Of values that rectifiers put out: positive and normal.
std::uint16_t HalfFromFloat(float value, DataType dtype) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  if (dtype == DataType::kBf16) return static_cast<std::uint16_t>(bits >> 16U);
  if (value < 0x1p-14F) return 0;
  return static_cast<std::uint16_t>((bits >> 13U) - (112U << 10U));
}

std::vector<std::byte> Bytes(const TensorLayout& layout) {
  const auto count = static_cast<std::size_t>(layout.element_count());
  const std::vector<float> values = RectifiedValues(count);
  std::vector<std::byte> bytes(static_cast<std::size_t>(layout.byte_size()));
  const std::size_t size = core::SizeOf(layout.dtype());
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* const to = bytes.data() + i * size;
    if (size == 2) {
      const std::uint16_t half = HalfFromFloat(values[i], layout.dtype());
      std::memcpy(to, &half, size);
    } else if (size == 8) {
      const auto wide = static_cast<double>(values[i]);
      std::memcpy(to, &wide, size);
    } else {
      std::memcpy(to, &values[i], size);
    }
  }
  return bytes;
}

// Keeps the compiler from dropping a result.
volatile double sink = 0.0;

ReduceOptions Options() {
  return {.rule = core::FiringRule::Positive(),
          .columns = core::ColumnsFor(core::Signal::kActivation, true)};
}

TensorLayout LayoutOf(const Case& of) {
  return *TensorLayout::Create(of.dtype, of.shape, of.unit_axis, 0);
}

// Copies of a tensor that are read in turn, so that each is cold again.
class Buffers {
 public:
  explicit Buffers(const TensorLayout& layout)
      : buffers_(std::max<std::size_t>(
                     2, kRotatedBytes /
                            static_cast<std::size_t>(layout.byte_size())),
                 Bytes(layout)) {}
  const std::vector<std::byte>& Next() {
    return buffers_[turn_++ % buffers_.size()];
  }

 private:
  std::vector<std::vector<std::byte>> buffers_;
  std::size_t turn_ = 0;
};

void Sum(const std::vector<std::byte>& bytes) {
  sink = sink + static_cast<double>(
                    HWY_DYNAMIC_DISPATCH(PlainSum)(bytes.data(), bytes.size()));
}

void ReduceWhole(const TensorView& view) {
  sink = sink + Reduce(view, Options())->mean.sum();
}

void ReduceChunks(Reducer& reducer, const TensorView& view) {
  const std::span<const std::byte> bytes(
      view.data, static_cast<std::size_t>(view.layout.byte_size()));
  if (!reducer.Begin(view.layout, Options(), {}, 1.0).ok()) std::abort();
  for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes) {
    const auto chunk =
        bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
    if (!reducer.Add(chunk).ok()) std::abort();
  }
  sink = sink + reducer.Finish()->mean.sum();
}

// A row of the table of tests/bench/run: the reduction beside a plain sum of
// the same bytes, or of as many.
void MeasureOverSum(const std::string& id, const Case& of, int rounds) {
  const TensorLayout layout = LayoutOf(of);
  Buffers buffers(layout);
  PrintMeasure(
      id, TimesFaster(
              rounds, [&] { Sum(buffers.Next()); },
              [&] {
                ReduceWhole({.layout = layout, .data = buffers.Next().data()});
              }));
}

// The same where the bytes are in the cache, as a chunk is that just arrived.
void MeasureHot(int rounds) {
  const TensorLayout layout = LayoutOf({"", DataType::kF32, {256, 1024}, 1});
  const std::vector<std::byte> bytes = Bytes(layout);
  Reducer reducer;
  constexpr int kTurns = 64;
  PrintMeasure("kernel_hot",
               TimesFaster(
                   rounds,
                   [&] {
                     for (int i = 0; i < kTurns; ++i) Sum(bytes);
                   },
                   [&] {
                     for (int i = 0; i < kTurns; ++i) {
                       ReduceChunks(reducer,
                                    {.layout = layout, .data = bytes.data()});
                     }
                   }));
}

// Reduced with the instructions of AVX2; the sum with the best there are.
void MeasureAvx2(int rounds) {
  if ((hwy::SupportedTargets() & HWY_AVX2) == 0) return;
  const auto choose = [](std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  };
  const TensorLayout layout = LayoutOf({"", DataType::kF32, {4096, 4096}, 1});
  Buffers buffers(layout);
  PrintMeasure(
      "kernel_avx2",
      TimesFaster(
          rounds, [&] { Sum(buffers.Next()); },
          [&] {
            choose(HWY_AVX2);
            ReduceWhole({.layout = layout, .data = buffers.Next().data()});
            choose(0);
          }));
}

// Elements a second of a 16-bit dtype over those of F32.
void MeasureHalf(const std::string& id, DataType dtype, int rounds) {
  const TensorLayout single = LayoutOf({"", DataType::kF32, {4096, 4096}, 1});
  const TensorLayout half = LayoutOf({"", dtype, {4096, 4096}, 1});
  Buffers singles(single);
  Buffers halves(half);
  PrintMeasure(
      id, TimesFaster(
              rounds,
              [&] {
                ReduceWhole({.layout = single, .data = singles.Next().data()});
              },
              [&] {
                ReduceWhole({.layout = half, .data = halves.Next().data()});
              }));
}

// Bytes a second of small planes over those of 28 x 28.
void MeasureSmallPlanes(int rounds) {
  const TensorLayout large =
      LayoutOf({"", DataType::kF32, {256, 64, 28, 28}, 1});
  const TensorLayout small =
      LayoutOf({"", DataType::kF32, {256, 1024, 7, 7}, 1});
  Buffers larges(large);
  Buffers smalls(small);
  PrintMeasure(
      "kernel_7x7",
      TimesFaster(
          rounds,
          [&] { ReduceWhole({.layout = large, .data = larges.Next().data()}); },
          [&] {
            ReduceWhole({.layout = small, .data = smalls.Next().data()});
          }));
}

// Bytes a second of `strided`, a view into memory of `memory`, over the dense
// rows of units.
void MeasureStrided(const std::string& id, const TensorLayout& memory,
                    const TensorView& strided, int rounds) {
  const TensorLayout dense = LayoutOf({"", DataType::kF32, {16384, 1024}, 1});
  Buffers rows(dense);
  Buffers others(memory);
  PrintMeasure(
      id,
      TimesFaster(
          rounds,
          [&] { ReduceWhole({.layout = dense, .data = rows.Next().data()}); },
          [&] {
            TensorView view = strided;
            view.data = others.Next().data();
            ReduceWhole(view);
          }));
}

void MeasureOrders(int rounds) {
  // [N, C, H, W] whose channels lie side by side.
  const TensorLayout images =
      LayoutOf({"", DataType::kF32, {64, 256, 32, 32}, 1});
  MeasureStrided("kernel_channels_last", images,
                 {.layout = images,
                  .strides = {1'048'576, 4, 32'768, 1'024},
                  .is_dense = false},
                 rounds);
  // [B, H, T]: positions lie side by side, the unit in the middle.
  const TensorLayout sequences =
      LayoutOf({"", DataType::kF32, {64, 256, 1024}, 1});
  MeasureStrided("kernel_unit_in_the_middle", sequences, {.layout = sequences},
                 rounds);
  // [T, B, H], of which the batch is the second axis.
  MeasureStrided("kernel_time_first", images,
                 {.layout = LayoutOf({"", DataType::kF32, {64, 256, 1024}, 2}),
                  .strides = {4'096, 262'144, 4},
                  .is_dense = false},
                 rounds);
}

// Of a variance of values 1,000 deviations from zero, against two passes in
// double.
void MeasureVariance() {
  constexpr std::int64_t kRows = 65'536;
  const std::vector<std::int64_t> shape = {kRows, 16};
  std::mt19937_64 generator(7);
  std::normal_distribution<float> normal(1000.0F, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(kRows) * 16);
  for (float& value : values) value = normal(generator);
  const TensorView view{
      .layout = *TensorLayout::Create(DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(values.data())};
  const core::UnitSummary summary = *Reduce(view, Options());
  std::vector<double> errors;
  for (std::size_t unit = 0; unit < 16; ++unit) {
    double mean = 0.0;
    for (std::size_t i = unit; i < values.size(); i += 16) {
      mean += static_cast<double>(values[i]);
    }
    mean /= static_cast<double>(kRows);
    double m2 = 0.0;
    for (std::size_t i = unit; i < values.size(); i += 16) {
      const double distance = static_cast<double>(values[i]) - mean;
      m2 += distance * distance;
    }
    errors.push_back(
        std::abs(summary.m2[static_cast<core::Index>(unit)] / m2 - 1.0));
  }
  // The worst unit is what counts.
  PrintMeasure("variance_error", {*std::ranges::max_element(errors)});
}

void MeasureTable(int rounds) {
  MeasureOverSum("kernel_cold", {"", DataType::kF32, {4096, 4096}, 1}, rounds);
  MeasureHot(rounds);
  MeasureAvx2(rounds);
  MeasureHalf("kernel_f16", DataType::kF16, rounds);
  MeasureHalf("kernel_bf16", DataType::kBf16, rounds);
  MeasureOverSum("kernel_56x56", {"", DataType::kF32, {256, 64, 56, 56}, 1},
                 rounds);
  MeasureSmallPlanes(rounds);
  MeasureOrders(rounds);
  MeasureVariance();
  // Against itself: how far apart two equal things are measured here.
  const TensorLayout layout = LayoutOf({"", DataType::kF32, {4096, 4096}, 1});
  Buffers buffers(layout);
  PrintMeasure("idle_kernel", TimesFaster(
                                  rounds, [&] { Sum(buffers.Next()); },
                                  [&] { Sum(buffers.Next()); }));
}

void PrintCase(const Case& of, int rounds) {
  const TensorLayout layout = LayoutOf(of);
  Buffers buffers(layout);
  Reducer reducer;
  std::vector<double> sums;
  std::vector<double> reductions;
  std::vector<double> chunks;
  for (int round = 0; round < rounds; ++round) {
    sums.push_back(SecondsOf([&] { Sum(buffers.Next()); }));
    reductions.push_back(SecondsOf([&] {
      ReduceWhole({.layout = layout, .data = buffers.Next().data()});
    }));
    chunks.push_back(SecondsOf([&] {
      ReduceChunks(reducer, {.layout = layout, .data = buffers.Next().data()});
    }));
  }
  const double giga = static_cast<double>(layout.byte_size()) / 1e9;
  std::printf("%-20s %9.2f %9.2f %9.2f %9.2f %9.2f\n",
              std::string(of.name).c_str(), giga / Median(sums),
              giga / Median(reductions), giga / Median(chunks),
              Median(sums) / Median(reductions), Median(sums) / Median(chunks));
}

int Usage() {
  std::fprintf(stderr,
               "usage: reduce_bench [--table] [--rounds N] [--case NAME]\n");
  return 2;
}

struct Arguments {
  bool table = false;
  int rounds = 15;
  std::string only;
};

// Empty where the arguments are not those of Usage().
std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--table") {
      arguments.table = true;
    } else if (argument == "--rounds" && i + 1 < argc) {
      arguments.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (argument == "--case" && i + 1 < argc) {
      arguments.only = argv[++i];
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

int Main(int argc, char** argv) {
  const std::optional<Arguments> arguments = Parse(argc, argv);
  if (!arguments) return Usage();
  if (arguments->table) {
    MeasureTable(arguments->rounds);
    return 0;
  }
  std::printf("%s, one thread, cold, medians of %d rounds\n",
              std::string(core::KernelTarget()).c_str(), arguments->rounds);
  std::printf("%-20s %9s %9s %9s %9s %9s\n", "case", "sum GB/s", "Reduce",
              "1 MiB", "Reduce/sum", "1 MiB/sum");
  for (const Case& of : Cases()) {
    if (arguments->only.empty() || of.name == arguments->only) {
      PrintCase(of, arguments->rounds);
    }
  }
  return 0;
}

}  // namespace
}  // namespace firekeeper::bench

int main(int argc, char** argv) { return firekeeper::bench::Main(argc, argv); }
#endif
