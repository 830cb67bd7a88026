// Which window a step belongs to: step 0 alone, then [1,2), [2,4), [4,8) … up
// to the longest length W, then every W steps.

#pragma once

#include <compare>
#include <cstdint>

namespace firekeeper::core {

// Half-open range of steps.
struct StepRange {
  std::int64_t first = 0;
  std::int64_t end = 0;

  [[nodiscard]] constexpr bool Contains(std::int64_t step) const {
    return first <= step && step < end;
  }
  friend auto operator<=>(const StepRange&, const StepRange&) = default;
};

// Steps beyond this are refused: a double and a JavaScript number hold it.
inline constexpr std::int64_t kMaxStep = std::int64_t{1} << 53;
inline constexpr std::int64_t kDefaultWindowSteps = 128;

// The window of `step`. Requires: 0 <= step <= kMaxStep, longest is a power of
// two and at least 1.
[[nodiscard]] StepRange WindowOf(std::int64_t step,
                                 std::int64_t longest = kDefaultWindowSteps);

// The window of `step` counted from step 0's, which is window 0: four bytes
// where a step takes eight. Saturates at 2^32 - 2. The same requirements.
[[nodiscard]] std::uint32_t WindowNumber(std::int64_t step,
                                         std::int64_t longest);
// The window of that number. Requires: longest as above.
[[nodiscard]] StepRange WindowNumbered(std::uint32_t number,
                                       std::int64_t longest);

}  // namespace firekeeper::core
