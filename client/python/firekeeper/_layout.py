"""Checks of the arguments of a reduction, one for all ways to reduce."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional, Sequence

MAX_RANK = 8


class Roles(NamedTuple):
    """What the axes of a tensor mean.

    Attributes:
        unit_axis: the axis of the units, not negative.
        cluster_axis: the axis of independent examples; None: not known.
        rows: observations of one unit, valid or not.
    """

    unit_axis: int
    cluster_axis: Optional[int]
    rows: int


def roles_of(
    shape: Sequence[int],
    unit_axis: int,
    cluster_axis: Optional[int],
    mask_shape: Optional[Sequence[int]],
    scale: float,
) -> Roles:
    """The roles of the axes; negative axes count from the last.

    Raises:
        ValueError: an argument is not allowed; the text names it.
    """
    rank = len(shape)
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"tensor has {rank} axes; 1 to {MAX_RANK} are allowed")
    unit = _axis("unit_axis", unit_axis, rank)
    cluster = None if cluster_axis is None else _axis("cluster_axis", cluster_axis, rank)
    if cluster == unit:
        raise ValueError(f"cluster_axis and unit_axis are both axis {unit}; they must differ")
    others = [length for axis, length in enumerate(shape) if axis != unit]
    if mask_shape is not None and list(mask_shape) != others:
        raise ValueError(
            f"mask has the shape {list(mask_shape)}; that of the tensor without the unit "
            f"axis is {others}"
        )
    check_scale(scale)
    return Roles(unit, cluster, math.prod(others))


def check_scale(scale: float) -> None:
    """Raises ValueError for a scale that is not allowed."""
    if not (math.isfinite(scale) and scale > 0.0):
        raise ValueError(f"scale is {scale}; it must be finite and positive")


def _axis(name: str, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"{name} is {axis}; the tensor has {rank} axes")
    return axis % rank
