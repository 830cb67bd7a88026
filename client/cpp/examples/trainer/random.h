// Random numbers that are equal on every machine: the C++ standard fixes
// std::seed_seq and std::mt19937_64 bit by bit but not its distributions, so
// those are written out here. Normal() needs log(), hence "equal" means with
// the same libm.

#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>

namespace firekeeper::trainer {

// What a stream of random numbers decides. Each has its own generator, so that
// one decision (another initialisation) does not move the others (the order of
// the batches). Layers that draw add their index to kSlopes.
enum class RandomStream : std::uint32_t {
  kSplit = 1,     // which examples are for testing
  kWeights = 2,   // initial weights and biases, layer by layer
  kBatches = 3,   // order of the examples, a shuffle for each epoch
  kSlopes = 4,    // RReLU slopes
  kExamples = 5,  // examples that are made up
};

// Thread-compatible.
class Random {
 public:
  // std::mt19937_64 seeded by seed_seq{low word, high word, stream, offset}.
  Random(std::uint64_t seed, RandomStream stream, std::uint32_t offset = 0);

  // In [0, 1), a multiple of 2^-53: the upper 53 bits of one draw.
  [[nodiscard]] double Uniform();

  // N(0, 1) by Marsaglia's polar method; each second call uses the spare value
  // of the one before.
  [[nodiscard]] double Normal();

  // Beta(2, 1), whose distribution function is x^2: the root of a uniform
  // draw from (0, 1].
  [[nodiscard]] double Beta21();

  // Uniform in [0, bound) by rejection. Requires: bound > 0.
  [[nodiscard]] std::uint64_t Below(std::uint64_t bound);

  // Fisher and Yates, from the last entry down.
  void Shuffle(std::span<std::int64_t> values);

 private:
  std::mt19937_64 engine_;
  std::optional<double> spare_normal_;
};

}  // namespace firekeeper::trainer
