// A count of bytes with a ceiling, shared by everything that holds state.

#pragma once

#include <atomic>
#include <cstddef>

namespace firekeeper::server {

// Thread-safe, lock-free.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t limit) : limit_(limit) {}

  // Takes `bytes`, or nothing and returns false where they do not fit.
  [[nodiscard]] bool TryTake(std::size_t bytes) {
    std::size_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes,
                                          std::memory_order_relaxed));
    return true;
  }
  // Requires: they were taken.
  void Give(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  [[nodiscard]] std::size_t used() const {
    return used_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t limit() const { return limit_; }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace firekeeper::server
