#include "core/init_baseline.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace firekeeper::core {
namespace {

double NormalDensity(double z) {
  return std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
}

double NormalUpperTail(double z) {
  return 0.5 * std::erfc(z / std::numbers::sqrt2);
}

// ln P(Z <= z) without the cancellation of ln(1 - tiny).
double LogNormalCdf(double z) {
  return z > 0.0 ? std::log1p(-NormalUpperTail(z))
                 : std::log(NormalUpperTail(-z));
}

// Sum of f over the line by the trapezoidal rule, which converges
// geometrically for an analytic f that vanishes at both ends (Trefethen and
// Weideman 2014). The sharpest f below, the density of the largest of 2^63
// normals, is 0.1 wide: this spacing leaves an error below 1e-12.
template <typename F>
double IntegrateLine(double from, double to, const F& f) {
  constexpr double kSpacing = 1.0 / 32.0;
  const auto intervals = static_cast<int>(std::lround((to - from) / kSpacing));
  double sum = 0.0;
  for (int i = 0; i <= intervals; ++i) sum += f(from + i * kSpacing);
  return sum * kSpacing;
}

}  // namespace

double NeverFiredShare(double cosine, std::uint64_t samples) {
  assert(cosine >= 0.0 && cosine <= 1.0);
  assert(samples >= 1);
  if (cosine == 1.0) return 0.5;
  const double slope = std::sqrt(cosine / (1.0 - cosine));
  const auto n = static_cast<double>(samples);
  if (slope <= 1.0) {
    return IntegrateLine(-10.0, 10.0, [slope, n](double z) {
      return NormalDensity(z) * std::exp(n * LogNormalCdf(-z * slope));
    });
  }
  // Integrated by parts, with v = -z slope: the mean of P(Z > v / slope) over
  // the largest v of n normals. Its integrand stays smooth as the cosine nears
  // one, where the one above becomes a step. The largest of 2^63 normals lies
  // below 13.
  return IntegrateLine(-10.0, 13.0, [slope, n](double v) {
    return NormalUpperTail(v / slope) * n * NormalDensity(v) *
           std::exp((n - 1.0) * LogNormalCdf(v));
  });
}

// Cho and Saul 2009, arc-cosine kernel of order 1, for inputs of equal norm.
double NextCosine(double cosine) {
  assert(cosine >= 0.0 && cosine <= 1.0);
  const double next = (std::sqrt((1.0 - cosine) * (1.0 + cosine)) +
                       cosine * (std::numbers::pi - std::acos(cosine))) /
                      std::numbers::pi;
  return std::min(next, 1.0);
}

double InputCosine(double gamma) {
  assert(gamma >= 0.0);
  // Written with the ratio's inverse where gamma is large: gamma^2 may
  // overflow.
  if (gamma <= 1.0) return gamma * gamma / (1.0 + gamma * gamma);
  return 1.0 / (1.0 + 1.0 / (gamma * gamma));
}

}  // namespace firekeeper::core
