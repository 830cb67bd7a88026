// What the fuzz targets share: how a broken promise ends the process, and how
// choices are read off an input.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace firekeeper::testing {

// Ends the process, which libFuzzer takes for a crash, where `holds` is false.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

// Reads choices off the front of the input; 0 where it is over.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> input) : input_(input) {}

  [[nodiscard]] bool empty() const { return input_.empty(); }

  // 0 to n - 1, from one byte. Requires: 1 <= n <= 256.
  int Below(int n) {
    if (input_.empty()) return 0;
    const int choice = input_.front() % n;
    input_ = input_.subspan(1);
    return choice;
  }
  bool Coin() { return Below(2) == 1; }
  // Any number of eight bytes, least significant first.
  std::uint64_t Number() {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < 8; ++i) {
      number |= static_cast<std::uint64_t>(Below(256)) << (8 * i);
    }
    return number;
  }
  // The next bytes; fewer where the input ends.
  std::string_view Bytes(std::size_t size) {
    const auto taken = input_.first(std::min(size, input_.size()));
    input_ = input_.subspan(taken.size());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  [[nodiscard]] std::span<const std::byte> rest() const {
    return std::as_bytes(input_);
  }

 private:
  std::span<const std::uint8_t> input_;
};

}  // namespace firekeeper::testing
