// The Beta distribution's tails and quantiles, which Clopper-Pearson bounds
// are made of.
//
// Accurate to 1e-11 relative for a and b up to 1e9 (incomplete_beta_test.cc);
// a tail loses digits in proportion to sqrt(a + b) beyond that, a quantile does
// not. Pure functions; Thread-safe.

#pragma once

namespace firekeeper::core {

// P(X <= x) of X ~ Beta(a, b): the regularised incomplete beta function
// I_x(a, b). Requires: a > 0, b > 0, 0 <= x <= 1.
[[nodiscard]] double BetaLowerTail(double a, double b, double x);
// P(X > x) = 1 - I_x(a, b), without the cancellation of that difference.
[[nodiscard]] double BetaUpperTail(double a, double b, double x);

// x with P(X <= x) = probability. Requires: a >= 1, b >= 1 (a density with one
// peak), 0 < probability < 1.
[[nodiscard]] double BetaLowerQuantile(double a, double b, double probability);
// x with P(X > x) = probability. The same requirements.
[[nodiscard]] double BetaUpperQuantile(double a, double b, double probability);

}  // namespace firekeeper::core
