// How much silence is enough to say DEAD (STATISTICS.md 4.0).

#pragma once

#include <cstdint>

namespace firekeeper::core {

struct CertificateSettings {
  double alpha = 0.01;  // probability of any false DEAD in a run, in (0, 1)
  double p0 = 1e-3;     // firing rate per observation that DEAD rules out
  double pc0 = 1e-2;    // firing rate per cluster that DEAD rules out
};

// A unit that revives from DEAD is judged one level on, so that it cannot flap:
// both rates are divided by 10 for every level, at most this many times.
inline constexpr int kMaxLevel = 9;
[[nodiscard]] CertificateSettings Divided(const CertificateSettings& settings,
                                          int level);

// What the certificates of a layer were computed with, now.
struct CertificateTotals {
  // M: units of the run, rounded up to a power of two and doubled, because each
  // is tested for never firing and for always firing.
  std::uint64_t tracked_units = 2;
  // T and Tc, powers of two: the most that any unit can have had, which is the
  // sum over the windows of their largest count.
  std::uint64_t observations = 1;
  std::uint64_t clusters = 1;
  std::uint64_t observations_needed = 0;
  std::uint64_t clusters_needed = 0;
};

// M for a run of so many units.
[[nodiscard]] std::uint64_t TrackedUnits(std::uint64_t run_units);

// n rounded up to a power of two; 1 for 0 and 1. Saturates at 2^63.
[[nodiscard]] std::uint64_t RoundUpToPowerOfTwo(std::uint64_t n);

// Trials of silence since the last firing that rule out a firing rate of
// `rate` under continuous looking: the least n with
//   n * -ln(1 - rate) >= ln(M (T rate + 1) / alpha_j),
// T = trials rounded up to a power of two, alpha_j = alpha / (j (j + 1)) in the
// j-th doubling (j = log2 T, at least 1), M = tracked_units.
// Requires: 0 < rate < 1, 0 < alpha < 1, tracked_units >= 1.
[[nodiscard]] std::uint64_t SilenceNeeded(double rate, double alpha,
                                          std::uint64_t tracked_units,
                                          std::uint64_t trials);

// The same for a window with a fixed start (BIRTH, fixed test sets): the least
// n with n * -ln(1 - rate) >= ln(M / alpha) (STATISTICS.md 4.1).
[[nodiscard]] std::uint64_t SilenceNeededFixedStart(
    double rate, double alpha, std::uint64_t tracked_units);

// One-sided Clopper-Pearson upper bound of a rate after k firings in n trials
// at confidence 1 - alpha: 1 - alpha^(1/n) for k = 0, otherwise the quantile
// of Beta(k + 1, n - k). 1 where n = 0 or k >= n. Requires: k <= n.
[[nodiscard]] double RateUpperBound(std::uint64_t k, std::uint64_t n,
                                    double alpha);
// The lower bound: quantile alpha of Beta(k, n - k + 1); 0 where k = 0.
[[nodiscard]] double RateLowerBound(std::uint64_t k, std::uint64_t n,
                                    double alpha);

}  // namespace firekeeper::core
