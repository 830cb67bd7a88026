"""What the training thread hands to the sender's thread."""

from __future__ import annotations

from typing import Dict, NamedTuple, Protocol


class Column(NamedTuple):
    """One statistic, ready to be sent.

    Attributes:
        width: bytes of one entry: 1, 2, 4 or 8 for counts, 4 or 8 for reals.
        data: little-endian entries, one for every unit, or of a count a single one that
            holds for every unit.
    """

    width: int
    data: bytes


class Summary(NamedTuple):
    """A ``firekeeper.v1.UnitSummary`` in host memory.

    Attributes:
        unit_count: units.
        columns: by ``firekeeper.v1.SummaryColumn`` number, in ascending order.
        cluster_is_step: no cluster is known, the training step is the cluster.
    """

    unit_count: int
    columns: Dict[int, Column]
    cluster_is_step: bool


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
