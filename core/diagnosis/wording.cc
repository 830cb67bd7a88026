#include "core/diagnosis/wording.h"

#include <array>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {

std::string Digits(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

std::string Percent(double share) {
  return absl::StrCat(Digits(share * 100.0), " %");
}

}  // namespace firekeeper::core
