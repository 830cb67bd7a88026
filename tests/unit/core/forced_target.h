// Makes the kernels run on one instruction set.

#pragma once

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdint>
#include <vector>

namespace firekeeper::testing {

// Until it goes out of scope. Not thread-safe: the choice is the process's.
class ForcedTarget {
 public:
  explicit ForcedTarget(std::int64_t target) { Choose(target); }
  ~ForcedTarget() { Choose(0); }
  ForcedTarget(const ForcedTarget&) = delete;
  ForcedTarget& operator=(const ForcedTarget&) = delete;

 private:
  static void Choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

// Those that the kernels are compiled for and that this machine has, the plain
// one last.
inline std::vector<std::int64_t> KernelTargets() {
  std::vector<std::int64_t> targets;
  for (const std::int64_t target :
       {static_cast<std::int64_t>(HWY_AVX3),
        static_cast<std::int64_t>(HWY_AVX2),
        static_cast<std::int64_t>(HWY_SSE4),
        static_cast<std::int64_t>(HWY_STATIC_TARGET)}) {
    if ((hwy::SupportedTargets() & target) != 0) targets.push_back(target);
  }
  return targets;
}

}  // namespace firekeeper::testing
