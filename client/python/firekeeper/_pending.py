"""What the training thread hands to the sender's thread."""

from __future__ import annotations

from typing import Dict, NamedTuple, Protocol, Sequence


class Column(NamedTuple):
    """One statistic, ready to be sent.

    Attributes:
        width: bytes of one entry: 1, 2, 4 or 8 for counts, 4 or 8 for reals; 0 where it
            follows from other columns (summary.proto).
        data: little-endian entries, one for every unit, or a single one that holds for
            every unit.
    """

    width: int
    data: bytes


class Sketch(NamedTuple):
    """A ``firekeeper.v1.QuantileSketch``; the default is an empty one.

    Attributes:
        zero_count: values that are exactly zero.
        positive_offset: index of the first bucket of ``positive_counts``.
        positive_counts: of consecutive buckets of positive values.
        negative_offset: index of the first bucket of ``negative_counts``, by |value|.
        negative_counts: of consecutive buckets of negative values.
    """

    zero_count: int = 0
    positive_offset: int = 0
    positive_counts: Sequence[int] = ()
    negative_offset: int = 0
    negative_counts: Sequence[int] = ()


class Summary(NamedTuple):
    """A ``firekeeper.v1.UnitSummary`` in host memory.

    Attributes:
        unit_count: units.
        columns: by ``firekeeper.v1.SummaryColumn`` number, in ascending order.
        cluster_is_step: no cluster is known, the training step is the cluster.
        sketch: of the values of all units together.
    """

    unit_count: int
    columns: Dict[int, Column]
    cluster_is_step: bool
    sketch: Sketch = Sketch()


class PendingSummary(Protocol):
    """A reduction that may still run on another device.

    Attributes:
        samples: observations of one unit, valid or not.
        approximate_bytes: memory that waiting for it takes.
    """

    samples: int
    approximate_bytes: int

    def resolve(self) -> Summary:
        """The summary. Called once, on the sender's thread; may wait for a device."""
