"""The definition of a reduction, read entry by entry, and what is reduced to test it."""

from __future__ import annotations

import itertools
import math
import struct
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional

import pytest

torch = pytest.importorskip("torch")

from firekeeper import _native, _torch_reduce  # noqa: E402  (they need torch)
from firekeeper._columns import SummaryColumn  # noqa: E402
from firekeeper._firing_rule import (  # noqa: E402
    FiringKind,
    FiringRule,
    ReductionRule,
    rule_for,
)
from firekeeper._pending import Sketch, Summary  # noqa: E402
from firekeeper._vocabulary import ActivationSpec, Signal  # noqa: E402

# Of native sums of formats shorter than float64, as core/reduce.h says, and of the others,
# which are sent in binary32.
SINGLE_TOLERANCE = 1e-5
DOUBLE_TOLERANCE = 2.0**-23

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
SMALLEST_NORMALS = {
    torch.float64: 2.0**-1022,
    torch.float32: 2.0**-126,
    torch.bfloat16: 2.0**-126,
    torch.float16: 2.0**-14,
}
# core/quantile_sketch.h
LOG_GAMMA = math.log(1.01 / 0.99)
REALS = (SummaryColumn.ABS_SUM, SummaryColumn.MEAN, SummaryColumn.M2)
EXTREMES = (SummaryColumn.MIN, SummaryColumn.MAX)

RELU = rule_for(Signal.ACTIVATION, ActivationSpec())

# None where it was not built.
library: Any = _native.load()


class Case(NamedTuple):
    """A tensor, and what its axes mean."""

    tensor: Any
    unit_axis: int
    cluster_axis: Optional[int]
    rule: ReductionRule = RELU
    mask: Any = None
    scale: float = 1.0

    def reduce(self, reducer: Any) -> Summary:
        pending = reducer.reduce(
            self.tensor,
            self.rule,
            unit_axis=self.unit_axis,
            cluster_axis=self.cluster_axis,
            mask=self.mask,
            scale=self.scale,
        )
        return pending.resolve()


class Entry(NamedTuple):
    stored: float
    value: float
    cluster: int


Columns = Dict[SummaryColumn, List[float]]


def fires(rule: FiringRule, entry: Entry) -> bool:
    if rule.kind == FiringKind.NON_ZERO:
        return entry.stored != 0.0
    if rule.kind == FiringKind.ALWAYS:
        return True
    inside = rule.low < entry.value < rule.high
    return inside and not rule.hole_low <= entry.value <= rule.hole_high


def valid_entries(case: Case) -> List[List[Entry]]:
    """By unit, non-finite entries included."""
    tensor, shape = case.tensor, case.tensor.shape
    units: List[List[Entry]] = [[] for _ in range(shape[case.unit_axis])]
    for index in itertools.product(*(range(length) for length in shape)):
        rest = index[: case.unit_axis] + index[case.unit_axis + 1 :]
        if case.mask is not None and not case.mask[rest].item():
            continue
        stored = float(tensor[index].item())
        cluster = 0 if case.cluster_axis is None else index[case.cluster_axis]
        units[index[case.unit_axis]].append(Entry(stored, stored * case.scale, cluster))
    return units


def observations_of(case: Case, units: List[List[Entry]]) -> List[List[Entry]]:
    observed = [[e for e in entries if math.isfinite(e.stored)] for entries in units]
    largest = max((abs(e.stored) for entries in observed for e in entries), default=0.0)
    small = largest < 1000.0 * SMALLEST_NORMALS[case.tensor.dtype]
    if small and (largest > 0.0 or case.tensor.dtype == torch.float16):
        observed = [[e for e in entries if e.stored != 0.0] for entries in observed]
    return observed


