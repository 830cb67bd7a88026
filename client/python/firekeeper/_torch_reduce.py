"""The reduction in operations of PyTorch, on the device where the tensor is.

Nothing here waits for the device: whatever depends on the data is decided by the data.
The integers equal those of the native library.
"""

from __future__ import annotations

import math
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch

from firekeeper._columns import SummaryColumn
from firekeeper._firing_rule import FiringKind, ReductionRule
from firekeeper._layout import Roles, roles_of
from firekeeper._pending import Summary
from firekeeper._stored_limits import StoredLimits, stored_limits
from firekeeper._torch_columns import EXTREMES, REALS, encode_columns
from firekeeper._torch_sample import sample, sketch_of

# Zeros may be underflow where the largest |stored value| is below this many times the
# smallest normal number of the dtype.
_UNDERFLOW_MARGIN = 1000.0
_SMALLEST_NORMAL = {
    torch.float64: 2.0**-1022,
    torch.float32: 2.0**-126,
    torch.bfloat16: 2.0**-126,
    torch.float16: 2.0**-14,
}
_LARGEST = {
    torch.float64: (2.0 - 2.0**-52) * 2.0**1023,
    torch.float32: (2.0 - 2.0**-23) * 2.0**127,
}

# Entries reduced at once: sums are made in copies of 8 bytes an entry, which should fit
# a processor's cache, and be few launches and bounded memory on any other device.
_HOST_BLOCK_ENTRIES = 1 << 17
_DEVICE_BLOCK_ENTRIES = 1 << 23

_Rows = Dict[SummaryColumn, torch.Tensor]


class _Plan(NamedTuple):
    """How one tensor is reduced.

    Attributes:
        rule: what is kept.
        limits: of its firing rule, for the stored values.
        unit_axis: of the tensor.
        cluster_axis: of the tensor; None: no clusters are kept.
        scale: value = stored * scale.
    """

    rule: ReductionRule
    limits: StoredLimits
    unit_axis: int
    cluster_axis: Optional[int]
    scale: float

    def other_axes(self, rank: int) -> List[int]:
        return [axis for axis in range(rank) if axis != self.unit_axis]


class _Entries(NamedTuple):
    """The entries of some units.

    Attributes:
        stored: [...] float32 or float64.
        size: [...] of the same dtype: |stored|.
        observed: [...] bool: valid and finite.
        non_finite: [...] bool: valid and not finite.
    """

    stored: torch.Tensor
    size: torch.Tensor
    observed: torch.Tensor
    non_finite: torch.Tensor

    def largest(self) -> torch.Tensor:
        """[] of the dtype of ``size``: the largest |stored value| that is observed."""
        return self.size.masked_fill(~self.observed, 0.0).amax()


class _Reduced(NamedTuple):
    """A summary in tensors.

    Attributes:
        packed: [columns, units] int64, reals by their bits.
        columns: which columns these are.
        values: [size] float64, what the sketch counts; see ``_torch_sample.sample``.
    """

    packed: torch.Tensor
    columns: Sequence[SummaryColumn]
    values: torch.Tensor


class _TorchSummary:
    """A packed summary on its way to the host; a ``PendingSummary``."""

    def __init__(self, reduced: _Reduced, samples: int) -> None:
        self._columns = reduced.columns
        self.samples = samples
        self.approximate_bytes = (reduced.packed.numel() + reduced.values.numel()) * 8
        self._packed = _towards_host(reduced.packed)
        self._values = _towards_host(reduced.values)
        self._arrived: Optional[torch.cuda.Event] = None
        if reduced.packed.is_cuda:
            self._arrived = torch.cuda.Event()
            self._arrived.record(torch.cuda.current_stream(reduced.packed.device))

    def resolve(self) -> Summary:
        if self._arrived is not None:
            self._arrived.synchronize()
        host = self._packed.cpu()
        columns = encode_columns(
            {
                column: row.view(torch.float64) if column in REALS else row
                for column, row in zip(self._columns, host)
            }
        )
        cluster_is_step = SummaryColumn.CLUSTERS not in self._columns
        return Summary(host.shape[1], columns, cluster_is_step, sketch_of(self._values.cpu()))


