#include "core/window_plan.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

namespace firekeeper::core {

StepRange WindowOf(std::int64_t step, std::int64_t longest) {
  assert(step >= 0 && step <= kMaxStep);
  assert(longest >= 1 &&
         std::has_single_bit(static_cast<std::uint64_t>(longest)));
  if (step == 0) return {.first = 0, .end = 1};
  if (step < longest) {
    const auto first = static_cast<std::int64_t>(
        std::bit_floor(static_cast<std::uint64_t>(step)));
    return {.first = first, .end = 2 * first};
  }
  // [longest, 2 longest) is both the last doubling and the first of the equal
  // windows, so those are aligned to multiples of their length.
  const std::int64_t first = step - step % longest;
  return {.first = first, .end = first + longest};
}

std::uint32_t WindowNumber(std::int64_t step, std::int64_t longest) {
  const std::int64_t first = WindowOf(step, longest).first;
  if (first == 0) return 0;
  // Window w >= 1 begins at 2^(w - 1) until the windows are of equal length.
  const auto log2 = [](std::int64_t value) {
    return std::int64_t{std::countr_zero(static_cast<std::uint64_t>(value))};
  };
  const std::int64_t number =
      first < longest ? 1 + log2(first) : log2(longest) + first / longest;
  constexpr std::int64_t kLast = std::numeric_limits<std::uint32_t>::max() - 1;
  return static_cast<std::uint32_t>(std::min(number, kLast));
}

StepRange WindowNumbered(std::uint32_t number, std::int64_t longest) {
  if (number == 0) return {.first = 0, .end = 1};
  const auto doublings = static_cast<std::uint32_t>(
      std::countr_zero(static_cast<std::uint64_t>(longest)));
  if (number <= doublings) {
    const std::int64_t first = std::int64_t{1} << (number - 1);
    return {.first = first, .end = 2 * first};
  }
  const std::int64_t first = std::int64_t{number - doublings} * longest;
  return {.first = first, .end = first + longest};
}

}  // namespace firekeeper::core
