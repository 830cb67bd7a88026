// Numbers in the sentences of a diagnosis.

#pragma once

#include <string>

namespace firekeeper::core {

// With at most three significant digits: "0.279", "1.38e+03".
[[nodiscard]] std::string Digits(double value);
// A share as "28.1 %".
[[nodiscard]] std::string Percent(double share);

}  // namespace firekeeper::core
