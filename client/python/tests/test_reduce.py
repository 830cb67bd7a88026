"""Both ways to reduce a tensor give the same integers, those of the definition."""

from __future__ import annotations

import itertools
import math
import random
import threading
from typing import Any, Dict, List

import pytest

torch = pytest.importorskip("torch")

from firekeeper import _native, _stored_limits, _torch_reduce  # noqa: E402  (they need torch)
from firekeeper._columns import SummaryColumn  # noqa: E402
from firekeeper._firing_rule import (  # noqa: E402
    ReductionRule,
    firing_rule_for,
    proofs_hold,
    rule_for,
)
from firekeeper._pending import Summary  # noqa: E402
from firekeeper._vocabulary import Activation, ActivationSpec, Signal  # noqa: E402
from reduction_cases import (  # noqa: E402
    DTYPES,
    RELU,
    SMALLEST_NORMALS,
    Case,
    decode,
    expect_all_agree,
    expect_as_defined,
    library,
    values_of,
)

SIGMOID_GATE = rule_for(Signal.PRE_ACTIVATION, ActivationSpec(Activation.SIGMOID))
GELU_GATE = rule_for(Signal.PRE_ACTIVATION, ActivationSpec(Activation.GELU))
GRADIENT = rule_for(Signal.OUTPUT_GRADIENT, ActivationSpec())
BIAS = rule_for(Signal.BIAS, ActivationSpec())

native_only = pytest.mark.skipif(library is None, reason="the native library is not there")


@pytest.fixture(params=["native", "torch"])
def reducer(request: pytest.FixtureRequest) -> Any:
    if request.param == "torch":
        return _torch_reduce.TorchReducer()
    if library is None:
        pytest.skip("the native library is not there")
    return library


