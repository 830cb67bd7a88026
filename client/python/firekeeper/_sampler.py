"""How far apart observed steps are, so that observing stays within a budget."""

from __future__ import annotations

import statistics
from typing import List, Optional

from firekeeper._names import is_power_of_two
from firekeeper._steps import should_sample

# A window of the server has 128 steps: more would leave windows without a sample.
LONGEST_DISTANCE = 128
DEFAULT_DISTANCE = 16
# Reading every parameter takes longer than all that hooks do, and one update changes
# parameters by a thousandth or so.
DEFAULT_PARAMETER_DISTANCE = 16
_SAMPLES = 5
# The first steps allocate and warm caches.
_WARM_UP_STEPS = 2


class Sampler:
    """Decides by the step alone, so that all processes of a run agree.

    Without a distance from the user, and in a run of one process, the distance is
    doubled until the time that sampled steps take beyond the others is within the
    budget. Thread-compatible.

    Args:
        every: distance in steps, a power of two; None: adaptive.
        budget: share of the training time that observing may take.
        adaptive: whether it may adapt at all.
        parameters_every: distance of the steps whose parameters are read, of those that are
            observed.

    Raises:
        ValueError: a distance is not a power of two up to 128, or ``budget`` not in (0, 1).
    """

    def __init__(
        self,
        every: Optional[int],
        budget: float,
        *,
        adaptive: bool,
        parameters_every: int = DEFAULT_PARAMETER_DISTANCE,
    ) -> None:
        _check_distance("every", DEFAULT_DISTANCE if every is None else every)
        _check_distance("parameters_every", parameters_every)
        if not 0.0 < budget < 1.0:
            raise ValueError(f"budget: got {budget}; allowed is more than 0 and less than 1")
        self.every = DEFAULT_DISTANCE if every is None else every
        self.budget = budget
        self._parameters_every = parameters_every
        self._adaptive = adaptive and every is None
        self._sampled: List[float] = []
        self._plain: List[float] = []

    def includes(self, step: int) -> bool:
        """Whether ``step`` is observed."""
        return should_sample(step, self.every)

    def includes_parameters(self, step: int) -> bool:
        """Whether parameters, their gradients and updates are read at ``step``."""
        return self.includes(step) and should_sample(step, self._parameters_every)

    def overhead(self) -> Optional[float]:
        """Measured share of the training time; None: not known yet."""
        if len(self._sampled) < _SAMPLES or len(self._plain) < _SAMPLES:
            return None
        plain = statistics.median(self._plain)
        extra = max(0.0, statistics.median(self._sampled) - plain)
        return extra / (self.every * plain) if plain > 0.0 else None

    def took(self, step: int, seconds: float) -> None:
        """``step`` took so long, all of the user's work included."""
        if not self._adaptive or step <= _WARM_UP_STEPS:
            return
        times = self._sampled if self.includes(step) else self._plain
        times.append(seconds)
        del times[:-_SAMPLES]
        overhead = self.overhead()
        if overhead is None or overhead <= self.budget or self.every >= LONGEST_DISTANCE:
            return
        self.every *= 2
        self._sampled.clear()


def _check_distance(name: str, distance: int) -> None:
    if not (is_power_of_two(distance) and distance <= LONGEST_DISTANCE):
        raise ValueError(f"{name}: got {distance}; allowed are powers of two from 1 to 128")
