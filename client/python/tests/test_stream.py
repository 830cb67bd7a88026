"""The stream of any framework, by the native reduction and by the server's."""

from __future__ import annotations

import logging
import pathlib
from typing import Any, Dict, Iterator, List

import processes
import pytest
from firekeeper import _native, _stream
from firekeeper._sender import Counters
from firekeeper._status import ConnectionState
from firekeeper._stream import Stream
from firekeeper._vocabulary import LayerSpec, Phase, Signal
from sending import UNITS, Pending, run_counters, scalars, units

np = pytest.importorskip("numpy")

NOWHERE = "127.0.0.1:1"
LAYERS = [LayerSpec("fc", 3, fan_in=5)]


@pytest.fixture(params=["native", "server"])
def reduction(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Who reduces."""
    if request.param == "native" and _native.load() is None:
        pytest.skip("libfirekeeper_reduce.so is not built")
    if request.param == "server":
        monkeypatch.setattr(_native, "load", lambda: None)
    _stream._reducer.cache_clear()
    yield str(request.param)
    _stream._reducer.cache_clear()


def firings(server: processes.Server) -> List[int]:
    return [unit.firings for unit in units(server.endpoint)]


def observations(server: processes.Server) -> List[int]:
    return [unit.observations for unit in units(server.endpoint)]


def stream_to(server: processes.Server, **options: Any) -> Stream:
    return Stream(run="run", layers=LAYERS, endpoint=server.endpoint, **options)


def random_array(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.usefixtures("reduction")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f4", "int32", "bool"])
def test_units_fire_as_numpy_counts_them(server: processes.Server, dtype: str) -> None:
    array = (random_array(16, 3) * 2).astype(dtype)

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array)

    assert firings(server) == (array > 0).sum(0).tolist()
    assert stream.counters() == Counters(enqueued=1, acked=1)


@pytest.mark.usefixtures("reduction")
@pytest.mark.parametrize(
    ("shape", "unit_axis", "cluster_axis"),
    [((4, 3, 5), 1, 0), ((3, 4), 0, 1), ((5, 4, 3), -1, 1), ((3,), 0, None)],
)
def test_axes_may_stand_anywhere(
    server: processes.Server, shape: Any, unit_axis: int, cluster_axis: Any
) -> None:
    array = random_array(*shape)
    others = tuple(axis for axis in range(len(shape)) if axis != unit_axis % len(shape))

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array, unit_axis, cluster_axis)

    assert firings(server) == (array > 0).sum(others).tolist()
    assert stream.counters().rejected == 0


@pytest.mark.usefixtures("reduction")
def test_padding_is_not_observed(server: processes.Server) -> None:
    array = random_array(6, 7, 3)
    mask = np.arange(7)[None, :] < np.arange(1, 7)[:, None]

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array, mask=mask)

    assert observations(server) == [int(mask.sum())] * 3
    assert firings(server) == (array[mask] > 0).sum(0).tolist()


@pytest.mark.usefixtures("reduction")
@pytest.mark.parametrize(
    ("shape", "unit_axis", "cluster_axis"), [((7, 3, 50_000), 1, 2), ((50_000, 3, 7), 1, 0)]
)
def test_large_arrays_arrive_whole(
    server: processes.Server, shape: Any, unit_axis: int, cluster_axis: int
) -> None:
    array = random_array(*shape)
    mask = random_array(shape[0], shape[2], seed=2) > 0

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array, unit_axis, cluster_axis, mask=mask)

    expected = ((array > 0) & mask[:, None, :]).sum((0, 2)).tolist()
    assert firings(server) == expected
    clusters = [unit.clusters for unit in units(server.endpoint)]
    seen = mask.any(axis=0 if cluster_axis == 2 else 1)
    assert clusters == [int(seen.sum())] * 3


@pytest.mark.usefixtures("reduction")
def test_an_array_may_be_any_view(server: processes.Server) -> None:
    array = random_array(3, 32)[:, ::-2].T

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array)

    assert firings(server) == (array > 0).sum(0).tolist()


@pytest.mark.usefixtures("reduction")
def test_the_caller_may_change_the_array_afterwards(server: processes.Server) -> None:
    array = np.ones((4, 3))

    with stream_to(server) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, array)
        array[:] = 0

    assert firings(server) == [4, 4, 4]


@pytest.mark.usefixtures("reduction")
def test_pieces_of_examples_make_clusters_of_steps(server: processes.Server) -> None:
    layer = LayerSpec("fc", 3, cluster_split=True)

    with Stream(run="run", layers=[layer], endpoint=server.endpoint) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, np.ones((4, 3)))

    assert [unit.clusters for unit in units(server.endpoint)] == [1, 1, 1]


def test_both_reductions_lead_to_the_same_verdicts(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if _native.load() is None:
        pytest.skip("libfirekeeper_reduce.so is not built")
    told: Dict[str, Any] = {}
    for name in ("native", "server"):
        with monkeypatch.context() as patched:
            if name == "server":
                patched.setattr(_native, "load", lambda: None)
            _stream._reducer.cache_clear()
            folder = tmp_path / name
            folder.mkdir()
            with processes.running(folder) as server:
                with stream_to(server) as stream:
                    for step in range(20):
                        array = random_array(8, 5, 3, seed=step) - [0.0, 0.0, 9.0]
                        stream.observe("fc", Signal.ACTIVATION, step, array, scale=0.5)
                        stream.step_done(step)
                told[name] = units(server.endpoint)
    _stream._reducer.cache_clear()

    for native, at_server in zip(told["native"], told["server"]):
        # Of sums, which a summary rounds to binary32.
        assert native.dormancy_score == pytest.approx(at_server.dormancy_score, rel=1e-6)
        native.dormancy_score = at_server.dormancy_score
    assert told["native"] == told["server"]


def test_what_was_reduced_elsewhere_is_sent_as_it_is(server: processes.Server) -> None:
    layers = [LayerSpec("fc", UNITS)]

    with Stream(run="run", layers=layers, endpoint=server.endpoint) as stream:
        stream.observe_summary("fc", Signal.ACTIVATION, 0, Pending().resolve())

    assert firings(server) == [3] * UNITS


def test_steps_and_scalars_arrive(server: processes.Server) -> None:
    with stream_to(server) as stream:
        stream.scalar("loss", 0, 0.5)
        stream.step_done(0)

    assert scalars(server.endpoint) == {"loss": 0.5}
    assert stream.connection().state is ConnectionState.CLOSED


def test_parts_and_phases_are_told_apart(server: processes.Server) -> None:
    with stream_to(server) as stream:
        for part in range(2):
            stream.observe("fc", Signal.ACTIVATION, 0, np.ones((4, 3)), part=part)
        stream.observe("fc", Signal.ACTIVATION, 0, np.ones((4, 3)), phase=Phase.EVAL)

    assert observations(server) == [8, 8, 8]
    assert run_counters(server.endpoint).snapshots_accepted == 3


@pytest.mark.usefixtures("reduction")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layer": "other"}, "not one of the layers"),
        ({"signal": 99}, "99 is not a valid Signal"),
        ({"step": -1}, "step -1"),
        ({"array": np.ones((4, 2))}, "2 units; 3 were declared"),
        ({"array": np.ones((4, 3), dtype=complex)}, "complex128"),
        ({"array": [["a"]]}, "real numbers"),
        ({"array": 1.0}, "0 axes"),
        ({"array": None}, "real numbers"),
        ({"unit_axis": 5}, "unit_axis is 5"),
        ({"unit_axis": 0}, "must differ"),
        ({"mask": np.ones(3, dtype=bool)}, "mask has the shape"),
        ({"mask": np.ones(4)}, "must be bool"),
        ({"scale": 0.0}, "scale is 0.0"),
    ],
)
def test_a_bad_argument_is_counted_and_told_once(
    change: Dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(run="run", layers=LAYERS, endpoint=NOWHERE)
    good = {"layer": "fc", "signal": Signal.ACTIVATION, "step": 0, "array": np.ones((4, 3))}

    for _ in range(2):
        stream.observe(**{**good, **change})

    assert stream.counters() == Counters(invalid=2)
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1 and told in caplog.text


def test_an_option_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="run: got 'a b'; allowed"):
        Stream(run="a b", layers=LAYERS)
    with pytest.raises(ValueError, match="layers"):
        Stream(run="run")
    with pytest.raises(ValueError, match="every: got 3; allowed: a power of two"):
        Stream(run="run", layers=LAYERS, every=3)


def test_the_environment_may_name_the_run_and_switch_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIREKEEPER_RUN", "nightly")
    monkeypatch.setenv("FIREKEEPER_DISABLED", "true")

    with Stream(layers=LAYERS) as stream:
        stream.observe("fc", Signal.ACTIVATION, 0, np.ones((4, 3)))

    assert not stream.should_sample(0)
    assert stream.counters() == Counters()
    assert stream.close()


def test_steps_to_sample_follow_the_distance() -> None:
    stream = Stream(run="run", layers=LAYERS, endpoint=NOWHERE, every=64)

    sampled = [step for step in range(130) if stream.should_sample(step)]

    assert sampled == [*range(11), 20, 50, 64, 100, 128]
