#include "core/incomplete_beta.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>

namespace firekeeper::core {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// Both parameters beyond this: quadrature, whose cost is constant, instead of
// the continued fraction, whose cost grows with the root of the smaller one.
constexpr double kLargeParameter = 500.0;

enum class Tail { kLower, kUpper };

// Beta(a, b) with its mean.
struct Beta {
  double a;
  double b;

  [[nodiscard]] double MeanX() const { return a / (a + b); }
  [[nodiscard]] double MeanY() const { return b / (a + b); }
  // x - mean, by way of 1 - x where that is the exact one.
  [[nodiscard]] double Offset(double x) const {
    return x <= 0.5 ? x - MeanX() : MeanY() - (1.0 - x);
  }
  [[nodiscard]] double Deviation() const {
    return std::sqrt(MeanX() * MeanY() / (a + b + 1.0));
  }
};

// ln(1 + u) - u, given 1 + u too, where u = offset / mean. Near 0 without
// cancellation: with r = u / (2 + u), ln(1 + u) = 2 artanh r (DLMF 4.6.4) and
// 2 r - u = -u r.
double LogMinusOffset(double u, double one_plus_u) {
  if (std::abs(u) > 0.4) return std::log(one_plus_u) - u;
  const double r = u / (2.0 + u);
  const double r2 = r * r;
  double power = 2.0 * r * r2;
  double series = 0.0;
  for (double odd = 3.0; std::abs(power) > kEpsilon * std::abs(series) * odd;
       odd += 2.0) {
    series += power / odd;
    power *= r2;
  }
  return series - u * r;
}

// ln Gamma(a) minus Stirling's leading terms (DLMF 5.11.1). Not by lgamma: it
// writes a global, and its terms cancel for a large a.
double StirlingError(double a) {
  double shift = 0.0;
  while (a < 16.0) {
    shift += (a + 0.5) * std::log1p(1.0 / a) - 1.0;
    a += 1.0;
  }
  const double s = 1.0 / (a * a);
  const double series =
      1.0 / 12 -
      s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)));
  return shift + series / a;
}

// x^a (1 - x)^b / B(a, b) at x = mean + offset. In the saddle-point form
// of Loader (2000), where nothing large cancels.
class PowerTerm {
 public:
  explicit PowerTerm(const Beta& beta)
      : beta_(beta),
        scale_(std::sqrt(beta.a * beta.MeanY() / (2.0 * std::numbers::pi)) *
               std::exp(StirlingError(beta.a + beta.b) - StirlingError(beta.a) -
                        StirlingError(beta.b))) {}

  // Requires: 0 < x < 1, offset = beta.Offset(x).
  [[nodiscard]] double operator()(double x, double offset) const {
    const double mean_x = beta_.MeanX();
    const double mean_y = beta_.MeanY();
    return scale_ *
           std::exp(beta_.a * LogMinusOffset(offset / mean_x, x / mean_x) +
                    beta_.b *
                        LogMinusOffset(-offset / mean_y, (1.0 - x) / mean_y));
  }

 private:
  Beta beta_;
  double scale_;
};

// I_x(a, b) over x^a y^b / B(a, b): the continued fraction of Didonato and
// Morris (1992, BFRAC), the even part of DLMF 8.17.22, by the modified Lentz
// algorithm (Thompson and Barnett 1986). Unlike 8.17.22 itself nothing cancels
// in it below the mean, however large b is.
double ContinuedFraction(const Beta& beta, double x, double offset) {
  constexpr double kTiny = 1e-290;  // stands for a denominator of zero
  constexpr int kMaxTerms = 100000;
  const auto [a, b] = beta;
  const double lambda = -(a + b) * offset + 1.0;
  double value = a * lambda / (a + 1.0);
  if (std::abs(value) < kTiny) value = kTiny;
  double c = value;
  double d = 0.0;
  for (int i = 1; i < kMaxTerms; ++i) {
    const double m = i;
    const double before = a + 2.0 * m - 1.0;
    const double w = m * (b - m) * x / before;
    const double numerator =
        (a + m - 1.0) * ((a + b + m - 1.0) / before) * w * x;
    const double denominator =
        m + w + (a + m) * (lambda + m * (2.0 - x)) / (before + 2.0);
    d = denominator + numerator * d;
    c = denominator + numerator / c;
    if (std::abs(d) < kTiny) d = kTiny;
    if (std::abs(c) < kTiny) c = kTiny;
    d = 1.0 / d;
    value *= c * d;
    if (std::abs(c * d - 1.0) <= kEpsilon) break;
  }
  return 1.0 / value;
}

// Gauss-Legendre rule of 16 points on [-1, 1]: positive nodes and weights
// (Abramowitz and Stegun, table 25.4).
struct Node {
  double at;
  double weight;
};
constexpr std::array<Node, 8> kGaussLegendre = {{
    {0.095012509837637440, 0.18945061045506850},
    {0.28160355077925891, 0.18260341504492359},
    {0.45801677765722739, 0.16915651939500254},
    {0.61787624440264375, 0.14959598881657673},
    {0.75540440835500303, 0.12462897125553387},
    {0.86563120238783174, 0.095158511682492785},
    {0.94457502307323258, 0.062253523938647893},
    {0.98940093499164993, 0.027152459411754095},
}};

template <typename F>
double Integrate(double from, double to, const F& f) {
  const double middle = 0.5 * (from + to);
  const double half = 0.5 * (to - from);
  double sum = 0.0;
  for (const Node& node : kGaussLegendre) {
    sum +=
        node.weight * (f(middle - half * node.at) + f(middle + half * node.at));
  }
  return sum * half;
}

