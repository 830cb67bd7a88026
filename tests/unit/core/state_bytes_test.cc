#include "core/state_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace firekeeper::core {
namespace {

// Whether a range of steps that was written is read.
bool IsRead(const StepRange& steps) {
  StateWriter writer;
  writer.Put(steps);
  const std::string bytes = writer.Take();
  StateReader reader(bytes);
  const StepRange read = reader.GetSteps();
  return reader.ok() && read == steps;
}

TEST(StateBytesTest, StepsComeBack) {
  EXPECT_TRUE(IsRead({.first = 0, .end = 1}));
  EXPECT_TRUE(IsRead({.first = kMaxStep, .end = kMaxStep + 64}));
}

TEST(StateBytesTest, StepsThatNoRunHasAreRefused) {
  EXPECT_FALSE(IsRead({.first = -1, .end = 1}));
  EXPECT_FALSE(IsRead({.first = 5, .end = 5}));
  EXPECT_FALSE(IsRead({.first = kMaxStep + 1, .end = kMaxStep + 64}));
  EXPECT_FALSE(IsRead({.first = std::numeric_limits<std::int64_t>::max() - 1,
                       .end = std::numeric_limits<std::int64_t>::max()}));
}

}  // namespace
}  // namespace firekeeper::core
