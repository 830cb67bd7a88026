"""Which statistics a summary holds, and their numbers in the protocol."""

from __future__ import annotations

import enum
from typing import NamedTuple

from firekeeper._vocabulary import Signal


class SummaryColumn(enum.IntEnum):
    """One statistic of every unit; the values equal ``firekeeper.v1.SummaryColumn``."""

    OBSERVATIONS = 1
    FIRINGS = 2
    CLUSTERS = 3
    FIRING_CLUSTERS = 4
    POSITIVES = 5
    CLOSED_HIGH = 6
    ZEROS = 7
    NON_FINITE = 8
    ABS_SUM = 9
    MEAN = 10
    M2 = 11
    MIN = 12
    MAX = 13
    PROVEN = 14


class ColumnSet(NamedTuple):
    """Groups of columns; OBSERVATIONS and NON_FINITE are always there.

    Attributes:
        firings: FIRINGS, and FIRING_CLUSTERS where ``clusters``.
        clusters: CLUSTERS.
        gate: POSITIVES, CLOSED_HIGH and ZEROS.
        moments: ABS_SUM, MEAN, M2, MIN and MAX.
        proof: PROVEN, where something is proven.
    """

    firings: bool = False
    clusters: bool = False
    gate: bool = False
    moments: bool = False
    proof: bool = False


def columns_for(signal: Signal, counts_firings: bool) -> ColumnSet:
    """The columns that a signal needs; ``counts_firings`` False drops the firings."""
    if signal in (Signal.ACTIVATION, Signal.PRE_ACTIVATION):
        return ColumnSet(counts_firings, clusters=True, gate=True, moments=True)
    if signal in (Signal.OUTPUT_GRADIENT, Signal.WEIGHT_GRADIENT):
        return ColumnSet(counts_firings, clusters=True, moments=True)
    return ColumnSet(counts_firings, moments=True, proof=signal == Signal.WEIGHT)