def unit_statistics(entries: List[Entry], rule: FiringRule) -> Dict[SummaryColumn, float]:
    values = [e.value for e in entries]
    firings = [e for e in entries if rule.counts and fires(rule, e)]
    high = rule.high if rule.kind == FiringKind.BAND else math.nan
    mean = math.fsum(values) / len(values) if values else 0.0
    return {
        SummaryColumn.OBSERVATIONS: len(values),
        SummaryColumn.FIRINGS: len(firings),
        SummaryColumn.CLUSTERS: len({e.cluster for e in entries}),
        SummaryColumn.FIRING_CLUSTERS: len({e.cluster for e in firings}),
        SummaryColumn.POSITIVES: sum(e.stored > 0.0 for e in entries),
        SummaryColumn.CLOSED_HIGH: sum(e.stored > 0.0 and e.value >= high for e in entries),
        SummaryColumn.ZEROS: sum(e.stored == 0.0 for e in entries),
        SummaryColumn.ABS_SUM: math.fsum(abs(v) for v in values),
        SummaryColumn.MEAN: mean,
        SummaryColumn.M2: math.fsum((v - mean) ** 2 for v in values),
        SummaryColumn.MIN: min(values, default=math.inf),
        SummaryColumn.MAX: max(values, default=-math.inf),
    }


def expected_of(case: Case) -> Columns:
    """Every statistic, whatever the rule keeps."""
    units = valid_entries(case)
    columns: Columns = {column: [] for column in SummaryColumn if column != SummaryColumn.PROVEN}
    for entries, observed in zip(units, observations_of(case, units)):
        for column, value in unit_statistics(observed, case.rule.firing_rule).items():
            columns[column].append(value)
        columns[SummaryColumn.NON_FINITE].append(len(entries) - len(observed_finite(entries)))
    return columns


def observed_finite(entries: List[Entry]) -> List[Entry]:
    return [e for e in entries if math.isfinite(e.stored)]


def decode(summary: Summary) -> Columns:
    columns: Columns = {}
    for number, column in summary.columns.items():
        is_real = number in REALS or number in EXTREMES
        if column.width == 0:
            continue
        letters = {4: "f", 8: "d"} if is_real else {1: "B", 2: "H", 4: "I", 8: "Q"}
        count = len(column.data) // column.width
        values = struct.unpack(f"<{count}{letters[column.width]}", column.data)
        if count == 1:
            values = values * summary.unit_count
        columns[SummaryColumn(number)] = list(values)
    derive(columns, list(summary.columns))
    return columns


def derive(columns: Columns, sent: List[int]) -> None:
    """Adds what ``sent`` names and follows from other columns, as summary.proto says."""
    for column in (SummaryColumn.FIRING_CLUSTERS, SummaryColumn.POSITIVES):
        if column in sent and column not in columns:
            columns[column] = columns[SummaryColumn.FIRINGS]
    observations = columns[SummaryColumn.OBSERVATIONS]
    if SummaryColumn.ZEROS in sent and SummaryColumn.ZEROS not in columns:
        positives = columns[SummaryColumn.POSITIVES]
        columns[SummaryColumn.ZEROS] = [n - k for n, k in zip(observations, positives)]
    if SummaryColumn.ABS_SUM in sent and SummaryColumn.ABS_SUM not in columns:
        means = columns[SummaryColumn.MEAN]
        columns[SummaryColumn.ABS_SUM] = [n * abs(m) for n, m in zip(observations, means)]


def expect_close(actual: Columns, expected: Columns, tolerance: float) -> None:
    if SummaryColumn.MEAN not in actual:
        return
    counts, sizes = expected[SummaryColumn.OBSERVATIONS], expected[SummaryColumn.ABS_SUM]
    for i, (count, size) in enumerate(zip(counts, sizes)):
        if count == 0:
            continue  # anything may be sent
        mean_slack = tolerance * size / count
        assert actual[SummaryColumn.ABS_SUM][i] == pytest.approx(size, rel=tolerance, abs=0.0)
        assert abs(actual[SummaryColumn.MEAN][i] - expected[SummaryColumn.MEAN][i]) <= mean_slack
        assert actual[SummaryColumn.M2][i] == pytest.approx(
            expected[SummaryColumn.M2][i], rel=tolerance, abs=count * mean_slack**2
        )


