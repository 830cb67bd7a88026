// Shows how far a training has come: one line that is redrawn on a terminal, a
// line for every tenth of the way elsewhere.

#pragma once

#include <cstdint>
#include <ostream>

#include "client/cpp/examples/digits_trainer/training_run.h"

namespace firekeeper::digits {

class ProgressLine final : public ProgressListener {
 public:
  // Requires: `out` outlives the line.
  ProgressLine(std::ostream& out, bool is_terminal)
      : out_(out), is_terminal_(is_terminal) {}

  // Requires: 0 < done <= total, done grows.
  void Advance(std::int64_t done, std::int64_t total, double loss) override;

 private:
  std::ostream& out_;
  bool is_terminal_;
  std::int64_t shown_ = 0;  // percent, or tenths, of the way at the last output
};

}  // namespace firekeeper::digits
