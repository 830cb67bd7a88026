// What to do about a finding.

#pragma once

#include <string>

namespace firekeeper::core {

struct Remedy {
  std::string title;
  // What to change, with the numbers for this layer or run.
  std::string action;
  // Why it meets this cause, or why it does not.
  std::string reason;
  std::string expected_effect;
  // What was measured with it, in plain words; empty where nothing was.
  std::string measured_support;
  // False: named because it would not help.
  bool recommended = true;
};

}  // namespace firekeeper::core
