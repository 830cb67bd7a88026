"""Limits of a firing rule in terms of stored values.

A value is ``stored * scale``, rounded to binary64. That rounding keeps the order, so
that a comparison of the value equals one of the stored value with another limit, which
a device can make without a multiplication and in the tensor's own precision.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
from typing import Callable

from firekeeper._firing_rule import FiringKind, FiringRule


@dataclasses.dataclass(frozen=True)
class StoredLimits:
    """What finite stored values v are compared with.

    Of a BAND, value > low is v > low, value < high is v <= high, and the hole is
    hole_low < v <= hole_high. Other rules compare nothing.
    """

    low: float
    high: float
    hole_low: float
    hole_high: float


@functools.lru_cache(maxsize=1024)
def stored_limits(rule: FiringRule, scale: float, is_double: bool) -> StoredLimits:
    """The limits for stored values of binary64 or, not ``is_double``, of binary32."""
    at_most = functools.partial(_greatest, scale=scale, is_double=is_double, strictly=False)
    below = functools.partial(_greatest, scale=scale, is_double=is_double, strictly=True)
    is_band = rule.kind == FiringKind.BAND
    has_hole = is_band and rule.has_hole
    return StoredLimits(
        low=at_most(rule.low) if is_band else -math.inf,
        high=below(rule.high) if is_band else math.inf,
        hole_low=below(rule.hole_low) if has_hole else math.inf,
        hole_high=at_most(rule.hole_high) if has_hole else -math.inf,
    )


def _greatest(limit: float, scale: float, is_double: bool, strictly: bool) -> float:
    """The greatest finite v with v * scale <= limit (< limit if ``strictly``).

    Minus infinity where there is none.
    """

    def holds(v: float) -> bool:
        return v * scale < limit if strictly else v * scale <= limit

    number, last = (_double_number, _LAST_DOUBLE) if is_double else (_single_number, _LAST_SINGLE)
    if holds(number(last)):
        return number(last)
    if not holds(number(-last)):
        return -math.inf
    return number(_last_that(lambda i: holds(number(i)), -last, last))


def _last_that(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last i at which ``holds``, which is true at ``low`` and false at ``high``."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


# The finite numbers of a format in ascending order; number 0 is zero.
_LAST_SINGLE = 0x7F7FFFFF
_LAST_DOUBLE = 0x7FEFFFFFFFFFFFFF


def _single_number(index: int) -> float:
    size: float = struct.unpack("<f", struct.pack("<I", abs(index)))[0]
    return -size if index < 0 else size


def _double_number(index: int) -> float:
    size: float = struct.unpack("<d", struct.pack("<Q", abs(index)))[0]
    return -size if index < 0 else size
