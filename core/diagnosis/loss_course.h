// What the loss says about learning.

#pragma once

#include <cstdint>
#include <optional>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/settings.h"

namespace firekeeper::core {

enum class Learning : std::uint8_t {
  kUnknown,    // no loss, or too little of it
  kLearning,   // it has fallen
  kConverged,  // it is next to nothing
  kStalled,    // it has not fallen, or stands where guessing stands
  kDiverged,   // it has grown
};

struct LossCourse {
  Learning learning = Learning::kUnknown;
  bool observed = false;
  std::optional<std::int64_t> first_non_finite_step;
  // Medians of the first and last values; meaningful unless kUnknown.
  double start = 0.0;
  double end = 0.0;
  // From here on it did not improve; empty where it still does.
  std::optional<std::int64_t> plateau_start;

  // end / start; 0 where it started at 0.
  [[nodiscard]] double Ratio() const {
    return start == 0.0 ? 0.0 : end / start;
  }
  [[nodiscard]] bool failed() const {
    return learning == Learning::kStalled || learning == Learning::kDiverged;
  }
};

// What is known of the output besides the loss.
struct OutputCourse {
  // The loss of guessing: the entropy of the TARGET's class frequencies where
  // streamed, otherwise ln(units of the output layer). Empty below two units.
  std::optional<double> guess_loss;
  bool guess_measured = false;  // from TARGET
  // Of the examples as the output shows them, in its newest window: near 1 it
  // hardly depends on the input.
  std::optional<double> cosine;
};
[[nodiscard]] OutputCourse OutputCourseOf(const RunFacts& facts);

// A run whose loss stands where guessing stands has stalled, however far it
// came down; so has one on a plateau whose output does not depend on the input.
[[nodiscard]] LossCourse CourseOf(const RunFacts& facts,
                                  const OutputCourse& output,
                                  const DiagnosisSettings& settings);

}  // namespace firekeeper::core
