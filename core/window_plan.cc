#include "core/window_plan.h"

#include <bit>
#include <cassert>

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

}  // namespace firekeeper::core
