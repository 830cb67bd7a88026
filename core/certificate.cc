#include "core/certificate.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "core/incomplete_beta.h"

namespace firekeeper::core {
namespace {

// Least n with n * -ln(1 - rate) >= threshold.
std::uint64_t LeastTrials(double rate, double threshold) {
  assert(rate > 0.0 && rate < 1.0);
  const double per_trial = -std::log1p(-rate);
  const double trials = std::ceil(threshold / per_trial);
  constexpr double kExactLimit = 9007199254740992.0;  // 2^53
  if (trials >= 18446744073709551616.0) {             // 2^64
    return std::numeric_limits<std::uint64_t>::max();
  }
  auto n = static_cast<std::uint64_t>(trials);
  if (trials >= kExactLimit) return n;
  // The quotient is rounded and may land on the wrong side of an integer.
  while (n > 0 && static_cast<double>(n - 1) * per_trial >= threshold) --n;
  while (static_cast<double>(n) * per_trial < threshold) ++n;
  return n;
}

}  // namespace

CertificateSettings Divided(const CertificateSettings& settings, int level) {
  assert(0 <= level && level <= kMaxLevel);
  CertificateSettings divided = settings;
  const double factor = std::pow(10.0, level);
  divided.p0 /= factor;
  divided.pc0 /= factor;
  return divided;
}

std::uint64_t TrackedUnits(std::uint64_t run_units) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;
  return 2 * RoundUpToPowerOfTwo(std::min(run_units, kLargest));
}

std::uint64_t RoundUpToPowerOfTwo(std::uint64_t n) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 63;
  return n > kLargest ? kLargest : std::bit_ceil(n);
}

std::uint64_t SilenceNeeded(double rate, double alpha,
                            std::uint64_t tracked_units, std::uint64_t trials) {
  assert(alpha > 0.0 && alpha < 1.0);
  assert(tracked_units >= 1);
  const std::uint64_t rounded = RoundUpToPowerOfTwo(trials);
  const double doubling = std::max(std::countr_zero(rounded), 1);
  // A sum of logarithms: the product inside may overflow.
  return LeastTrials(rate, std::log(static_cast<double>(tracked_units)) +
                               std::log1p(static_cast<double>(rounded) * rate) +
                               std::log(doubling * (doubling + 1.0)) -
                               std::log(alpha));
}

std::uint64_t SilenceNeededFixedStart(double rate, double alpha,
                                      std::uint64_t tracked_units) {
  assert(alpha > 0.0 && alpha < 1.0);
  assert(tracked_units >= 1);
  return LeastTrials(
      rate, std::log(static_cast<double>(tracked_units)) - std::log(alpha));
}

double RateUpperBound(std::uint64_t k, std::uint64_t n, double alpha) {
  assert(k <= n);
  assert(alpha > 0.0 && alpha < 1.0);
  if (k >= n) return 1.0;
  // 1 - alpha^(1/n), which is all rounding error where n is large.
  if (k == 0) return -std::expm1(std::log(alpha) / static_cast<double>(n));
  return BetaUpperQuantile(static_cast<double>(k) + 1.0,
                           static_cast<double>(n - k), alpha);
}

double RateLowerBound(std::uint64_t k, std::uint64_t n, double alpha) {
  assert(k <= n);
  assert(alpha > 0.0 && alpha < 1.0);
  if (k == 0) return 0.0;
  if (k >= n) return std::exp(std::log(alpha) / static_cast<double>(n));
  return BetaLowerQuantile(static_cast<double>(k),
                           static_cast<double>(n - k) + 1.0, alpha);
}

}  // namespace firekeeper::core
