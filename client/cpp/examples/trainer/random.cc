#include "client/cpp/examples/trainer/random.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

namespace firekeeper::trainer {
namespace {

std::mt19937_64 SeededEngine(std::uint64_t seed, RandomStream stream,
                             std::uint32_t offset) {
  std::seed_seq sequence{static_cast<std::uint32_t>(seed),
                         static_cast<std::uint32_t>(seed >> 32U),
                         static_cast<std::uint32_t>(stream), offset};
  return std::mt19937_64(sequence);
}

}  // namespace

Random::Random(std::uint64_t seed, RandomStream stream, std::uint32_t offset)
    : engine_(SeededEngine(seed, stream, offset)) {}

double Random::Uniform() {
  return static_cast<double>(engine_() >> 11U) * 0x1p-53;
}

double Random::Normal() {
  if (spare_normal_) return *std::exchange(spare_normal_, std::nullopt);
  double x = 0.0;
  double y = 0.0;
  double square = 0.0;
  do {
    x = 2.0 * Uniform() - 1.0;
    y = 2.0 * Uniform() - 1.0;
    square = x * x + y * y;
  } while (square >= 1.0 || square == 0.0);
  const double factor = std::sqrt(-2.0 * std::log(square) / square);
  spare_normal_ = y * factor;
  return x * factor;
}

double Random::Beta21() { return std::sqrt(1.0 - Uniform()); }

std::uint64_t Random::Below(std::uint64_t bound) {
  assert(bound > 0);
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  // The draws above the last whole multiple of bound would favour small values.
  const std::uint64_t limit = kMax - kMax % bound;
  std::uint64_t draw = engine_();
  while (draw >= limit) draw = engine_();
  return draw % bound;
}

void Random::Shuffle(std::span<std::int64_t> values) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[Below(left)]);
  }
}

}  // namespace firekeeper::trainer