def expect_same_extremes(actual: Columns, expected: Columns) -> None:
    """Of units that observed something; of others anything may be sent."""
    observations = expected[SummaryColumn.OBSERVATIONS]
    for column in EXTREMES:
        for unit, value in enumerate(actual.get(column, [])):
            assert observations[unit] == 0 or value == expected[column][unit], column.name


def columns_kept(case: Case) -> List[SummaryColumn]:
    has = case.rule.columns
    clusters = has.clusters and case.cluster_axis is not None
    kept = {SummaryColumn.OBSERVATIONS, SummaryColumn.NON_FINITE}
    if has.firings:
        kept.add(SummaryColumn.FIRINGS)
    if clusters:
        kept.add(SummaryColumn.CLUSTERS)
    if clusters and has.firings:
        kept.add(SummaryColumn.FIRING_CLUSTERS)
    if has.gate:
        kept |= {SummaryColumn.POSITIVES, SummaryColumn.CLOSED_HIGH, SummaryColumn.ZEROS}
    if has.moments:
        kept |= {*REALS, *EXTREMES}
    return sorted(kept)


def expect_as_defined(case: Case, summary: Summary, tolerance: float = SINGLE_TOLERANCE) -> None:
    expected, actual = expected_of(case), decode(summary)
    assert list(summary.columns) == columns_kept(case)
    assert summary.unit_count == case.tensor.shape[case.unit_axis]
    assert summary.cluster_is_step == (SummaryColumn.CLUSTERS not in summary.columns)
    for column in actual:
        if column not in REALS and column not in EXTREMES:
            assert actual[column] == expected[column], column.name
    expect_same_extremes(actual, expected)
    expect_close(actual, expected, tolerance)
    if case.tensor.numel() <= 256:
        expect_sketch_as_defined(case, summary.sketch)


def expect_sketch_as_defined(case: Case, sketch: Sketch) -> None:
    """Requires: the tensor is so small that every value is counted."""
    values = [e.value for unit in observations_of(case, valid_entries(case)) for e in unit]
    assert sketch.zero_count == values.count(0.0)
    for sign, first, counts in (
        (1.0, sketch.positive_offset, sketch.positive_counts),
        (-1.0, sketch.negative_offset, sketch.negative_counts),
    ):
        sizes = [sign * value for value in values if sign * value > 0.0]
        buckets = [math.ceil(math.log(size) / LOG_GAMMA) for size in sizes]
        lowest = max(buckets, default=0) - 2047
        counted = {first + i: count for i, count in enumerate(counts) if count > 0}
        assert counted == dict(Counter(max(bucket, lowest) for bucket in buckets))


def expect_same_bytes(first: Summary, second: Summary) -> None:
    """Reals aside, and the sign of a zero extreme."""
    assert first.unit_count == second.unit_count
    assert first.cluster_is_step == second.cluster_is_step
    assert list(first.columns) == list(second.columns)
    assert first.sketch == second.sketch
    for number, column in first.columns.items():
        assert column.width == second.columns[number].width
        assert len(column.data) == len(second.columns[number].data)
        if number not in REALS and number not in EXTREMES:
            assert column == second.columns[number]
    for extreme in EXTREMES:
        assert decode(first).get(extreme) == decode(second).get(extreme)


def expect_all_agree(case: Case) -> None:
    by_torch = case.reduce(_torch_reduce.TorchReducer())
    expect_as_defined(case, by_torch, DOUBLE_TOLERANCE)
    if library is not None:
        bylibrary = case.reduce(library)
        expect_as_defined(case, bylibrary)
        expect_same_bytes(bylibrary, by_torch)


def values_of(shape: Any, dtype: Any, seed: int = 1) -> Any:
    """Normal values with zeros of both signs, NaN and infinities among them."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    flat = values.view(-1)
    specials = (0.0, -0.0, math.nan, math.inf, -math.inf)
    for i, place in enumerate(range(0, flat.numel(), 7)):
        flat[place] = specials[i % len(specials)]
    return values.to(dtype)
