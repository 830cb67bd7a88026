"""Expected share of units that never fire at He initialisation with zero bias.

The same closed form as core/init_baseline.h (STATISTICS 2.4), written apart from
it in numpy so that the experiment does not check the code against itself.
"""

from __future__ import annotations

import math

import numpy


def never_fired_share(cosine: float, samples: int) -> float:
    """pi(c, B) = integral of phi(z) Phi(-z sqrt(c / (1 - c)))^B over z."""
    if cosine <= 0.0:
        return 0.5**samples
    if cosine >= 1.0:
        return 0.5
    z = numpy.linspace(-12.0, 12.0, 48_001)
    density = numpy.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    slope = math.sqrt(cosine / (1.0 - cosine))
    below = numpy.array([0.5 * math.erfc(x * slope / math.sqrt(2.0)) for x in z])
    return float(numpy.trapz(density * below**samples, z))


def next_cosine(cosine: float) -> float:
    """Cosine between the outputs of a ReLU layer whose inputs have this cosine."""
    return (math.sqrt(1.0 - cosine * cosine) + cosine * (math.pi - math.acos(cosine))) / math.pi
