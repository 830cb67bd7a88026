// Which steps are worth observing: densely at first, when most units die, then
// at a fixed distance.

#pragma once

#include <cstdint>

namespace firekeeper::client {

// Thread-safe: immutable.
class SamplingPlan {
 public:
  // Requires: every is a power of two, so that every window of the server holds
  // a sampled step or is stretched until it does.
  explicit SamplingPlan(std::int64_t every) : every_(every) {}

  // Steps 0 to 10, 20, 50, 100 and every multiple of `every`.
  [[nodiscard]] bool Includes(std::int64_t step) const {
    if (step < 0) return false;
    return step <= 10 || step == 20 || step == 50 || step == 100 ||
           step % every_ == 0;
  }

 private:
  std::int64_t every_;
};

}  // namespace firekeeper::client
