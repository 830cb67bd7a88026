"""The columns of a summary on the host, as they are sent.

Equal to EncodeColumns() of client/cpp/summary_columns.h: nothing that follows from other
columns, nothing twice where all units agree, binary32 where that says enough.
"""

from __future__ import annotations

import ctypes
from typing import Dict, Mapping

import torch

from firekeeper._columns import SummaryColumn
from firekeeper._pending import Column

EXTREMES = (SummaryColumn.MIN, SummaryColumn.MAX)
REALS = (SummaryColumn.ABS_SUM, SummaryColumn.MEAN, SummaryColumn.M2, *EXTREMES)

Rows = Mapping[SummaryColumn, torch.Tensor]

_DERIVED = Column(0, b"")
_BY_WIDTH = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_LEAST_SINGLE = torch.finfo(torch.float32).tiny
_GREATEST_SINGLE = torch.finfo(torch.float32).max
# Of a standard deviation; the farthest that binary32 may move a mean.
_MEAN_SHARE = 1.0 / 1024.0


def encode_columns(rows: Rows) -> Dict[int, Column]:
    """By number, in the order of ``rows``.

    Args:
        rows: [units] int64 of every count, float64 of every real, on the host.
    """
    observed = rows[SummaryColumn.OBSERVATIONS] > 0
    columns = {}
    for column, row in rows.items():
        if _is_derived(column, rows, observed):
            columns[int(column)] = _DERIVED
        elif column in REALS:
            seen = row[observed]
            agree = seen.numel() > 0 and bool((seen == seen[0]).all())
            entries = seen[:1] if agree else row
            columns[int(column)] = _encode_real(entries, _is_single(column, rows))
        else:
            columns[int(column)] = _encode_count(row)
    return columns


def _is_derived(column: SummaryColumn, rows: Rows, observed: torch.Tensor) -> bool:
    if column in (SummaryColumn.FIRING_CLUSTERS, SummaryColumn.POSITIVES):
        firings = rows.get(SummaryColumn.FIRINGS)
        return firings is not None and torch.equal(rows[column], firings)
    if column == SummaryColumn.ZEROS:
        not_positive = rows[SummaryColumn.OBSERVATIONS] - rows[SummaryColumn.POSITIVES]
        return torch.equal(rows[column], not_positive)
    if column == SummaryColumn.ABS_SUM:
        both = (rows[SummaryColumn.MIN] < 0.0) & (rows[SummaryColumn.MAX] > 0.0)
        return not bool((both & observed).any())
    return False


def _is_single(column: SummaryColumn, rows: Rows) -> bool:
    """Whether binary32 says enough of a real."""
    row = rows[column]
    if column in EXTREMES:
        return bool((row.float().double() == row).all())
    if column == SummaryColumn.MEAN:
        moved = row.float().double() - row
        spread = _MEAN_SHARE * _MEAN_SHARE * rows[SummaryColumn.M2]
        near = moved * moved * rows[SummaryColumn.OBSERVATIONS] <= spread
        return bool(((moved == 0.0) | (near & _fits_single(row))).all())
    return bool(_fits_single(row).all())


def _fits_single(row: torch.Tensor) -> torch.Tensor:
    """Where binary32 keeps all of its digits."""
    size = row.abs()
    return (size == 0.0) | ((size >= _LEAST_SINGLE) & (size <= _GREATEST_SINGLE))


def _encode_count(row: torch.Tensor) -> Column:
    """In the narrowest width; one entry where all agree."""
    if row.numel() == 0:
        return Column(1, b"")
    least, greatest = int(row.min()), int(row.max())
    width = next(width for width in (1, 2, 4, 8) if greatest < 1 << (8 * width))
    if least == greatest:
        return Column(width, greatest.to_bytes(width, "little"))
    # The low bytes of each entry: torch has no unsigned types to convert to.
    narrow = row.view(_BY_WIDTH[width])[:: 8 // width]
    return Column(width, _bytes_of(narrow))


def _encode_real(entries: torch.Tensor, single: bool) -> Column:
    return Column(4, _bytes_of(entries.float())) if single else Column(8, _bytes_of(entries))


def _bytes_of(values: torch.Tensor) -> bytes:
    """The memory of a tensor on the host. Not by way of numpy, which may be missing."""
    dense = values.contiguous()
    return ctypes.string_at(dense.data_ptr(), dense.numel() * dense.element_size())