// P(X <= mean + offset) for `tail` kLower, else P(X > mean + offset), away from
// the mean, where a and b are large and the density nearly normal. Integrates
// in standard deviations as far as a normal density falls by e^-50; two panels
// then leave an error below 1e-14.
double TailByQuadrature(const Beta& beta, double offset, Tail tail) {
  const PowerTerm power(beta);
  const double deviation =
      tail == Tail::kLower ? -beta.Deviation() : beta.Deviation();
  const double z = offset / deviation;
  const double length = std::sqrt(z * z + 100.0) - z;
  const double mean_x = beta.MeanX();
  const double mean_y = beta.MeanY();
  const auto density = [&](double t) {
    const double at = offset + deviation * t;
    const double x = mean_x + at;
    const double y = mean_y - at;
    return x <= 0.0 || y <= 0.0 ? 0.0 : power(x, at) / (x * y);
  };
  return std::abs(deviation) * (Integrate(0.0, 0.5 * length, density) +
                                Integrate(0.5 * length, length, density));
}

double TailProbability(const Beta& beta, double x, Tail tail) {
  if (x <= 0.0) return tail == Tail::kLower ? 0.0 : 1.0;
  if (x >= 1.0) return tail == Tail::kLower ? 1.0 : 0.0;
  const auto [a, b] = beta;
  const double offset = beta.Offset(x);
  // The tail away from the mean is computed, the other is its complement.
  const Tail away = offset <= 0.0 ? Tail::kLower : Tail::kUpper;
  double probability = 0.0;
  if (std::min(a, b) > kLargeParameter) {
    probability = TailByQuadrature(beta, offset, away);
  } else if (away == Tail::kLower) {
    probability =
        PowerTerm(beta)(x, offset) * ContinuedFraction(beta, x, offset);
  } else {
    probability = PowerTerm(beta)(x, offset) *
                  ContinuedFraction({b, a}, 1.0 - x, -offset);
  }
  return away == tail ? probability : 1.0 - probability;
}

// z with P(Z > z) = probability: Abramowitz and Stegun 26.2.23, good to 4.5e-4,
// and two steps of Newton.
double NormalUpperQuantile(double probability) {
  const double p = std::min(probability, 1.0 - probability);
  const double t = std::sqrt(-2.0 * std::log(p));
  double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                     (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 2; ++i) {
    const double density =
        std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    z += (0.5 * std::erfc(z / std::numbers::sqrt2) - p) / density;
  }
  return probability <= 0.5 ? z : -z;
}

// Carter's approximation (Abramowitz and Stegun 26.5.22).
double ApproximateQuantile(const Beta& beta, double probability, Tail tail) {
  const double upper = NormalUpperQuantile(probability);
  const double z = tail == Tail::kUpper ? upper : -upper;
  const double a = 1.0 / (2.0 * beta.a - 1.0);
  const double b = 1.0 / (2.0 * beta.b - 1.0);
  const double h = 2.0 / (a + b);
  const double lambda = (z * z - 3.0) / 6.0;
  const double w = z * std::sqrt(h + lambda) / h -
                   (a - b) * (lambda + 5.0 / 6.0 - 2.0 / (3.0 * h));
  return beta.a / (beta.a + beta.b * std::exp(-2.0 * w));
}

// Step of Halley's method for ln tail(x) = ln probability. The tails of a
// density with one peak are log-concave. Far from the root the second-order
// term is not to be trusted, so its share of the step is limited.
double HalleyStep(const Beta& beta, double x, Tail tail,
                  double tail_probability, double probability) {
  const double y = 1.0 - x;
  const double rate =
      PowerTerm(beta)(x, beta.Offset(x)) / (x * y) / tail_probability;
  const double slope = tail == Tail::kLower ? rate : -rate;
  const double bend = (beta.a - 1.0) / x - (beta.b - 1.0) / y - slope;
  const double newton = std::log(probability / tail_probability) / slope;
  return newton / (1.0 + std::clamp(0.5 * newton * bend, -0.5, 0.5));
}

double Quantile(const Beta& beta, double probability, Tail tail) {
  assert(beta.a >= 1.0 && beta.b >= 1.0);
  assert(probability > 0.0 && probability < 1.0);
  double low = 0.0;
  double high = 1.0;
  double x = ApproximateQuantile(beta, probability, tail);
  constexpr int kMaxSteps = 200;  // bisection alone needs fewer than 64 + 53
  for (int i = 0; i < kMaxSteps; ++i) {
    if (!(x > low && x < high)) x = 0.5 * (low + high);
    const double tail_probability = TailProbability(beta, x, tail);
    const bool too_far =
        (tail_probability > probability) == (tail == Tail::kLower);
    (too_far ? high : low) = x;
    const double step =
        HalleyStep(beta, x, tail, tail_probability, probability);
    const double next = x + step;
    // The step triples the correct digits, so a step this small is the last.
    const double scale = std::min({beta.Deviation(), x, 1.0 - x});
    if (std::abs(step) <= 1e-5 * scale) return std::clamp(next, 0.0, 1.0);
    if (std::abs(high - low) <= kEpsilon * high) return x;
    x = next;
  }
  return x;
}

}  // namespace

double BetaLowerTail(double a, double b, double x) {
  assert(a > 0.0 && b > 0.0 && x >= 0.0 && x <= 1.0);
  return TailProbability({a, b}, x, Tail::kLower);
}

double BetaUpperTail(double a, double b, double x) {
  assert(a > 0.0 && b > 0.0 && x >= 0.0 && x <= 1.0);
  return TailProbability({a, b}, x, Tail::kUpper);
}

double BetaLowerQuantile(double a, double b, double probability) {
  return Quantile({a, b}, probability, Tail::kLower);
}

double BetaUpperQuantile(double a, double b, double probability) {
  return Quantile({a, b}, probability, Tail::kUpper);
}

}  // namespace firekeeper::core
