// What the experiments train on: a synthetic task made by a random teacher, and
// the real digits.

#pragma once

#include <cstdint>

#include "client/cpp/examples/digits_trainer/training_run.h"
#include "client/cpp/examples/trainer/dataset.h"
#include "tests/experiments/trainer/scenario.h"

namespace firekeeper::experiments {

using digits::Examples;

inline constexpr Eigen::Index kSyntheticFeatures = 20;
inline constexpr Eigen::Index kSyntheticClasses = 4;
inline constexpr Eigen::Index kTeacherUnits = 32;
inline constexpr Eigen::Index kTrainingRows = 2048;
inline constexpr Eigen::Index kTestRows = 1024;

// 20 features g, 4 classes by a ReLU teacher of 32 units whose outputs are
// standardised, so that no class is rare. `data` decides how the features are
// distributed and shown; labels depend on g alone.
// Requires: a synthetic source.
[[nodiscard]] Examples MakeSynthetic(const DataSpec& data, std::uint64_t seed);

// The digits as `data` wants them shown. Requires: a digits source.
[[nodiscard]] Examples ShowDigits(const trainer::Dataset<float>& digits,
                                  const DataSpec& data);

}  // namespace firekeeper::experiments