def _towards_host(tensor: torch.Tensor) -> torch.Tensor:
    """The same where it is; of what is on a CUDA device a copy, once the stream is there."""
    if not tensor.is_cuda:
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


class TorchReducer:
    """Reduces tensors on any device, and waits for none.

    Thread-safe. A device without float64 is the exception: its tensors are copied to the
    host first.

    Attributes:
        name: ``torch``.
    """

    name: str = "torch"

    def reduce(
        self,
        tensor: torch.Tensor,
        rule: ReductionRule,
        *,
        unit_axis: int,
        cluster_axis: Optional[int],
        mask: Optional[torch.Tensor] = None,
        scale: float = 1.0,
    ) -> _TorchSummary:
        """Enqueues the reduction on the current stream of the tensor's device.

        Args:
            tensor: 1 to 8 axes of any strides; float64, float32, float16 or bfloat16.
            rule: of the signal that the tensor is.
            unit_axis: axis of the units; negative counts from the last.
            cluster_axis: axis of independent examples; None: the step is the cluster.
            mask: None, or bool over the other axes in order; True: valid.
            scale: value = stored * scale; finite and positive.

        Raises:
            ValueError: an argument is not allowed; the text names it.
        """
        roles = roles_of(
            tensor.shape, unit_axis, cluster_axis, None if mask is None else mask.shape, scale
        )
        _check_dtypes(tensor, mask)
        with torch.no_grad():
            return _TorchSummary(_reduce(tensor.detach(), rule, roles, mask, scale), roles.rows)


def _check_dtypes(tensor: torch.Tensor, mask: Optional[torch.Tensor]) -> None:
    if tensor.dtype not in _SMALLEST_NORMAL:
        allowed = ", ".join(str(dtype) for dtype in _SMALLEST_NORMAL)
        raise ValueError(f"tensor has the dtype {tensor.dtype}; allowed are {allowed}")
    if tensor.layout != torch.strided:
        raise ValueError(f"tensor is {tensor.layout}; it must be strided")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask has the dtype {mask.dtype}; it must be bool")


def _reduce(
    tensor: torch.Tensor,
    rule: ReductionRule,
    roles: Roles,
    mask: Optional[torch.Tensor],
    scale: float,
) -> _Reduced:
    if tensor.device.type == "mps":  # has no float64
        tensor = tensor.cpu()
    limits = stored_limits(rule.firing_rule, scale, tensor.dtype == torch.float64)
    unit_axis = roles.unit_axis
    keeps_clusters = rule.columns.clusters and roles.cluster_axis is not None
    if mask is not None:
        mask = mask.to(tensor.device, non_blocking=True).unsqueeze(unit_axis)
    if tensor.dim() == 1:  # a sum over no axis would be one over all
        tensor, unit_axis = tensor.unsqueeze(0), 1
        mask = None if mask is None else mask.unsqueeze(0)
    plan = _Plan(rule, limits, unit_axis, roles.cluster_axis if keeps_clusters else None, scale)
    columns = _columns_of(rule, keeps_clusters)
    if tensor.numel() == 0:
        nothing = torch.empty(0, dtype=torch.float64)
        return _Reduced(_of_nothing(columns, tensor.shape[unit_axis]), columns, nothing)
    parts = _parts_of(tensor, unit_axis)
    entries = _entries_of(parts[0], mask)
    largest = entries.largest()
    for part in parts[1:]:
        largest = torch.maximum(largest, _entries_of(part, mask).largest())
    drops_zeros = _zeros_may_be_underflow(largest, tensor.dtype)
    packed = [_pack(_rows_of(entries, drops_zeros, plan), columns)]
    for part in parts[1:]:
        packed.append(_pack(_rows_of(_entries_of(part, mask), drops_zeros, plan), columns))
    values = sample(tensor, mask, drops_zeros, scale)
    return _Reduced(packed[0] if len(packed) == 1 else torch.cat(packed, dim=1), columns, values)


