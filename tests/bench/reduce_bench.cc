// How fast a tensor becomes a UnitSummary, beside a plain vectorised sum over
// the same cold bytes in the same process. One thread. Trust the ratios: clocks
// and neighbours move the gigabytes per second.
//
//   reduce_bench [--json] [--rounds N] [--case NAME]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/reduce_bench.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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
  bool is_target;  // one that a peer is measured on, too
};

std::vector<Case> Cases() {
  return {
      {"f32_4096x4096", DataType::kF32, {4096, 4096}, 1, true},
      {"f32_256x64x56x56", DataType::kF32, {256, 64, 56, 56}, 1, true},
      {"f64_4096x4096", DataType::kF64, {4096, 4096}, 1, false},
      {"f16_4096x4096", DataType::kF16, {4096, 4096}, 1, false},
      {"bf16_4096x4096", DataType::kBf16, {4096, 4096}, 1, false},
      {"f32_64x128x2048", DataType::kF32, {64, 128, 2048}, 2, false},
      {"f32_4096x8x512", DataType::kF32, {4096, 8, 512}, 2, false},
      {"f32_1048576x16", DataType::kF32, {1048576, 16}, 1, false},
      {"f32_256x512x14x14", DataType::kF32, {256, 512, 14, 14}, 1, false},
      {"f32_512x1024x7x7", DataType::kF32, {512, 1024, 7, 7}, 1, false},
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

template <typename Work>
double Seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Keeps the compiler from dropping a result.
volatile double sink = 0.0;

struct Result {
  Case of;
  double bytes = 0.0;
  double sum_seconds = 0.0;
  double reduce_seconds = 0.0;
  double chunks_seconds = 0.0;  // Reducer, in pieces of 1 MiB
};

void ReduceChunks(Reducer& reducer, const TensorView& view,
                  const ReduceOptions& options) {
  const std::span<const std::byte> bytes(
      view.data, static_cast<std::size_t>(view.layout.byte_size()));
  if (!reducer.Begin(view.layout, options, {}, 1.0).ok()) std::abort();
  for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes) {
    const auto chunk =
        bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
    if (!reducer.Add(chunk).ok()) std::abort();
  }
  sink = sink + reducer.Finish()->mean.sum();
}

Result Measure(const Case& of, int rounds) {
  const auto layout = TensorLayout::Create(of.dtype, of.shape, of.unit_axis, 0);
  const ReduceOptions options{
      .rule = core::FiringRule::Positive(),
      .columns = core::ColumnsFor(core::Signal::kActivation, true)};
  const auto size = static_cast<std::size_t>(layout->byte_size());
  const std::vector<std::vector<std::byte>> buffers(
      std::max<std::size_t>(2, kRotatedBytes / size), Bytes(*layout));
  Reducer reducer;
  std::vector<double> sums;
  std::vector<double> reductions;
  std::vector<double> chunks;
  std::size_t turn = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto next = [&]() -> const std::vector<std::byte>& {
      return buffers[turn++ % buffers.size()];
    };
    const auto& summed = next();
    sums.push_back(Seconds([&] {
      sink = sink + static_cast<double>(
                        HWY_DYNAMIC_DISPATCH(PlainSum)(summed.data(), size));
    }));
    const TensorView whole{.layout = *layout, .data = next().data()};
    reductions.push_back(
        Seconds([&] { sink = sink + Reduce(whole, options)->mean.sum(); }));
    const TensorView cut{.layout = *layout, .data = next().data()};
    chunks.push_back(Seconds([&] { ReduceChunks(reducer, cut, options); }));
  }
  return {.of = of,
          .bytes = static_cast<double>(size),
          .sum_seconds = Median(sums),
          .reduce_seconds = Median(reductions),
          .chunks_seconds = Median(chunks)};
}

void PrintText(const Result& result) {
  const double giga = result.bytes / 1e9;
  std::printf("%-20s %9.2f %9.2f %9.2f %9.2f %9.2f\n",
              std::string(result.of.name).c_str(), giga / result.sum_seconds,
              giga / result.reduce_seconds, giga / result.chunks_seconds,
              result.sum_seconds / result.reduce_seconds,
              result.sum_seconds / result.chunks_seconds);
}

void PrintJson(const std::vector<Result>& results) {
  std::printf(R"({"target":"%s","cases":[)",
              std::string(core::KernelTarget()).c_str());
  const char* separator = "";
  for (const Result& result : results) {
    std::printf(
        "%s{\"name\":\"%s\",\"bytes\":%.0f,\"sum_seconds\":%.9f,"
        "\"reduce_seconds\":%.9f,\"chunks_seconds\":%.9f}",
        separator, std::string(result.of.name).c_str(), result.bytes,
        result.sum_seconds, result.reduce_seconds, result.chunks_seconds);
    separator = ",";
  }
  std::printf("]}\n");
}

int Usage() {
  std::fprintf(stderr,
               "usage: reduce_bench [--json] [--rounds N] [--targets] "
               "[--case NAME]\n");
  return 2;
}

struct Arguments {
  bool json = false;
  bool targets_only = false;
  int rounds = 15;
  std::string only;

  [[nodiscard]] bool Wants(const Case& of) const {
    return (of.is_target || !targets_only) && (only.empty() || of.name == only);
  }
};

// Empty where the arguments are not those of Usage().
std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      arguments.json = true;
    } else if (argument == "--targets") {
      arguments.targets_only = true;
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
  if (!arguments->json) {
    std::printf("%s, one thread, cold, medians of %d rounds\n",
                std::string(core::KernelTarget()).c_str(), arguments->rounds);
    std::printf("%-20s %9s %9s %9s %9s %9s\n", "case", "sum GB/s", "Reduce",
                "1 MiB", "Reduce/sum", "1 MiB/sum");
  }
  std::vector<Result> results;
  for (const Case& of : Cases()) {
    if (!arguments->Wants(of)) continue;
    results.push_back(Measure(of, arguments->rounds));
    if (!arguments->json) PrintText(results.back());
  }
  if (arguments->json) PrintJson(results);
  return 0;
}

}  // namespace
}  // namespace firekeeper::bench

int main(int argc, char** argv) { return firekeeper::bench::Main(argc, argv); }
#endif
