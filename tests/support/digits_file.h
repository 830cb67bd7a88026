// Where the real digits are on this machine.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "client/cpp/examples/digits_trainer/digits.h"

namespace firekeeper::testing {

// FIREKEEPER_DIGITS, which tests/run sets, or where Debian puts them. Empty
// where they are not.
inline std::string DigitsFile() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no test changes it
  const char* const given = std::getenv("FIREKEEPER_DIGITS");
  const std::string path =
      given != nullptr ? given : std::string(digits::kDefaultPath);
  return std::filesystem::exists(path) ? path : std::string();
}

}  // namespace firekeeper::testing