LAYOUTS = {
    "rows": lambda dtype: Case(values_of((9, 5), dtype), 1, 0),
    "nchw": lambda dtype: Case(values_of((3, 4, 2, 5), dtype), 1, 0),
    "channels_last": lambda dtype: Case(
        values_of((3, 4, 2, 5), dtype).contiguous(memory_format=torch.channels_last), 1, 0
    ),
    "tokens": lambda dtype: Case(values_of((3, 6, 5), dtype), 2, 0),
    "time_first": lambda dtype: Case(values_of((6, 3, 5), dtype), 2, 1),
    "transposed": lambda dtype: Case(values_of((5, 9), dtype).t(), 1, 0),
    "sliced": lambda dtype: Case(values_of((12, 9), dtype)[1::3, 2::2], 1, 0),
    "unit_axis_in_the_middle": lambda dtype: Case(values_of((3, 4, 6), dtype), 1, 2),
    "unit_axis_first": lambda dtype: Case(values_of((5, 9), dtype), 0, None, BIAS),
    "no_cluster_axis": lambda dtype: Case(values_of((9, 5), dtype), 1, None),
    "units_alone": lambda dtype: Case(values_of((9,), dtype), 0, None, BIAS),
    "expanded": lambda dtype: Case(values_of((1, 5), dtype).expand(4, 5), 1, 0),
    "eight_axes": lambda dtype: Case(values_of((2, 1, 2, 3, 1, 2, 1, 2), dtype), 3, 5),
    "no_units": lambda dtype: Case(values_of((4, 0), dtype), 1, 0),
    "no_rows": lambda dtype: Case(values_of((0, 4), dtype), 1, 0),
    "no_positions": lambda dtype: Case(values_of((3, 4, 0), dtype), 1, 0),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_and_dtype_gives_the_same_integers(layout: str, dtype: Any) -> None:
    expect_all_agree(LAYOUTS[layout](dtype))


@pytest.mark.parametrize("rule", [RELU, SIGMOID_GATE, GELU_GATE, GRADIENT, BIAS])
def test_every_kind_of_rule_gives_the_same_integers(rule: ReductionRule) -> None:
    tensor = values_of((40, 6), torch.float32) * 5.0

    expect_all_agree(Case(tensor, 1, 0, rule))


def test_a_value_on_a_limit_is_told_from_its_neighbours() -> None:
    limits = GELU_GATE.firing_rule
    points = [limits.low, limits.hole_low, limits.hole_high, 0.0, -0.0]
    points += [SIGMOID_GATE.firing_rule.low, SIGMOID_GATE.firing_rule.high]
    points += [math.nextafter(p, way) for p in points for way in (-math.inf, math.inf)]
    single = torch.tensor(points).view(-1, 1)
    steps = [single * (1.0 + k * 2.0**-23) for k in (-1, 0, 1)]

    for rule in (RELU, GELU_GATE, SIGMOID_GATE):
        expect_all_agree(Case(torch.tensor(points, dtype=torch.float64).view(-1, 1), 1, 0, rule))
        expect_all_agree(Case(torch.cat(steps), 1, 0, rule))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masked_entries_are_no_observations(dtype: Any) -> None:
    mask = torch.rand((3, 6), generator=torch.Generator().manual_seed(2)) < 0.5
    mask[1] = False

    expect_all_agree(Case(values_of((3, 6, 5), dtype), 2, 0, mask=mask))
    expect_all_agree(Case(values_of((3, 5, 6), dtype), 1, 0, mask=mask))
    expect_all_agree(Case(values_of((5, 3, 6), dtype), 0, 2, mask=mask))
    expect_all_agree(Case(values_of((6, 3, 5), dtype), 2, 1, mask=mask.t()))


def test_a_mask_that_hides_everything_leaves_nothing_observed() -> None:
    mask = torch.zeros(9, dtype=torch.bool)

    expect_all_agree(Case(values_of((9, 5), torch.float32), 1, 0, mask=mask))
    expect_all_agree(Case(values_of((5,), torch.float32), 0, None, BIAS, torch.tensor(False)))


@pytest.mark.parametrize("scale", [1.0 / 65536.0, 3.0, 0.1, 1e-300])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_scale_is_applied_before_anything_is_compared(dtype: Any, scale: float) -> None:
    for rule in (RELU, SIGMOID_GATE, GELU_GATE):
        expect_all_agree(Case(values_of((12, 5), dtype), 1, 0, rule, scale=scale))


def test_an_entry_whose_product_underflows_is_no_zero() -> None:
    tensor = torch.tensor([[1e-30], [-1e-30], [0.0], [1.0]])

    expect_all_agree(Case(tensor, 1, 0, RELU, scale=1e-300))
    expect_all_agree(Case(tensor, 1, 0, GRADIENT, scale=1e-300))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("factor", [0.0, 2.0**-10, 999.0, 1000.0])
def test_zeros_beside_tiny_values_only_may_be_underflow(dtype: Any, factor: float) -> None:
    tiny = factor * SMALLEST_NORMALS[dtype]
    tensor = torch.tensor(
        [[0.0, tiny, math.nan], [-0.0, -tiny, 0.0], [0.0, 0.0, tiny]], dtype=torch.float64
    ).to(dtype)

    for rule in (RELU, GRADIENT):
        expect_all_agree(Case(tensor, 1, 0, rule))
        expect_all_agree(Case(tensor.t().view(3, 3, 1), 0, 1, rule))


def test_a_masked_or_infinite_value_does_not_tell_that_zeros_are_true() -> None:
    tensor = torch.tensor([[0.0, 1e-38], [5.0, 5.0], [math.inf, 0.0]])
    mask = torch.tensor([True, False, True])

    expect_all_agree(Case(tensor, 1, 0, mask=mask))


def test_the_spread_of_equal_values_is_exactly_zero(reducer: Any) -> None:
    for dtype in DTYPES:
        columns = decode(Case(torch.full((7, 3), 0.1, dtype=dtype), 1, 0).reduce(reducer))

        assert columns[SummaryColumn.M2] == [0.0] * 3
        assert columns[SummaryColumn.MEAN] == columns[SummaryColumn.MIN]


def test_counts_take_the_narrowest_width_that_holds_the_greatest(reducer: Any) -> None:
    for firings, width in ((255, 1), (256, 2), (65535, 2), (65536, 4)):
        tensor = torch.zeros(65536, 2)
        tensor[:firings, 1] = 1.0

        column = Case(tensor, 1, 0).reduce(reducer).columns[SummaryColumn.FIRINGS]

        assert column.width == width
        assert column.data == b"\0" * width + firings.to_bytes(width, "little")


def test_extremes_take_eight_bytes_where_four_would_round(reducer: Any) -> None:
    exact = Case(torch.ones((2, 2), dtype=torch.float64), 1, 0)
    inexact = Case(torch.full((2, 2), 0.1, dtype=torch.float64), 1, 0)

    assert exact.reduce(reducer).columns[SummaryColumn.MIN].width == 4
    assert inexact.reduce(reducer).columns[SummaryColumn.MIN].width == 8


def test_a_cluster_that_is_split_over_processes_is_not_counted(reducer: Any) -> None:
    rule = rule_for(Signal.ACTIVATION, ActivationSpec(), cluster_split=True)

    summary = Case(values_of((9, 5), torch.float32), 1, 0, rule).reduce(reducer)

    assert summary.cluster_is_step
    assert SummaryColumn.CLUSTERS not in summary.columns
    assert SummaryColumn.FIRING_CLUSTERS not in summary.columns


def test_a_tensor_cut_into_blocks_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_torch_reduce, "_HOST_BLOCK_ENTRIES", 50)

    for layout in LAYOUTS.values():
        expect_all_agree(layout(torch.float32))
    tensor = torch.tensor([[0.0, 0.0], [1e-38, 1.0]])
    monkeypatch.setattr(_torch_reduce, "_HOST_BLOCK_ENTRIES", 2)
    expect_all_agree(Case(tensor, 1, 0))


