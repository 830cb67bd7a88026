// When the sums of a kernel are too coarse to use.

#pragma once

#include <type_traits>

namespace firekeeper::core::kernels {

// Squares of distances from the pivot may be this many times the squares from
// the mean; beyond, a share of their digits is lost that shows.
inline constexpr double kMostCancellation = 16.0;

// Sums of squares below this have lost digits to underflow. The exact way has
// no more range than binary64 itself.
template <typename Real>
inline constexpr double kLeastSquares =
    std::is_same_v<Real, float> ? 1e-30 : 0.0;

}  // namespace firekeeper::core::kernels