def _columns_of(rule: ReductionRule, keeps_clusters: bool) -> List[SummaryColumn]:
    """What is kept, in ascending order."""
    has = rule.columns
    wanted = {
        SummaryColumn.OBSERVATIONS: True,
        SummaryColumn.FIRINGS: has.firings,
        SummaryColumn.CLUSTERS: keeps_clusters,
        SummaryColumn.FIRING_CLUSTERS: keeps_clusters and has.firings,
        SummaryColumn.POSITIVES: has.gate,
        SummaryColumn.CLOSED_HIGH: has.gate,
        SummaryColumn.ZEROS: has.gate,
        SummaryColumn.NON_FINITE: True,
        **{column: has.moments for column in REALS},
    }
    return [column for column, is_wanted in wanted.items() if is_wanted]


def _of_nothing(columns: Sequence[SummaryColumn], units: int) -> torch.Tensor:
    """[columns, units] int64 on the host: the summary of no entries."""
    packed = torch.zeros((len(columns), units), dtype=torch.int64)
    for column, extreme in zip(EXTREMES, (math.inf, -math.inf)):
        if column in columns:
            packed[columns.index(column)].view(torch.float64).fill_(extreme)
    return packed


def _parts_of(tensor: torch.Tensor, unit_axis: int) -> List[torch.Tensor]:
    """The tensor cut along its units: what one needs of memory is bounded."""
    units = tensor.shape[unit_axis]
    entries = _HOST_BLOCK_ENTRIES if tensor.device.type == "cpu" else _DEVICE_BLOCK_ENTRIES
    step = max(1, entries // (tensor.numel() // units))
    return list(tensor.split(step, dim=unit_axis))


def _entries_of(part: torch.Tensor, mask: Optional[torch.Tensor]) -> _Entries:
    """The entries of ``part``; ``mask`` has one entry along the unit axis."""
    stored = part if part.dtype == torch.float64 else part.to(torch.float32)
    size = stored.abs()
    finite = size <= _LARGEST[stored.dtype]
    if mask is None:
        return _Entries(stored, size, finite, ~finite)
    return _Entries(stored, size, finite & mask, ~finite & mask)


def _zeros_may_be_underflow(largest: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """[] bool. A snapshot of nothing but zeros is ambiguous for float16 only."""
    small = largest < _UNDERFLOW_MARGIN * _SMALLEST_NORMAL[dtype]
    return small if dtype == torch.float16 else small & (largest > 0.0)


def _rows_of(entries: _Entries, drops_zeros: torch.Tensor, plan: _Plan) -> _Rows:
    """[units] int64 or float64 of every column that may be asked for."""
    has = plan.rule.columns
    observed = entries.observed & ((entries.size > 0.0) | ~drops_zeros)
    rows: _Rows = {}
    rows[SummaryColumn.OBSERVATIONS], rows[SummaryColumn.CLUSTERS] = _count(observed, plan)
    rows[SummaryColumn.NON_FINITE] = _count_entries(entries.non_finite, plan)
    if has.firings:
        firing = _firing(entries, observed, plan)
        rows[SummaryColumn.FIRINGS], rows[SummaryColumn.FIRING_CLUSTERS] = _count(firing, plan)
    if has.gate:
        rows.update(_gate_rows(entries, observed, rows, plan))
    if has.moments:
        rows.update(_moment_rows(entries, observed, rows[SummaryColumn.OBSERVATIONS], plan))
    return rows


def _count(flags: torch.Tensor, plan: _Plan) -> Tuple[torch.Tensor, torch.Tensor]:
    """[units] int64 twice: how many are set, and in how many clusters one is.

    The second equals the first where the plan keeps no clusters.
    """
    positions = [axis for axis in plan.other_axes(flags.dim()) if axis != plan.cluster_axis]
    if plan.cluster_axis is None or not positions:
        count = _count_entries(flags, plan)
        return count, count
    in_cluster = flags.sum(dim=positions, dtype=torch.int64)
    axis = 0 if plan.cluster_axis < plan.unit_axis else 1
    return in_cluster.sum(dim=axis), (in_cluster > 0).sum(dim=axis, dtype=torch.int64)


def _count_entries(flags: torch.Tensor, plan: _Plan) -> torch.Tensor:
    return flags.sum(dim=plan.other_axes(flags.dim()), dtype=torch.int64)


def _firing(entries: _Entries, observed: torch.Tensor, plan: _Plan) -> torch.Tensor:
    """[...] bool: the observations that fire."""
    kind, limits, stored = plan.rule.firing_rule.kind, plan.limits, entries.stored
    if kind == FiringKind.ALWAYS:
        return observed
    if kind == FiringKind.NON_ZERO:
        # A product may underflow; the stored value is then still no zero.
        return observed & (entries.size > 0.0)
    firing = observed & (stored > limits.low)
    if limits.high < _LARGEST[stored.dtype]:
        firing &= stored <= limits.high
    if limits.hole_low < limits.hole_high:
        firing &= (stored <= limits.hole_low) | (stored > limits.hole_high)
    return firing


def _gate_rows(entries: _Entries, observed: torch.Tensor, rows: _Rows, plan: _Plan) -> _Rows:
    stored, limits = entries.stored, plan.limits
    is_band = plan.rule.firing_rule.kind == FiringKind.BAND
    closes_high = is_band and limits.high < _LARGEST[stored.dtype]
    fires_where_positive = (
        is_band and limits.low == 0.0 and not closes_high and not limits.hole_low < limits.hole_high
    )
    return {
        SummaryColumn.POSITIVES: rows[SummaryColumn.FIRINGS]
        if fires_where_positive
        else _count_entries(observed & (stored > 0.0), plan),
        SummaryColumn.ZEROS: _count_entries(observed & (entries.size == 0.0), plan),
        SummaryColumn.CLOSED_HIGH: _count_entries(observed & (stored > max(limits.high, 0.0)), plan)
        if closes_high
        else torch.zeros_like(rows[SummaryColumn.OBSERVATIONS]),
    }


def _moment_rows(
    entries: _Entries, observed: torch.Tensor, count: torch.Tensor, plan: _Plan
) -> _Rows:
    axes, scale = plan.other_axes(observed.dim()), plan.scale
    hidden = ~observed
    least = entries.stored.masked_fill(hidden, math.inf).amin(dim=axes).double()
    greatest = entries.stored.masked_fill(hidden, -math.inf).amax(dim=axes).double()
    values = entries.stored.masked_fill(hidden, 0.0).double()
    # Between the extremes, so that the mean of equal values is exactly that value and
    # their m2 exactly 0.
    mean = values.sum(dim=axes) / count.clamp(min=1)
    mean = torch.minimum(torch.maximum(mean, least), greatest).masked_fill(count == 0, 0.0)
    across = [1] * observed.dim()
    across[plan.unit_axis] = -1
    distances = (values - mean.view(across)).masked_fill(hidden, 0.0)
    return {
        SummaryColumn.ABS_SUM: values.abs().sum(dim=axes) * scale,
        SummaryColumn.MEAN: mean * scale,
        # Twice, because the square of a representable factor may not be one.
        SummaryColumn.M2: distances.square().sum(dim=axes) * scale * scale,
        SummaryColumn.MIN: least * scale,
        SummaryColumn.MAX: greatest * scale,
    }


def _pack(rows: _Rows, columns: Sequence[SummaryColumn]) -> torch.Tensor:
    """[columns, units] int64, reals by their bits."""
    return torch.stack([rows[column].contiguous().view(torch.int64) for column in columns])