@native_only
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_ways_choose_the_same_values_of_a_large_tensor(dtype: Any) -> None:
    tensor = values_of((3, 500, 40, 7), dtype).permute(2, 1, 0, 3)
    case = Case(tensor, 1, 0, mask=torch.rand(40, 3, 7) < 0.7, scale=0.3)

    sketch = case.reduce(library).sketch

    assert sketch == case.reduce(_torch_reduce.TorchReducer()).sketch
    chosen = sketch.zero_count + sum(sketch.positive_counts) + sum(sketch.negative_counts)
    # Of one in 1,024 entries a third is masked, and three in 35 are not finite.
    assert 0.5 < chosen / (tensor.numel() // 1024) < 0.75


def random_case(rng: random.Random) -> Case:
    rank = rng.randint(1, 5)
    shape = [rng.choice((0, 1, 1, 2, 3, 4, 5)) if rng.random() < 0.9 else 7 for _ in range(rank)]
    steps = [rng.choice((1, 1, 2)) for _ in shape]
    order = rng.sample(range(rank), rank)
    dtype = rng.choice(DTYPES)
    spread = rng.choice((1.0, 8.0, 300.0 * SMALLEST_NORMALS[dtype]))
    stored = values_of([n * k for n, k in zip(shape, steps)], torch.float64, rng.randrange(1 << 30))
    tensor = (stored * spread).to(dtype)[tuple(slice(None, None, k) for k in steps)].permute(order)
    unit_axis = rng.randrange(rank)
    others = [axis for axis in range(rank) if axis != unit_axis]
    rows = [tensor.shape[axis] for axis in others]
    mask = torch.rand(rows) < 0.7 if rng.random() < 0.4 else None
    rule = rule_for(
        rng.choice(list(Signal)),
        ActivationSpec(
            rng.choice(list(Activation)), rng.choice((0.0, 0.01)), rng.choice((1.0, -0.5))
        ),
        rng.random() < 0.2,
    )
    scale = rng.choice((1.0, 1.0, 2.0**-16, 0.3))
    return Case(tensor, unit_axis, rng.choice([None, *others]), rule, mask, scale)


@pytest.mark.parametrize("seed", range(12))
def test_random_tensors_give_the_same_integers(seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)

    for _ in range(25):
        expect_all_agree(random_case(rng))


@native_only
def test_arrays_of_numpy_are_read_as_they_lie() -> None:
    numpy = pytest.importorskip("numpy")
    array = values_of((9, 6), torch.float32).numpy()

    for view in (array, array[::-1, ::-2], array.T, numpy.asfortranarray(array), array[3:3]):
        mask = numpy.arange(view.shape[0]) % 3 != 0
        same = Case(torch.from_numpy(view.copy()), 1, 0, mask=torch.from_numpy(mask))
        pending = library.reduce(view, RELU, unit_axis=1, cluster_axis=0, mask=mask)
        expect_as_defined(same, pending.resolve())


@native_only
def test_firing_rules_equal_those_of_core_to_the_last_bit() -> None:
    slopes = (0.0, 0.01, -0.2, 1.0)
    alphas = (1.0, 0.0, -1.0, 1e-3, 0.5, 2.5, 1e-300, 1e300, math.inf)

    for signal, kind, slope, alpha in itertools.product(Signal, Activation, slopes, alphas):
        activation = ActivationSpec(kind, slope, alpha)
        of_core = library.firing_rule(signal, activation)
        assert repr(firing_rule_for(signal, activation)) == repr(of_core), (signal, activation)


def test_limits_of_stored_values_are_the_last_that_hold() -> None:
    limits = _stored_limits.stored_limits(SIGMOID_GATE.firing_rule, 0.3, False)
    low = SIGMOID_GATE.firing_rule.low
    above = float(torch.nextafter(torch.tensor(limits.low), torch.tensor(math.inf)))

    assert limits.low * 0.3 <= low < above * 0.3
    assert limits.high * 0.3 < -low
    assert _stored_limits.stored_limits(RELU.firing_rule, 1.0, True).low == 0.0


@native_only
def test_units_that_cannot_fire_are_proven_and_no_other() -> None:
    weight = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    bias = torch.tensor([-3.0, 0.0, 0.0])
    inputs = torch.rand((8, 2), generator=torch.Generator().manual_seed(3)) + 0.01
    rule = rule_for(Signal.WEIGHT, ActivationSpec())

    with_bias = library.reduce_weight(weight, bias, inputs, rule).resolve()
    without = library.reduce_weight(weight.t(), None, inputs, rule, unit_axis=1).resolve()

    assert decode(with_bias)[SummaryColumn.PROVEN] == [2, 0, 2]
    assert decode(without)[SummaryColumn.PROVEN] == [0, 0, 2]


def test_a_proof_needs_a_unit_that_is_silent_below_zero() -> None:
    assert proofs_hold(ActivationSpec(), norm_before=False, residual=False)
    assert not proofs_hold(ActivationSpec(), norm_before=True, residual=False)
    assert not proofs_hold(ActivationSpec(), norm_before=False, residual=True)
    assert not proofs_hold(ActivationSpec(Activation.GELU), norm_before=False, residual=False)


BAD_ARGUMENTS = [
    (dict(unit_axis=2), "unit_axis is 2; the tensor has 2 axes"),
    (dict(unit_axis=-3), "unit_axis is -3"),
    (dict(cluster_axis=5), "cluster_axis is 5"),
    (dict(cluster_axis=1), "both axis 1"),
    (dict(scale=0.0), "scale is 0.0; it must be finite and positive"),
    (dict(scale=math.nan), "scale is nan"),
    (dict(mask=torch.ones(3, dtype=torch.bool)), r"mask has the shape \[3\]; .* \[4\]"),
    (dict(mask=torch.ones(4)), "mask has the dtype torch.float32; it must be bool"),
    (dict(tensor=torch.ones(4, 3).int()), "dtype torch.int32; allowed are"),
    (dict(tensor=torch.ones(())), "tensor has 0 axes"),
    (dict(tensor=torch.ones((1,) * 9)), "tensor has 9 axes"),
    (dict(tensor=torch.ones(4, 3).to_sparse()), "sparse"),
]


@pytest.mark.parametrize("change, text", BAD_ARGUMENTS)
def test_a_bad_argument_is_named(reducer: Any, change: Dict[str, Any], text: str) -> None:
    arguments = dict(tensor=torch.ones(4, 3), rule=RELU, unit_axis=1, cluster_axis=0, **{})
    arguments.update(change)

    with pytest.raises(ValueError, match=text):
        reducer.reduce(**arguments)


def test_nothing_in_a_call_waits_for_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_torch_reduce, "_DEVICE_BLOCK_ENTRIES", 8)
    reducer = _torch_reduce.TorchReducer()
    # Tensors without data: to read an entry of one fails.
    tensor = torch.empty(4, 3, 5, device="meta")
    mask = torch.empty(4, 5, dtype=torch.bool, device="meta")

    for rule in (RELU, SIGMOID_GATE, GELU_GATE, GRADIENT, BIAS):
        pending = reducer.reduce(tensor, rule, unit_axis=1, cluster_axis=0, mask=mask)

        assert pending.samples == 20


def test_negative_axes_count_from_the_last(reducer: Any) -> None:
    tensor = values_of((3, 6, 5), torch.float32)

    assert Case(tensor, -1, -3).reduce(reducer) == Case(tensor, 2, 0).reduce(reducer)


def test_tensors_that_need_a_gradient_are_read_without_one(reducer: Any) -> None:
    tensor = torch.ones(4, 3, requires_grad=True)

    summary = Case(tensor * 2.0, 1, 0).reduce(reducer)

    assert decode(summary)[SummaryColumn.MAX] == [2.0] * 3


def test_a_summary_outlives_its_tensor_and_resolves_on_another_thread(reducer: Any) -> None:
    pending = reducer.reduce(torch.ones(4, 3) * 2.0, RELU, unit_axis=1, cluster_axis=0)
    summaries: List[Summary] = []

    thread = threading.Thread(target=lambda: summaries.append(pending.resolve()))
    thread.start()
    thread.join()

    assert decode(summaries[0])[SummaryColumn.MEAN] == [2.0] * 3
    assert pending.samples == 4
    assert pending.approximate_bytes > 0


def test_a_library_that_cannot_be_used_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(_native, "__file__", str(tmp_path / "_native.py"))
    no_library = tmp_path / "text.so"
    no_library.write_text("no library")

    for path in (str(no_library), str(tmp_path / "missing.so"), "libm.so.6", ""):
        monkeypatch.setenv(_native.LIBRARY_VARIABLE, path)
        assert _native.load() is None


@native_only
def test_a_library_of_another_version_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _native.load() is not None

    monkeypatch.setattr(_native, "_ABI_VERSION", 0)

    assert _native.load() is None
